"""`gristmill expectations`: are the suites sound, what are they measured by, and what was found in detail."""

from pathlib import Path
from typing import Annotated

import typer

from gristmill.verbs.terminal import WorkloadArgument, open_repository, say

app = typer.Typer(help="Look over what the data must satisfy.", no_args_is_help=True)


@app.command()
def lint(
    workloads: Annotated[
        list[str] | None, typer.Argument(metavar="[WORKLOAD]", help="All workloads when left out.")
    ] = None,
) -> None:
    """Read every suite as a run would, and name all that is wrong with it; exit code 1 if anything is."""
    from gristmill.runs.linting import lint_suite

    repository = open_repository()
    named = [repository.workload(name) for name in workloads] if workloads else repository.workloads()
    reports = [lint_suite(workload) for workload in named]
    for report in reports:
        for line in report.faults or [report.summary]:
            say(line)
    if any(report.faults for report in reports):
        raise typer.Exit(1)


@app.command()
def profile(
    workload: WorkloadArgument,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Take it from these files, one batch's, instead. May be repeated."),
    ] = None,
) -> None:
    """Write the reference profile from what the last run admitted, for you to review and commit."""
    from gristmill.ground.files import write_text
    from gristmill.quality.profile import profile_text
    from gristmill.runs.profiling import declared_columns, profile_of_admitted, profile_of_files, records_of

    repository = open_repository()
    found = repository.workload(workload)
    if files:
        settings = records_of(found).IngestSettings.read(found.params, "ingest")
        made = profile_of_files(found, settings, files, declared_columns(found))
    else:
        made = profile_of_admitted(repository, found)
    path, text = found.profile, profile_text(made)
    shown = path.relative_to(repository.here)
    if path.is_file() and path.read_text("utf-8") == text:
        say(f"{shown}: {made.n:,} rows; nothing changed")
        return
    write_text(path, text)
    say(
        f"{shown}: {made.n:,} rows, {len(made.columns)} columns, {len(made.classes)} classes; review it, then commit it"
    )


@app.command()
def docs(
    workload: WorkloadArgument,
    last: Annotated[int, typer.Option(min=1, help="So many batches, the newest.")] = 20,
) -> None:
    """Write Great Expectations' Data Docs of the newest batches; they open without a network."""
    from gristmill.runs.data_docs import build_data_docs

    repository = open_repository()
    index = build_data_docs(repository, repository.workload(workload), last, say)
    say(f"open {index.relative_to(repository.here)}")
