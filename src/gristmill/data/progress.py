"""How a person sees data being fetched: a bar for each file on a terminal, else one line for each file when it is there.

A mirror that fails is no fault while another one works, so it is mentioned and no more; when all fail, the error names each
of them. A file that is in the cache already says nothing. Fetching itself draws nothing and imports nothing of this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gristmill.data.mirrors import Report

if TYPE_CHECKING:
    from rich.console import Console

_FAILED = " failed: "
_VERIFIED = "verified"


@contextmanager
def progress_bars(console: "Console | None" = None) -> Iterator[Report]:
    """Yield a report that keeps one bar for each part; off a terminal it prints one line when a part is verified."""
    from rich.console import Console
    from rich.filesize import decimal
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
    from rich.table import Column
    from rich.text import Text

    console = console or Console(stderr=True)
    columns = (
        TextColumn("    {task.fields[part]}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TextColumn(
            "{task.description}", "dim", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
        ),
    )
    tasks: dict[str, TaskID] = {}
    passed_over: dict[str, list[str]] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal, expand=True) as progress:

        def report(part: str, doing: str, done: int, total: int | None) -> None:
            if part not in tasks:
                if doing == _VERIFIED:
                    return  # it was in the cache
                tasks[part] = progress.add_task("", total=None, part=part)
                passed_over[part] = []
            progress.update(tasks[part], description=doing, completed=done, total=total)
            mirror, failed, reason = doing.partition(_FAILED)
            if failed:
                passed_over[part].append(f"{mirror} passed over: {reason}")
                if console.is_terminal:
                    progress.console.print(Text(f"    {part}: {passed_over[part][-1]}", "dim"), soft_wrap=True)
            elif doing == _VERIFIED and not console.is_terminal:
                line = "; ".join([f"{part}: {decimal(done)}, verified", *passed_over[part]])
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield report
