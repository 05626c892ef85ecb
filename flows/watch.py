"""The watcher of `gristmill up`: a process of its own, so that landing never waits for a screen or a server."""

import logging
import signal
import sys
import threading
from datetime import datetime

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.turns import Turns
from gristmill.runs.inbox import watch
from gristmill.runs.polling import poll_sources
from gristmill.runs.repository import Repository


def watch_inboxes(repository: Repository) -> None:
    """Land what is dropped and what growing sources have, and ask the server for turns, until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with get_client(sync_client=True) as client:
        turns = Turns(client, lambda: repository.git.commit_of("HEAD"), _say)

        def ask(workload: str, data: str) -> None:
            try:
                turns.ask(workload, data)
            except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound):
                return  # the server is being started again; data goes on waiting, and asking goes on

        polling = threading.Thread(target=poll_sources, args=(Repository(repository.here), _say, stop), daemon=True)
        polling.start()
        watch(repository, ask, _say, stop)
        polling.join()


def _say(line: str) -> None:
    sys.stdout.write(f"{datetime.now():%H:%M:%S} | {line}\n")
    sys.stdout.flush()
