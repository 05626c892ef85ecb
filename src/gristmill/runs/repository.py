"""A team's repository: its git, its DVC cache, its workloads, and where the mill keeps what is nobody's to edit."""

from functools import cached_property
from pathlib import Path

from gristmill.adapters.dvc import Dvc, configured_cache
from gristmill.adapters.git import Git
from gristmill.adapters.remotes import Remote, read_remotes
from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import Workload, all_workloads, check_name, find_workload
from gristmill.registry.mill import BRANCH, Mill, MillCheckedOutError


class NotGristmillError(GristmillError):
    """A git repository, but not one with a pipeline."""

    def __str__(self) -> str:
        return f"{self.args[0]} holds no dvc.yaml and params.yaml: it is not a Gristmill repository. Change into one."


class Repository:
    """Everything that a verb needs to find; opening it changes nothing.

    `here` is the working tree in which a person stands. State and cache are those of `root`, the main one, for all of them.
    """

    def __init__(self, folder: Path) -> None:
        """Open the repository that holds `folder`.

        Raises:
            NoRepositoryError: the folder is in no git repository.
            NotGristmillError: it is in one without a pipeline.
            MillCheckedOutError: the branch `mill`, which holds no code, is checked out there.
        """
        self.git = Git(folder.resolve())
        self.root, self.here = self.git.root, self.git.here
        if not ((self.here / "dvc.yaml").is_file() and (self.here / "params.yaml").is_file()):
            if self.here in self.git.worktrees_of(BRANCH):
                raise MillCheckedOutError(self.here)
            raise NotGristmillError(self.here)
        self.mill = Mill(self.git)

    @property
    def state(self) -> Path:
        """`.gristmill/`: ignored by git; worktrees, locks, checkpoints, memos, server state, bundles."""
        return self.root / ".gristmill"

    @property
    def memos(self) -> Path:
        """What stages made of single batches; may be deleted at any time."""
        return self.state / "memo"

    @cached_property
    def cache(self) -> Path:
        """DVC's cache, where its own configuration says."""
        return configured_cache(self.root)

    @property
    def dvc(self) -> Dvc:
        """DVC in the person's own tree."""
        return Dvc(self.here, self.cache)

    def remotes(self) -> tuple[dict[str, Remote], str | None]:
        """DVC's remotes by name, those that the mill carries included, and which one is meant where none is named."""
        return read_remotes(self.root, self.mill.read(".dvc/config"))

    def workload(self, name: str) -> Workload:
        """A workload of the working tree's params.yaml, by name."""
        return find_workload(self.here, name)

    def check_known(self, name: str) -> None:
        """Admit a workload that the mill or the working tree has.

        What is in production stays within reach when the tree at hand no longer has its workload, or is being edited.

        Raises:
            WorkloadNameError, UnknownWorkloadError: neither has it.
        """
        if self.mill.read(f"data/{check_name(name)}/landing.dvc") is None:
            self.workload(name)

    def workloads(self) -> list[Workload]:
        """Every workload of the working tree's params.yaml."""
        return all_workloads(self.here)

    def serving(self, workload: str) -> Path:
        """Where a workload's bundles and the pointer to the present one lie."""
        return self.state / "serving" / workload
