"""How a deployed bundle is started: the command, its environment, and a port that is free.

The service ends with whoever started it, even if that one is killed: the kernel ends BentoML's arbiter with its parent,
and each worker with the arbiter (services/service.py), so that none is left holding the port.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.lifetime import dying_with_caller

HOST = "127.0.0.1"


class PortInUseError(GristmillError):
    """Something else listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(port)

    def __str__(self) -> str:
        return f"port {self.args[0]} of {HOST} is in use. Choose another with --port, or end what listens there."


class PortForbiddenError(GristmillError):
    """A port that the system keeps for root."""

    def __str__(self) -> str:
        return f"this user may not listen on port {self.args[0]}. Choose one from 1024 on with --port."


def serve_until_stopped(
    bundle: Path,
    serving_root: Path,
    port: int,
    say: Callable[[str], None],
    workers: int = 1,
    tokens: Path | None = None,
    opened: tuple[str, ...] = (),
) -> int:
    """Serve a bundle until it ends or this process is told to end.

    Args:
        bundle: an unpacked Bento.
        serving_root: the workload's serving folder, whose pointer the service follows.
        port: of the loopback interface; 0 takes a free one.
        say: told the address.
        workers: processes that answer.
        tokens: the file of bearer tokens; None lets everybody ask.
        opened: paths that need no token.

    Returns:
        The service's exit code; 0 when it was told to end.

    Raises:
        PortInUseError: the port is taken.
    """
    port = port or free_port()
    command, environment = serve_command(bundle, port), serve_environment(serving_root, port, workers, tokens, opened)
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.terminate())
        say(f"http://{HOST}:{port}")
        code = process.wait()
    return 0 if code in (0, -signal.SIGTERM) else code


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def serve_command(bundle: Path, port: int) -> list[str]:
    """The command that serves an unpacked Bento on the loopback address, until its parent ends.

    Raises:
        PortInUseError: the port is taken.
    """
    check_port(port)
    serve = [sys.executable, "-m", "bentoml", "serve", str(bundle.resolve()), "--host", HOST, "--port", str(port)]
    return [*dying_with_caller(), *serve]


def serve_environment(
    serving_root: Path, port: int, workers: int = 1, tokens: Path | None = None, opened: tuple[str, ...] = ()
) -> dict[str, str]:
    """The environment for `serve_command`: this one, and what keeps BentoML quiet, local and apart from others."""
    return {
        **os.environ,
        # One for each port, since BentoML empties its metrics folder when it starts.
        "BENTOML_HOME": str(serving_root.resolve() / f"bentoml-{port}"),
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
        "GRISTMILL_SERVING": str(serving_root.resolve()),
        "GRISTMILL_WORKERS": str(workers),
        **({"GRISTMILL_TOKENS": str(tokens.resolve()), "GRISTMILL_OPEN": ",".join(opened)} if tokens else {}),
        "OMP_NUM_THREADS": "1",
    }


def check_port(port: int) -> None:
    """Refuse a port that something listens on.

    Raises:
        PortInUseError: it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a closed connection left is no service
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise PortForbiddenError(port) from error
        except OSError as error:
            raise PortInUseError(port) from error
