"""A client that asks and asks, over connections that stay open, and never tries anything twice."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """One answer."""

    status: int
    content: Any
    seconds: float
    at: float
    """When it came, of time.monotonic."""


@dataclass
class Hammer:
    """Asks one question from several threads until it is told to stop."""

    url: str
    body: bytes
    n_clients: int = 4
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What went wrong below HTTP: a connection that was closed or refused."""

    def __enter__(self) -> "Hammer":
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.n_clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, n: int, what: Callable[[], object] = lambda: None, limit_s: float = 300) -> None:
        """Until there are so many answers; `what` is called now and then."""
        end = time.monotonic() + limit_s
        while len(self.answers) < n and not self.faults:
            assert time.monotonic() < end, f"{len(self.answers)} answers of {n} in {limit_s} s"
            what()
            time.sleep(0.01)

    def _ask(self) -> None:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                connection.request("POST", parts.path, self.body, self.headers)
                response = connection.getresponse()
                content = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.faults.append(f"{type(error).__name__}: {error}")
                connection.close()
                continue
            now = time.monotonic()
            self.answers.append(Answer(response.status, content, now - began, now))
        connection.close()


def quantile_ms(answers: list[Answer], share: float) -> float:
    """A quantile of the times, in milliseconds."""
    times = sorted(answer.seconds for answer in answers)
    return 1000 * times[min(len(times) - 1, int(share * len(times)))]
