"""From a file in the inbox to its turn, and to the champion that answers, with `gristmill up` running and no command typed.

Each part of the way is timed: the file is noticed and comes to rest, it lands, others are waited for, the server is asked,
and the worker starts the flow's process.
"""

import json
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from benchmarks.figures import tell, tell_median
from benchmarks.scratch import BIN, Line, Scratch, declared_parts, scratch_repository

W = "credit-risk"
_PATIENCE_S = 300
_IDLE_S = 20
_DROPS = 3
_FIRST_ROWS = 900  # of the 1,000 that there are: enough for a champion
_MORE_ROWS = 30
_LANDED = re.compile(
    r"landed as batch \w+ \(at rest (?P<rest>[\d.]+) s after it was seen, landed in (?P<landing>[\d.]+) s\)"
)
_BEGAN = re.compile(r"the turn began (?P<start>[\d.]+) s after it was asked for")


class Up:
    """`gristmill up` in a scratch repository, and its lines as they come."""

    def __init__(self, scratch: Scratch) -> None:
        self.began = time.perf_counter()
        self.lines: list[Line] = []
        self.process = subprocess.Popen(
            [str(BIN / "gristmill"), "up", "--port", "0", "--serve-from", "0"],
            cwd=scratch.root,
            env=scratch.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(Line(time.perf_counter() - self.began, line.rstrip()))

    def now(self) -> float:
        """Seconds since it was typed."""
        return time.perf_counter() - self.began

    def await_line(self, holds: Callable[[str], object], after: float = 0.0) -> Line:
        """The first line after a moment that holds what is looked for."""
        end = self.now() + _PATIENCE_S
        while self.now() < end:
            for line in list(self.lines):
                if line.second > after and holds(line.text):
                    return line
            time.sleep(0.02)
        raise RuntimeError("it did not happen:\n" + "\n".join(line.text for line in self.lines[-30:]))

    def cpu_seconds(self) -> float:
        """Of all its processes, so far."""
        own = psutil.Process(self.process.pid)
        return sum(sum(one.cpu_times()[:4]) for one in [own, *own.children(recursive=True)])


@contextmanager
def up(scratch: Scratch) -> Iterator[Up]:
    """Started, and ended in order."""
    running = Up(scratch)
    try:
        yield running
    finally:
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)


def main() -> None:
    (table,) = declared_parts(W)
    header, *rows = table.read_text("utf-8").splitlines(keepends=True)
    with scratch_repository() as scratch, up(scratch) as running:
        ready = running.await_line(lambda text: "Prefect: http" in text)
        tell("gristmill up until server and worker are there, on a fresh database", ready.second, "s")
        first = drop(running, scratch, "first.csv", header, rows[:_FIRST_ROWS])
        served = running.await_line(lambda text: f"{W}: served at" in text)
        await_version(served.text.rpartition(" ")[2], "v1.0.0")
        tell("the first file in the inbox to its model's answer, idle machine", running.now() - first, "s")
        before, began = running.cpu_seconds(), running.now()
        time.sleep(_IDLE_S)
        share = (running.cpu_seconds() - before) / (running.now() - began)
        tell("CPU that everything up takes while nothing happens", 100 * share, "% of a core")
        later = [rows[_FIRST_ROWS + _MORE_ROWS * n :][:_MORE_ROWS] for n in range(_DROPS)]
        ways = [way(running, scratch, n, header, more) for n, more in enumerate(later)]
    tell_median(
        "a file in the inbox to the flow running, idle machine", [sum(one) for one in ways], "s", target="<= 10"
    )
    for title, parts in zip(
        (
            "noticed, and at rest for two seconds",
            "landing",
            "until the server is asked, other files are waited for",
            "the worker takes the run and the flow's process starts",
        ),
        zip(*ways, strict=True),
        strict=True,
    ):
        tell_median(f"of it: {title}", parts, "s")


def drop(running: Up, scratch: Scratch, name: str, header: str, rows: list[str]) -> float:
    """Put a file into the inbox as a whole; returns when."""
    inbox = scratch.root / "data" / W / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    hidden = inbox / f".{name}.part"
    hidden.write_text(header + "".join(rows), "utf-8")
    hidden.rename(inbox / name)
    return running.now()


def way(running: Up, scratch: Scratch, n: int, header: str, rows: list[str]) -> tuple[float, float, float, float]:
    """Seconds of each part of a file's way; the turn is waited for to its end."""
    dropped = drop(running, scratch, f"more-{n}.csv", header, rows)
    landed = running.await_line(_LANDED.search, after=dropped)
    asked = running.await_line(lambda text: text.endswith("asked for a turn"), after=dropped)
    began = running.await_line(_BEGAN.search, after=dropped)
    running.await_line(lambda text: f"{W}: run: " in text, after=dropped)
    landing_s, start_s = float(_found(_LANDED, landed)["landing"]), float(_found(_BEGAN, began)["start"])
    return landed.second - dropped - landing_s, landing_s, asked.second - landed.second, start_s


def await_version(url: str, version: str) -> None:
    """Wait until a service answers with a version."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/model", timeout=5) as response:  # noqa: S310 - the address is ours
                if json.load(response)["version"] == version:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer with {version}")


def _found(pattern: re.Pattern[str], line: Line) -> re.Match[str]:
    found = pattern.search(line.text)
    assert found is not None
    return found


if __name__ == "__main__":
    main()
