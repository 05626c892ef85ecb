"""`python -m flows retrain|up|watch`: the flow, what keeps everything up, and its watcher.

`retrain` runs against the server of PREFECT_API_URL, or against one of our own. Such a server must outlive the flow's
process, whose last lines and states are sent when it ends. So this process keeps the server and starts the flow in a second
one; both end with it, however it ends.
"""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from flows.server import prefect_server
from gristmill.ground.errors import GristmillError, mendable
from gristmill.ground.lifetime import dying_with_caller
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import check_can_turn


def main() -> int:
    """Do it; exit code 0 for every verdict, 1 for a fault, 130 when a flow was stopped by hand."""
    parser = argparse.ArgumentParser(prog="python -m flows")
    verbs = parser.add_subparsers(dest="verb", required=True)
    turn = verbs.add_parser("retrain")
    turn.add_argument("workload")
    turn.add_argument("--reason", default="a person asked")
    turn.add_argument("--code", default="HEAD", help="the commit whose code runs")
    house = verbs.add_parser("up")
    house.add_argument("--port", type=int, default=4200)
    house.add_argument("--serve-from", type=int, default=3000)
    verbs.add_parser("watch")
    args = parser.parse_args()
    try:
        repository = Repository(Path.cwd())
        if args.verb == "up":
            return _up(args, repository)
        if args.verb == "watch":
            from flows.watch import watch_inboxes

            watch_inboxes(repository)
            return 0
        check_can_turn(repository, args.workload, args.code)  # before a server is started for nothing
        is_served = "PREFECT_API_URL" in os.environ
        with prefect_server(repository.state, lambda line: print(line, flush=True)):
            return _retrain(args, repository) if is_served else _in_a_process_of_its_own()
    except GristmillError as error:
        print(f"gristmill: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if (told := mendable(error)) is None:
            raise
        print(f"gristmill: {told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nstopped; `gristmill run {args.workload}` goes on where it was", file=sys.stderr)
        return 130


def _up(args: argparse.Namespace, repository: Repository) -> int:
    from flows.up import up
    from gristmill.runs.screen import Happenings, Teller, live_screen

    is_terminal = sys.stdout.isatty()
    teller = Teller(None if is_terminal else lambda line: print(line, flush=True))
    renewals = [Happenings(repository, teller.say).look]
    with ExitStack() as stack:
        if is_terminal:
            renewals.append(stack.enter_context(live_screen(repository, teller)))

        def renew() -> None:
            for one in renewals:
                one()

        code = up(repository, args.port, args.serve_from, teller.say, renew)
    if is_terminal:  # what the screen said last went with it
        print(teller.lines[-1])
    return code


def _in_a_process_of_its_own() -> int:
    command = [*dying_with_caller(), sys.executable, "-m", "flows", *sys.argv[1:]]
    with subprocess.Popen(command) as process:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the flow as well, which ends in order
        return process.wait()


def _retrain(args: argparse.Namespace, repository: Repository) -> int:
    from flows.retrain import retrain

    state = retrain(args.workload, args.reason, args.code, str(repository.here), return_state=True)
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        told = error if isinstance(error, GristmillError) else f"{state.name}: {state.message}"
        print(f"gristmill: {told}", file=sys.stderr)
        return 1
    print(f"{state.name}: {state.message}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
