"""One service takes over from another behind HAProxy, and no request is lost: docs/blue-green.md.

`python services/deploy/take_over.py --socket haproxy.sock --old blue --new green`. It needs Python alone, for it runs where
HAProxy does. When it ends with exit code 0, the old service has nothing left to answer and may be ended by SIGTERM.
"""

import argparse
import csv
import socket
import sys
import time
from collections.abc import Callable

_BACKEND = "services"
_POLL_S = 0.1


class Balancer:
    """HAProxy, as its runtime socket shows it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def tell(self, command: str) -> str:
        """Send one command, and return the answer.

        Raises:
            RuntimeError: HAProxy did not take it.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            connection.sendall(f"{command}\n".encode())
            with connection.makefile(encoding="utf-8") as file:
                answer = file.read().strip()
        if command.startswith("set ") and answer:  # said in words, and only of what went wrong
            raise RuntimeError(f"HAProxy to `{command}`: {answer}")
        return answer

    def weigh(self, server: str, weight: int) -> None:
        """Give a server its share."""
        self.tell(f"set server {_BACKEND}/{server} weight {weight}")

    def set_state(self, server: str, state: str) -> None:
        """`ready`, or `drain`: what is there is answered, and nothing new comes."""
        self.tell(f"set server {_BACKEND}/{server} state {state}")

    def is_up(self, server: str) -> bool:
        """Whether its checks of /readyz pass."""
        return self._row(server)["status"].startswith("UP")

    def n_sessions(self, server: str) -> int:
        """Requests that it is answering."""
        return int(self._row(server)["scur"])

    def _row(self, server: str) -> dict[str, str]:
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        for row in rows:
            if (row["pxname"], row["svname"]) == (_BACKEND, server):
                return row
        raise RuntimeError(f"HAProxy knows no server {_BACKEND}/{server}.")


def take_over(balancer: Balancer, old: str, new: str, canary_s: float, timeout_s: float) -> bool:
    """Let `new` answer what `old` did; False, and all as before, if `new` is not ready or does not stay so."""
    balancer.weigh(new, 0)
    balancer.set_state(new, "ready")
    if not _within(timeout_s, lambda: balancer.is_up(new)):
        _say(f"{new} did not become ready within {timeout_s:g} s; {old} goes on answering")
        return False
    balancer.weigh(old, 90)
    balancer.weigh(new, 10)
    _say(f"{new} answers one request in ten, for {canary_s:g} s")
    if _within(canary_s, lambda: not balancer.is_up(new)):
        balancer.weigh(old, 100)
        balancer.weigh(new, 0)
        _say(f"{new} did not stay ready; {old} answers everything again")
        return False
    balancer.weigh(new, 100)
    balancer.weigh(old, 0)
    balancer.set_state(old, "drain")
    _say(f"{new} answers everything")
    if not _within(timeout_s, lambda: balancer.n_sessions(old) == 0):
        _say(f"{old} still answers {balancer.n_sessions(old)} requests after {timeout_s:g} s; end it when it has none")
        return False
    _say(f"{old} has nothing left to answer; end it by SIGTERM")
    return True


def _within(timeout_s: float, is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # at once, also into a log


def main() -> int:
    """Exit code 0 when the old service may be ended."""
    parser = argparse.ArgumentParser(description="Let one service take over from another, behind HAProxy.")
    parser.add_argument("--socket", required=True, help="HAProxy's runtime socket")
    parser.add_argument("--old", required=True, help="the server that answers: blue or green")
    parser.add_argument("--new", required=True, help="the one that shall answer")
    parser.add_argument("--canary-s", type=float, default=60, help="how long one request in ten goes to the new one")
    parser.add_argument("--timeout-s", type=float, default=30, help="how long to wait until it is ready, or empty")
    told = parser.parse_args()
    ended_well = take_over(Balancer(told.socket), told.old, told.new, told.canary_s, told.timeout_s)
    return 0 if ended_well else 1


if __name__ == "__main__":
    sys.exit(main())
