"""A working tree of its own for each turn of the mill.

DVC hashes a stage's dependencies after its command has ended, so an edit in mid-run would otherwise become the truth
(dvc issue 11058). A turn starts from the code of one commit and the mill's own files of one tip, in a detached worktree
on the shared cache, and a person's tree is neither read nor touched.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from gristmill.adapters.dvc import CacheMissError, Dvc, read_lock
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import write_text
from gristmill.ground.locks import is_owned, locked, owned, shared
from gristmill.ground.pipeline import STAGES
from gristmill.ground.settings import Settings, parse_yaml
from gristmill.ground.workload import UnknownWorkloadError, Workload, find_workload
from gristmill.registry.aliases import alias_path
from gristmill.registry.mill import BRANCH, MillCheckedOutError, starting_tree
from gristmill.runs.progress import forget_progress, note_progress, turn_lock
from gristmill.runs.repository import Repository

_MOST_LINES = 4
"""Of what a failed turn said; of more, as of a traceback, the first and the last tell enough."""


class NoDataError(GristmillError):
    """Nothing has landed for a workload."""

    def __str__(self) -> str:
        workload = self.args[0]
        return (
            f"{workload} has no data yet. Land some first: `gristmill land {workload}` for its declared source, "
            f"or `gristmill land {workload} FILE...` for your own."
        )


class UncommittedWorkloadError(GristmillError):
    """A workload that stands in the working tree only."""

    def __str__(self) -> str:
        name, code = self.args
        return (
            f"{name} is in your params.yaml, but not in that of commit {code[:8]}, whose code would run. Commit it first "
            f"(with params/{name}.yaml and expectations/{name}.json), or name a commit that has it."
        )


class NoSuiteError(GristmillError):
    """A workload whose suite or profile is not in the code that would run."""

    def __str__(self) -> str:
        name, path, code = self.args
        mend = (
            f"`gristmill expectations profile {name} --from FILE` takes it from data"
            if path.endswith(".profile.json")
            else "docs/expectations.md says how one is written"
        )
        return f"{name}: commit {code[:8]}, whose code would run, has no {path}. {mend}; then commit it."


class TurnSettings(Settings):
    """Limits of one turn."""

    stage_timeout_s: float = Field(default=6 * 3600, gt=0)
    """Seconds that one stage may work before it is ended."""


@dataclass(frozen=True)
class Workspace:
    """Where one turn happens."""

    repository: Repository
    workload: Workload
    """Its paths lie under the workspace."""
    code: str
    """The commit whose code runs."""
    base: str
    """The commit on `mill` that the turn starts from."""
    tree: str
    """The tree that both together make."""
    dvc: Dvc

    @property
    def root(self) -> Path:
        """The worktree."""
        return self.workload.root

    def stale_stages(self) -> list[str]:
        """The stages that DVC would run; empty when the turn has nothing to do."""
        return sorted(self.dvc.stale(f"package@{self.workload.name}"))

    def run_stage(self, stage: str, report: Callable[[str], None]) -> None:
        """Run one stage if it is stale.

        Checkpoints and memos lie in the repository's state, so that a turn which was killed in mid-training goes on from
        there, and what was made of a batch is found by the next turn.
        """
        checkpoints = self.repository.state / "checkpoints"
        note_progress(self.repository, self.workload.name, stage)
        limit_s = TurnSettings.read(self.workload.params, "turn").stage_timeout_s
        environment = {"GRISTMILL_CHECKPOINTS": str(checkpoints), "GRISTMILL_MEMO": str(self.repository.memos)}
        self.dvc.reproduce(f"{stage}@{self.workload.name}", report, limit_s, environment)

    def newer_data(self) -> bool:
        """Whether data has landed since the turn began; it waits for the next one."""
        pointer = f"data/{self.workload.name}/landing.dvc"
        return self.repository.mill.read(pointer) != self.repository.mill.read(pointer, self.base)


def check_can_turn(repository: Repository, name: str, code_rev: str = "HEAD") -> str:
    """What can be known before anything is started: that there is code, a workload of that name, and data for it.

    Returns:
        The commit whose code would run.

    Raises:
        NoCommitError, UnknownWorkloadError, NoDataError: as `workspace`.
        UncommittedWorkloadError: the working tree has the workload, and the code does not.
        NoSuiteError: the code has no suite or no profile for it.
        MillCheckedOutError: somebody has the branch `mill` checked out.
    """
    code = repository.git.commit_of(code_rev)
    if repository.mill.read(f"data/{name}/landing.dvc") is None:
        repository.workload(name)  # a misspelt name is the likelier fault, and gets its own sentence
        raise NoDataError(name)
    known = workloads_at(repository, code)
    if name not in known:
        if name in [workload.name for workload in repository.workloads()]:
            raise UncommittedWorkloadError(name, code)
        raise UnknownWorkloadError(name, known)
    for path in (f"expectations/{name}.json", f"expectations/{name}.profile.json"):
        if repository.git.read(code, path) is None:
            raise NoSuiteError(name, path, code)
    if trees := repository.git.worktrees_of(BRANCH):  # a turn could not be recorded
        raise MillCheckedOutError(trees[0])
    return code


def workloads_at(repository: Repository, code: str) -> list[str]:
    """The names in params.yaml of a commit."""
    content = parse_yaml(repository.git.read(code, "params.yaml") or b"")
    return [str(name) for name in content.get("workloads") or ()] if isinstance(content, dict) else []


@contextmanager
def workspace(
    repository: Repository, name: str, code_rev: str = "HEAD", report: Callable[[str], None] = print
) -> Iterator[Workspace]:
    """Make a workspace for one turn, and remove it; after a fault it is kept, and named.

    Only one turn per workload at a time: a second one waits.

    Raises:
        NoDataError: nothing has landed.
        NoCommitError: there is no such code.
        UnknownWorkloadError: that code has no such workload.
    """
    code = check_can_turn(repository, name, code_rev)
    if repository.git.is_dirty() and code_rev == "HEAD":
        report("uncommitted edits are not in this run: it takes the code of the last commit")
    with locked(turn_lock(repository, name), lambda: report(f"another turn of {name} is going on; waiting for it")):
        note_progress(repository, name, "beginning")
        sweep(repository)
        for path in kept_failures(repository, name)[:-1]:  # the newest is enough to look at
            remove_tree(repository, path)
        base = repository.mill.tip()
        assert base is not None  # for data have landed, and the branch only grows
        tree = starting_tree(repository.git, code, base)
        start = repository.git.commit(tree, [code], f"the start of a turn of {name}")
        with worktree(repository, f"{name}-{secrets.token_hex(4)}", start) as path:
            workload = find_workload(path, name)
            ws = Workspace(repository, workload, code, base, tree, Dvc(path, repository.cache))
            _check_out(ws, report)
            try:
                yield ws
            except Exception:
                report(f"the worktree of this turn is kept for a look: {path}")
                raise
        forget_failures(repository, name)
        forget_progress(repository, name)


def _check_out(ws: Workspace, report: Callable[[str], None]) -> None:
    name = ws.workload.name
    pointers = [f"data/{name}/landing.dvc", alias_path(name, "champion"), alias_path(name, "best")]
    recorded = read_lock(ws.repository.mill.read("dvc.lock", ws.base))
    stages = [f"{stage}@{name}" for stage in STAGES if f"{stage}@{name}" in recorded]
    try:
        ws.dvc.checkout(*pointers, *stages)
    except CacheMissError:
        ws.dvc.checkout(*pointers)  # what landed and what was promoted can be made by no stage
        report("DVC's cache lacks some of what the last turn made; the stages that make it run again")
        ws.dvc.restore(*stages)


@contextmanager
def worktree(repository: Repository, name: str, commit: str, *, is_kept: bool = True) -> Iterator[Path]:
    """A detached worktree on the shared cache. It goes when the block ends; when the block raises, it stays if `is_kept`."""
    path = repository.state / "worktrees" / name
    with (
        shared(trees_lock(repository)),
        owned(_lock_of(path)),
    ):  # before the tree exists, or a sweep could take it for a dead one's
        repository.git.add_worktree(path, commit)
        try:
            Dvc(path, repository.cache).share_cache()
            yield path
        except Exception as error:
            if is_kept:  # for a look; whoever stops a turn by hand needs none
                _failed_mark(path).touch()
                with suppress(OSError):  # a full disk may be the very fault
                    write_text(_failed_mark(path), _told(error))
            raise
        finally:
            if not _failed_mark(path).exists():
                remove_tree(repository, path)


def sweep(repository: Repository) -> None:
    """Remove worktrees whose owner is dead, except those kept after a fault."""
    folder = repository.state / "worktrees"
    for path in folder.iterdir() if folder.is_dir() else []:
        if path.is_dir() and not _failed_mark(path).exists() and not is_owned_tree(path):
            remove_tree(repository, path)


def trees_lock(repository: Repository) -> Path:
    """The lock that everybody with a worktree shares; who holds it alone knows that nothing enters the cache."""
    return repository.state / "locks" / "all.trees.lock"


def leftovers(repository: Repository) -> list[Path]:
    """Worktrees of dead turns, and of failed ones but for each workload's newest, which is there to be looked at."""
    folder = repository.state / "worktrees"
    marks = [mark.with_suffix("") for mark in (*folder.glob("*.failed"), *folder.glob("*.lock"))]
    trees = {*marks, *(path for path in folder.glob("*") if path.is_dir())}
    newest = {
        path.name[: -len("-12345678")]: path for path in sorted(marks, key=_failed_at) if _failed_mark(path).exists()
    }
    return sorted(path for path in trees if not is_owned_tree(path) and path not in newest.values())


