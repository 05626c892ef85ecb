"""Keeping what the mill has: remotes, whether every byte is what it was, and room on the disk."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.verbs.terminal import open_repository, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from gristmill.runs.integrity import Trouble

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


@app.command()
def fsck(
    remote: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this remote, or a folder such as another clone's cache.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Do what is safe; nothing is deleted.")] = False,
) -> None:
    """Check every byte in the cache and in the remotes against its hash, and say what mends what is amiss."""
    from rich.filesize import decimal

    from gristmill.runs.integrity import SET_ASIDE, check, remotes_to_check
    from gristmill.runs.integrity import repair as mend

    repository = open_repository()
    remotes = remotes_to_check(repository, remote)
    began = time.monotonic()
    with progress("checked") as advance:
        survey = check(repository, remotes, advance, advance.expect)
    seconds = max(time.monotonic() - began, 0.001)
    speed = f"{decimal(survey.n_bytes)} in {seconds:.1f} s, {decimal(int(survey.n_bytes / seconds))}/s"
    say(f"{survey.n_objects} objects in the cache and {len(remotes)} remotes read: {speed}")
    mended, left = mend(repository, remotes, survey) if repair else ([], survey.troubles)
    for trouble in mended:
        say(f"mended: {_told(trouble)}")
    for trouble in left:
        say(_told(trouble))
        say(f"    to mend it: {trouble.mend.removeprefix(SET_ASIDE) if repair else trouble.mend}")
    if repair and any(trouble.what == "damaged" and not trouble.remote for trouble in survey.troubles):
        say(f"what was damaged lies in {repository.state / 'lost+found'}")
    for line in survey.notes:
        say(line)
    if left:
        raise typer.Exit(1)
    if not survey.troubles:
        say("nothing is amiss")


@app.command()
def gc(
    keep: Annotated[int, typer.Option(min=1, help="So many of each workload's newest versions.")] = 10,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, only say what would go.")] = False,
    shared_with: Annotated[
        list[Path] | None, typer.Option(metavar="CLONE", help="Another clone on the same cache; once for each.")
    ] = None,
) -> None:
    """Free the disk of what no kept version needs. What landed, was ever in production or is newest stays whole."""
    from rich.filesize import decimal

    from gristmill.runs.collection import collect

    repository = open_repository()
    plan = collect(repository, keep, shared_with or (), is_dry=not yes)
    for workload, kind, n_files, n_bytes in plan.sums():
        say(f"{workload}: {kind}: {n_files} files, {decimal(n_bytes)}")
    for tree in plan.trees:
        say(f"the working tree of a dead turn: {tree.relative_to(repository.root)}")
    if plan.versions:
        left = ", ".join(f"{version.workload} {version.version}" for version in plan.versions)
        say(f"no longer whole in the cache: {left}; their tags and figures stay")
    total = f"{len(plan.files)} files, {decimal(sum(one.size for one in plan.files))}"
    if not plan.files and not plan.trees:
        say("nothing to remove")
    elif yes:
        say(f"removed: {total}")
    else:
        say(f"would go: {total}; nothing was removed, `gristmill gc --yes` does it")


def _told(trouble: "Trouble") -> str:
    if trouble.what == "unverified":
        return f"{trouble.place} is not verified: plain `dvc pull` would take damaged objects from it in silence"
    if trouble.what == "unreachable":
        return f"{trouble.place} could not be checked"
    uses = "; ".join(trouble.uses) or "nothing that is kept"
    linked = "; the same bytes are linked in a working tree, where `gristmill pull` brings the good ones"
    return f"{trouble.place}: {trouble.md5} is {trouble.what}: {uses}{linked if trouble.n_links > 1 else ''}"


class Bar:
    """What is told of bytes as they are worked through."""

    def __init__(self, bar: "Progress", task: "TaskID") -> None:
        self._bar = bar
        self._task = task

    def __call__(self, n_bytes: int) -> None:
        """So many more are done."""
        self._bar.update(self._task, advance=n_bytes)

    def expect(self, n_bytes: int) -> None:
        """So many more are to be done."""
        self._bar.update(self._task, total=(self._bar.tasks[0].total or 0) + n_bytes)


@contextmanager
def progress(done: str) -> Iterator[Bar]:
    """A bar of bytes with their speed, on a terminal; it goes when the work ends."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn(done), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield Bar(bar, bar.add_task("", total=None))
