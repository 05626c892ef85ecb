"""What every verb needs of the terminal it is typed in: the repository at hand, lines, and tables.

Everything heavy is imported by the verb that uses it, so that `gristmill --help` answers at once.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from gristmill.runs.repository import Repository

WorkloadArgument = Annotated[str, typer.Argument(metavar="WORKLOAD", help="Its name in params.yaml.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stands in the history for good.")]


def open_repository() -> "Repository":
    """The repository of the folder in which the verb was typed."""
    from gristmill.runs.repository import Repository

    return Repository(Path.cwd())


def say(line: str) -> None:
    """Print one line."""
    typer.echo(line)


def show(table: "Callable[[int | None], Table]") -> None:
    """Print a table that fits the terminal, or, through a pipe, one line for each row, however long."""
    from rich.console import Console

    console = Console()
    if console.is_terminal or "COLUMNS" in os.environ:
        console.print(table(console.width))
    else:
        Console(width=10_000).print(table(None), crop=False)
