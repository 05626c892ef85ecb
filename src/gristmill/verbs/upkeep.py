"""Keeping what the mill has: remotes, whether every byte is what it was, and room on the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.verbs.terminal import open_repository, say

if TYPE_CHECKING:
    from gristmill.runs.carrying import Advance

app = typer.Typer()
remote_app = typer.Typer(help="Where a copy of all data and models is kept.", no_args_is_help=True)
app.add_typer(remote_app, name="remote")


@remote_app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    url: Annotated[str, typer.Argument(metavar="FOLDER_OR_S3_URL", help="A folder, or s3://BUCKET/PREFIX.")],
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of an S3 service that is not Amazon's.")
    ] = None,
) -> None:
    """Set up a remote that is verified; keys come from the environment, never from a committed file."""
    from gristmill.runs.remoting import add_remote

    repository = open_repository()
    say(f"remote '{name}': {add_remote(repository, name, url, endpoint)}, verified")
    say(f"commit it for whoever works here: git add .dvc/config && git commit -m 'Add the remote {name}'")
    say(f"then: gristmill push {name}")


@app.command()
def push(
    remote: Annotated[str | None, typer.Argument(metavar="[REMOTE]", help="The default one when left out.")] = None,
) -> None:
    """Bring all data, models and versions to a remote, then the branch `mill` and its tags to git's origin."""
    from gristmill.runs.carrying import push as carry

    with progress("pushed") as advance:
        pushed = carry(open_repository(), remote, advance)
    from rich.filesize import decimal

    brought = f"{pushed.n_objects} objects ({decimal(pushed.n_bytes)}) brought" if pushed.n_objects else "all was there"
    say(f"remote '{pushed.remote}': {brought}")
    if pushed.n_tags is None:
        say("git has no remote 'origin', so the branch 'mill' and the versions' tags are in this clone alone")
    else:
        say(f"origin: the branch 'mill' and {pushed.n_tags} version tags")


@contextmanager
def progress(done: str, n_bytes: int | None = None) -> "Iterator[Advance]":
    """A bar of bytes with their speed, on a terminal; it goes when the work ends."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn(done), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=n_bytes)
        yield lambda n: bar.update(task, advance=n)
