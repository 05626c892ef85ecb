"""`gristmill data`: mending what has landed, without changing it."""

from pathlib import Path
from typing import Annotated

import typer

from gristmill.verbs.quarantine import BatchArgument, WhyOption
from gristmill.verbs.terminal import WorkloadArgument, open_repository, say

app = typer.Typer(help="Correct what has landed, or take it out again.", no_args_is_help=True)


@app.command()
def correct(
    workload: WorkloadArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns record_id and target.")],
    reason: WhyOption,
) -> None:
    """Give records their right target: all rows of the file, or none where one is wrong."""
    from gristmill.runs.correcting import correct as correct_targets
    from gristmill.runs.quarantine.words import decided_lines

    repository = open_repository()
    decided = correct_targets(repository, repository.workload(workload), file, reason)
    for line in decided_lines("correct", workload, decided):
        say(line)


@app.command()
def revert(workload: WorkloadArgument, batch: BatchArgument, reason: WhyOption) -> None:
    """Take an admitted batch out again; the next turn trains without it. A release lets it in again."""
    from gristmill.runs.deciding import decide
    from gristmill.runs.quarantine.words import decided_lines

    repository = open_repository()
    decided = decide(repository, repository.workload(workload), batch, "revert", reason)
    for line in decided_lines("revert", workload, decided):
        say(line)
