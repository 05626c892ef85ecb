"""What `gristmill up` shows while it runs: the status, renewed each second, and the last lines of what happened.

Without a terminal there is no screen; each thing that happens is a line.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gristmill.ground.errors import GristmillError
from gristmill.registry.history import Event, read_history
from gristmill.registry.tables import event_line
from gristmill.runs.repository import Repository
from gristmill.runs.status import read_status, status_table, where

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_KEPT_LINES = 200
_RENEWED_S = 1.0


class Teller:
    """Says what happens, line by line, or keeps the lines for a screen."""

    def __init__(self, show: Callable[[str], None] | None) -> None:
        """Say nothing yet; without `show`, lines are kept alone."""
        self._show = show
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def say(self, line: str) -> None:
        """One line, with the time of day."""
        line = f"{datetime.now():%H:%M:%S} | {line}"
        self.lines.append(line)
        if self._show:
            self._show(line)


class Happenings:
    """Tells what is new on the branch `mill`: landings, runs, promotions, whoever made them."""

    def __init__(self, repository: Repository, say: Callable[[str], None]) -> None:
        """Begin at the present tip."""
        self._repository, self._say, self._tip = repository, say, repository.mill.tip()

    def look(self) -> None:
        """Say what has happened since the last look."""
        tip = self._repository.mill.tip()
        if tip == self._tip:
            return
        news = []
        for event in read_history(self._repository.mill, None):
            if event.commit == self._tip:
                break
            news.append(event)
        for event in reversed(news):
            if "Outcome" in event.trailers:
                self._tell_batches(event, self._tip)
            # Of a landing the watcher has told, and more of it; the branch's own beginning is nobody's.
            if "Workload" in event.trailers and "Batch" not in event.trailers:
                self._say(event_line(event))
            self._tip = event.commit

    def _tell_batches(self, event: Event, before: str | None) -> None:
        """What became of each batch that a run judged for the first time, or otherwise than before."""
        workload = event.trailers["Workload"]
        known = self._batches(workload, before)
        for name, batch in self._batches(workload, event.commit).items():
            if batch != known.get(name):
                self._say(f"{workload}: {batch_line(batch)}")

    def _batches(self, workload: str, commit: str | None) -> dict[str, Any]:
        content = self._repository.mill.read(f"reports/{workload}/validation.json", commit) if commit else None
        return {batch["batch"]: batch for batch in json.loads(content)["batches"]} if content else {}


def batch_line(batch: Mapping[str, Any]) -> str:
    """What became of a batch, as validation.json tells it, and why where not all of it came in."""
    rows, n_rows = batch["rows"], batch["n_rows"]
    line = f"batch {batch['batch']} {batch['status']}: {rows['admitted']:,} of {n_rows:,} rows admitted"
    reasons = [one["reason"] for one in batch["reasons"] if one["severity"] == "critical"]
    return f"{line}; {'; '.join(reasons)}" if reasons else line


@contextmanager
def live_screen(repository: Repository, teller: Teller) -> Iterator[Callable[[], None]]:
    """Show the screen while the block runs; what is yielded renews it, at most once a second."""
    from rich.live import Live

    with Live(auto_refresh=False, screen=True, redirect_stderr=False) as live:
        renewed_at = 0.0

        def renew() -> None:
            nonlocal renewed_at
            if time.monotonic() - renewed_at < _RENEWED_S:
                return
            renewed_at = time.monotonic()
            try:
                live.update(picture(repository, teller, live.console), refresh=True)
            except GristmillError as error:  # a file that is just being edited
                live.update(str(error), refresh=True)

        yield renew


def picture(repository: Repository, teller: Teller, console: "Console") -> "RenderableType":
    """The screen: status, addresses, and as many of the last lines as there is room for."""
    from rich.console import Group
    from rich.text import Text

    width, height = console.size
    head = Text("gristmill is up: drop files into data/<workload>/inbox/, end with Ctrl-C", style="bold", no_wrap=True)
    table = status_table(read_status(repository), width)
    addresses = [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in where(repository)]
    above = Group(head, table, *addresses, Text("─" * width, style="dim"))
    room = max(0, height - len(console.render_lines(above, pad=False)) - 1)
    last = list(teller.lines)[-room:] if room else []
    return Group(above, *(Text(line, overflow="ellipsis", no_wrap=True) for line in last))
