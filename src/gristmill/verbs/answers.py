"""Answers: scoring whole files, and what an answer that was given rests on."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gristmill.verbs.terminal import WorkloadArgument, open_repository, say

app = typer.Typer()

NOT_ALL_ANSWERED = 3
"""The exit code where the answers were written, and some records have none."""


@app.command()
def predict(
    workload: WorkloadArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What would land, without its target.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.parquet", help="Where the answers go.")],
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="As `gristmill versions` lists it; the champion unless told.")
    ] = None,
) -> None:
    """Score whole files, one row for each record; exit code 3 where some records got no answer."""
    from gristmill.runs.loading import load_version
    from gristmill.runs.predicting import count_records, parts_to_score, predict_files

    loaded = load_version(open_repository(), workload, version)
    parts = parts_to_score(files, out)
    with _counted("scored", lambda: count_records(loaded, parts)) as advance:
        predicted = predict_files(loaded, parts, out, advance)
    for line in (*predicted.notes, *predicted.problems, *predicted.refusals):
        say(f"{workload}: {line}")
    n_refused = predicted.n_rows - predicted.n_answered
    refused = f", {n_refused:,} not answered (column `problem` says why)" if n_refused else ""
    say(f"{workload} {loaded.version.version}: {predicted.n_answered:,} records answered{refused}: {out}")
    if not predicted.is_whole:
        raise typer.Exit(NOT_ALL_ANSWERED)


@app.command()
def trace(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="As the service's answer has it.")],
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """What an answer rests on: version, verdict, data batch by batch, code, and the commands that bring it back."""
    from gristmill.runs.tracing.lineage import to_json
    from gristmill.runs.tracing.lineage import trace as follow
    from gristmill.runs.tracing.words import trace_lines

    traced = follow(open_repository(), request_id)
    if as_json:
        say(json.dumps(to_json(traced), indent=1, ensure_ascii=False))
        return
    for line in trace_lines(traced):
        say(line)


@contextmanager
def _counted(done: str, total: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """A bar of rows, on a terminal alone, where their number is asked for; it goes when the work ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn(done),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total() if console.is_terminal else None)
        yield lambda n_rows: bar.update(task, advance=n_rows)
