"""What of DVC's cache the mill names: all that has landed, the present state, and each version's whole turn.

    the branch    every `landing.dvc` it ever held (landing is append-only history); of its tip, the aliases and dvc.lock
    a version     on its tag's tree, what the turn of its own workload read and made; the model and the package

What a turn without a version made is nobody's need any more once the next turn has been recorded.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from gristmill.adapters.git import Git
from gristmill.adapters.objects import is_list
from gristmill.ground.settings import parse_yaml
from gristmill.registry.mill import BRANCH, Mill
from gristmill.registry.versions import Version

Listing = Callable[[str], Mapping[str, str] | None]
"""The files of a folder by its hash, relative path to md5; None where they cannot be known."""

PRESENT = "the present state"
HISTORY = "the history of what landed"
PEOPLE = "people's own commits"

_WORKLOAD = re.compile(r"(?:data|models)/([^/]+)/")


@dataclass(frozen=True)
class Output:
    """A file or folder that DVC keeps, and one who names it."""

    md5: str
    """With `.dir` behind it for a folder."""
    path: str
    """In a working tree."""
    workload: str
    by: str
    """A version, such as `v1.2.0`, or one of the words below."""
    stage: str | None = None
    """Which stage makes it; None for what landed and for aliases."""
    in_git: bool = False
    """A figure, which git keeps; a copy in DVC's cache only saves the stage from running again."""

    @property
    def is_folder(self) -> bool:
        """Whether its object is a list of files."""
        return is_list(self.md5)


def landed(mill: Mill) -> list[Output]:
    """The landing of every workload at every commit of the branch."""
    tip = mill.tip()
    return _tracked(mill.git.every_state([tip], "data/*/landing.dvc"), HISTORY) if tip else []


def present(mill: Mill) -> list[Output]:
    """The state that the branch's tip names."""
    tip = mill.tip()
    if tip is None:
        return []
    pointers = mill.git.contents(tip, "data", "models")
    figures = {entry.path for entry in mill.git.entries(tip, "reports")}
    stages = _stages(mill.read("dvc.lock", tip))
    return [*_tracked(pointers.items(), PRESENT), *_locked(stages, figures, PRESENT)]


def of_version(git: Git, version: Version) -> list[Output]:
    """What a version's turn read and made."""
    name, number = version.workload, version.version
    contents = git.contents(version.tag, "dvc.lock", f"data/{name}", f"models/{name}")
    figures = {entry.path for entry in git.entries(version.tag, f"reports/{name}")}
    stages = _stages(contents.pop("dvc.lock", None))
    own = {stage: entry for stage, entry in stages.items() if stage.endswith(f"@{name}")}
    return [
        *_tracked(contents.items(), number),
        *_locked(own, figures, number),
        Output(str(version.model["md5"]), f"models/{name}/challenger", name, number, f"train@{name}"),
        Output(str(version.package["md5"]), f"models/{name}/package", name, number, f"package@{name}"),
    ]


def peoples(git: Git, workloads: Iterable[str]) -> list[Output]:
    """What people's own commits name: `.dvc` files in all their history, dvc.lock where a branch stands.

    Args:
        git: the repository.
        workloads: whose version tags are none of people's.
    """
    own = [f"--exclude={BRANCH}", *(f"--exclude=refs/tags/{workload}@v*" for workload in workloads)]
    states = git.every_state([*own, "--all"], "**/*.dvc")
    for ref in [*git.refs("refs/heads", "%(refname)"), *git.refs("refs/remotes", "%(refname)")]:
        if ref != BRANCH and (lock := git.read(ref, "dvc.lock")):
            states.append(("dvc.lock", lock))
    return [output for path, content in states for output in in_file(path, content)]


def recorded(mill: Mill) -> list[Output]:
    """What every turn that the branch ever recorded made."""
    tip = mill.tip()
    states = mill.git.every_state([tip], "dvc.lock") if tip else []
    return [output for path, content in states for output in in_file(path, content)]


def in_file(path: str, content: bytes) -> list[Output]:
    """What a `.dvc` file or a dvc.lock names; nothing where it cannot be read, as in a person's edit."""
    try:
        return (
            _locked(_stages(content), set(), PEOPLE) if path.endswith(".lock") else _tracked([(path, content)], PEOPLE)
        )
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return []


def members(output: Output, listing: Listing) -> Iterator[tuple[str, str]]:
    """The objects of an output (md5 and path): itself, and the files of a folder."""
    yield output.md5, output.path
    if output.is_folder:
        for name, md5 in (listing(output.md5) or {}).items():
            yield md5, f"{output.path}/{name}"


def _tracked(files: Iterable[tuple[str, bytes]], by: str) -> list[Output]:
    outputs = []
    for path, content in files:
        if path.endswith(".dvc"):
            workload = _WORKLOAD.match(path)
            outputs += [
                Output(str(out["md5"]), path.removesuffix(".dvc"), workload[1] if workload else "", by)
                for out in parse_yaml(content).get("outs", [])
                if out.get("md5")
            ]
    return outputs


def _stages(lock: bytes | None) -> Mapping[str, Any]:
    return (parse_yaml(lock) or {}).get("stages") or {} if lock else {}


def _locked(stages: Mapping[str, Any], figures: set[str], by: str) -> list[Output]:
    return [
        Output(str(out["md5"]), out["path"], stage.rpartition("@")[2], by, stage, out["path"] in figures)
        for stage, entry in stages.items()
        for out in entry.get("outs", [])
        if out.get("md5")
    ]