def is_owned_tree(path: Path) -> bool:
    """Whether somebody alive works in a worktree."""
    lock = _lock_of(path)
    return lock.exists() and is_owned(lock)


def kept_failures(repository: Repository, name: str) -> list[Path]:
    """Worktrees of a workload's failed turns, oldest first."""
    marks = (repository.state / "worktrees").glob(f"{name}-????????.failed")
    return [mark.with_suffix("") for mark in sorted(marks, key=lambda mark: mark.stat().st_mtime)]


def fault(path: Path) -> str:
    """Why the turn of a kept worktree failed, in one line; empty where nobody noted it."""
    try:
        lines = _failed_mark(path).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return ""
    return " ".join(lines if len(lines) < _MOST_LINES else [lines[0], lines[-1]])


def forget_failures(repository: Repository, name: str) -> None:
    """Remove what failed turns left, once a turn has succeeded."""
    for path in kept_failures(repository, name):
        if not is_owned_tree(path):
            remove_tree(repository, path)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, GristmillError) else f"{type(error).__name__}: {error}"


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _failed_mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.failed")


def _failed_at(path: Path) -> float:
    mark = _failed_mark(path)
    return mark.stat().st_mtime if mark.exists() else 0


def remove_tree(repository: Repository, path: Path) -> None:
    """Remove a worktree, and what says that it failed or whose it is."""
    repository.git.remove_worktree(path)
    shutil.rmtree(path, ignore_errors=True)
    _failed_mark(path).unlink(missing_ok=True)
    _lock_of(path).unlink(missing_ok=True)
