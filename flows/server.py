"""A Prefect server for those who have none running: on loopback, on a free port, quiet, gone with its caller.

`PREFECT_API_URL` names a server that runs already. Else one is started on SQLite under `.gristmill/prefect-N/`: N is the
first that nobody alive uses, so two turns without a server do not share a database that was made for one.
"""

import http.client
import itertools
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.lifetime import dying_with_caller
from gristmill.ground.locks import first_free
from gristmill.serving.command import free_port

_START_LIMIT_S = 180  # a fresh database took 8 s on an idle machine, and a minute on a loaded one

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",  # a missing server is an error at once, not a hidden one of its own
    "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # the default is pickle, also for the exception of a failed flow
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": "%(asctime)s | %(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": "%(asctime)s |   %(message)s",
}


class PrefectServerError(GristmillError):
    """No Prefect server answers."""


@contextmanager
def prefect_server(state: Path, report: Callable[[str], None]) -> Iterator[str]:
    """Put a server's address and our quiet settings into the environment, before Prefect is imported.

    Args:
        state: where a server of our own keeps its database and log.
        report: told where the server's pages are.

    Yields:
        The address of its API.

    Raises:
        PrefectServerError: the named server does not answer, or our own did not start.
    """
    os.environ.update(QUIET)
    if url := os.environ.get("PREFECT_API_URL"):
        if not answers(url):
            raise PrefectServerError(
                f"no Prefect server answers at {url} (PREFECT_API_URL). Start it, or unset the variable."
            )
        yield url
        return
    with first_free(state / "locks" / f"prefect.{n}.lock" for n in itertools.count()) as slot:
        home, port = state / slot.stem.replace(".", "-"), free_port()
        environment = server_environment(home, port)
        url = environment["PREFECT_API_URL"]
        os.environ.update(environment)
        home.mkdir(parents=True, exist_ok=True)
        with (home / "server.log").open("ab") as log, _started(port, log) as process:
            _wait_until_up(process, url, home / "server.log")
            report(f"Prefect: {url.removesuffix('/api')}")
            try:
                yield url
            finally:
                for name in environment:
                    os.environ.pop(name, None)


def server_environment(home: Path, port: int) -> dict[str, str]:
    """What a server of our own and its clients need to know."""
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),  # the UI asks this for its own API's address
    }


def server_command(port: int) -> list[str]:
    """The command that serves Prefect's API and pages on the loopback address, until its parent ends."""
    return [
        *dying_with_caller(),
        *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--timeout-keep-alive", "5"),
    ]


def answers(url: str) -> bool:
    """Whether a server is healthy."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:  # noqa: S310 - the address is ours
            return bool(response.status == http.client.OK)
    except OSError:
        return False


@contextmanager
def _started(port: int, log: object) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        server_command(port), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PrefectServerError(f"the local Prefect server did not start; {log} says why.")
        time.sleep(0.1)
