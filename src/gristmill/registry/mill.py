"""The branch `mill`: one append-only, linear history of data, runs and models; the only registry.

People write `main`; the mill writes `mill`, a branch with a root of its own that holds no code. A change is built on the
tip and stands only if the tip has not moved meanwhile (git's compare-and-set); whoever loses builds it again on the new
tip. So nothing is merged, nothing is lost, and `git log mill` is the history.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gristmill.adapters.git import NO_COMMIT, Git, RefLockedError, RefMovedError
from gristmill.ground.errors import GristmillError

BRANCH = "refs/heads/mill"
_REMOTE_BRANCH = "refs/remotes/origin/mill"
_OWN_FILES = re.compile(
    r"dvc\.lock|reports/.+|data/[^/]+/(?:landing\.dvc|ledger\.json)|models/[^/]+/(?:[a-z]+\.dvc|barred\.json|frozen\.json)"
)
_ATTEMPTS = 200

# A fresh clone reads the branch from outside with DVC alone, so it carries DVC's own settings.
BEGINNING = {
    ".dvc/config": b"[core]\n    analytics = false\n    check_update = false\n[cache]\n    type = hardlink,copy\n",
    ".dvc/.gitignore": b"/config.local\n/tmp\n/cache\n",
}


class MillCheckedOutError(GristmillError):
    """A working tree has `mill` itself checked out: the next landing would look like an edit there, reversed."""

    def __str__(self) -> str:
        return (
            f"{self.args[0]} has the branch 'mill' checked out, which only the mill may move. Go back to your own branch "
            "there (`git switch -`), or look at it detached (`git switch --detach mill`), then try again."
        )


class MillContentionError(GristmillError):
    """The branch moved at every attempt."""

    def __str__(self) -> str:
        return f"the branch 'mill' moved {self.args[0]} times while a change was being made on it. Try again."


@dataclass(frozen=True)
class Change:
    """What one commit on `mill` does, and what must move together with it."""

    subject: str
    files: Mapping[str, bytes | None]
    """Path to content; None removes."""
    trailers: Mapping[str, str] = field(default_factory=dict)
    tag: tuple[str, str] | None = None
    """A version's tag (ref, tag object) that appears with the commit, or not at all."""

    @property
    def message(self) -> str:
        """The commit message; trailers are one line each, as git reads them."""
        lines = [f"{key}: {' '.join(value.split())}" for key, value in self.trailers.items() if value]
        return "\n".join([" ".join(self.subject.split()), "", *lines]) + "\n"


class Mill:
    """The branch in one repository."""

    def __init__(self, git: Git) -> None:
        self.git = git

    def tip(self) -> str | None:
        """The newest commit, or None before anything has landed.

        A fresh clone knows the branch only as origin's; it becomes a local one here, or a second root would be born.
        """
        tip = self.git.find(BRANCH)
        if tip is None and (remote := self.git.find(_REMOTE_BRANCH)):
            try:
                self.git.move([(BRANCH, remote, NO_COMMIT)])
            except RefMovedError:  # somebody else made it at this moment, or nothing can be written here
                return self.git.find(BRANCH) or remote
            return remote
        return tip

    def read(self, path: str, at: str | None = None) -> bytes | None:
        """A file at a commit of the branch (the tip unless told), or None."""
        rev = at or self.tip()
        return self.git.read(rev, path) if rev else None

    def begin(self) -> str:
        """The tip, after making the first commit if there is none."""
        return self.tip() or self.commit(lambda tip: None if tip else [Change("mill: begin", {})]) or self.begin()

    def commit(self, build: Callable[[str | None], list[Change] | None]) -> str | None:
        """Put changes on the tip, all or none.

        Args:
            build: given the tip (None: no branch yet), says what to commit on it, or None when there is nothing to do.
                It is called again on the new tip whenever somebody else was faster.

        Returns:
            The new tip, or None when there was nothing to do.

        Raises:
            MillCheckedOutError: somebody has the branch itself checked out.
            MillContentionError: somebody else was faster at every attempt.
        """
        for attempt in range(_ATTEMPTS):
            tip = self.tip()
            changes = build(tip)
            if changes is None:
                return None
            if trees := self.git.worktrees_of(BRANCH):
                raise MillCheckedOutError(trees[0])
            new, tags = self._build(tip, changes)
            try:
                # git renames one ref after the other: killed between them (20 us), a tag alone is one that the next turn
                # finds and records, and a promotion to a version without a tag would be lost.
                self.git.move([*tags, (BRANCH, new, tip or NO_COMMIT)])
            except RefMovedError as error:
                patience = 20 if isinstance(error, RefLockedError) else 2  # rivals hold the lock for milliseconds
                if (
                    self.tip() == tip and attempt >= patience
                ):  # not the branch: a tag of that name exists, or the disk is full
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - spreads rivals, decides nothing
                continue
            return new
        raise MillContentionError(_ATTEMPTS)

    def _build(self, tip: str | None, changes: list[Change]) -> tuple[str, list[tuple[str, str, str]]]:
        parent, tags = tip, []
        for change in changes:
            files = change.files if parent else {**BEGINNING, **change.files}
            tree = self.git.tree_with(parent, files)
            parent = self.git.commit(tree, [parent] if parent else [], change.message)
            if change.tag:
                tags.append((change.tag[0], change.tag[1], NO_COMMIT))
        assert parent is not None
        return parent, tags


def is_own_file(path: str) -> bool:
    """Whether a path of a working tree belongs to the mill rather than to people."""
    return _OWN_FILES.fullmatch(path) is not None


def starting_tree(git: Git, code: str, tip: str | None) -> str:
    """What a turn starts from: the code of one commit with the mill's own files of another in place of its own."""
    removed: dict[str, bytes | None] = {entry.path: None for entry in git.entries(code) if is_own_file(entry.path)}
    present = [entry for entry in git.entries(tip) if is_own_file(entry.path)] if tip else []
    return git.tree_with(git.tree_with(code, removed), {}, present)
