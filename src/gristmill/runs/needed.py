"""What of DVC's cache is needed: all that the mill names, but for versions that `gristmill gc` has taken out of this cache.

Which those are stands beside the cache (`collected.json`), for it is a fact of this cache and not of the registry: a remote,
or another machine, may have them still.
"""

from collections.abc import Iterable

from gristmill.adapters.git import Git
from gristmill.adapters.objects import object_path
from gristmill.ground.files import read_json, write_json
from gristmill.registry.named import Output, landed, of_version, present
from gristmill.registry.versions import Version, read_versions
from gristmill.runs.repository import Repository


def known_workloads(repository: Repository) -> list[str]:
    """Workloads of the branch and of the working tree."""
    tip = repository.mill.tip()
    paths = [entry.path for entry in repository.git.entries(tip, "data")] if tip else []
    return sorted({path.split("/")[1] for path in paths} | {one.name for one in repository.workloads()})


def versions_of(repository: Repository) -> list[Version]:
    """Every version of every workload."""
    return [version for name in known_workloads(repository) for version in read_versions(repository.git, name)]


def needed(repository: Repository) -> list[Output]:
    """What the branch names, and every version that is not collected."""
    gone = read_collected(repository)
    kept = [version for version in versions_of(repository) if identity(repository.git, version) not in gone]
    made = [output for version in kept for output in of_version(repository.git, version)]
    return [*landed(repository.mill), *present(repository.mill), *made]


def here(repository: Repository) -> list[Output]:
    """What the present state needs to be worked with: data, models, what the last turns made, and what is in production."""
    outputs = present(repository.mill)
    champions = {output.md5 for output in outputs if output.path.endswith("/champion")}
    packages = {
        Output(str(version.package["md5"]), f"models/{version.workload}/package", version.workload, version.version)
        for version in versions_of(repository)
        if version.model["md5"] in champions
    }
    return [*outputs, *packages]


def identity(git: Git, version: Version) -> str:
    """The object of a version's tag: two repositories on one cache may both have a v1.0.0."""
    return str(git.find(version.tag))


def read_collected(repository: Repository) -> frozenset[str]:
    """Tags of versions that this cache no longer holds whole."""
    path = repository.cache / "collected.json"
    return frozenset(read_json(path)["tags"]) if path.is_file() else frozenset()


def note_collected(repository: Repository, tags: Iterable[str]) -> None:
    """Say that versions are about to leave the cache."""
    present = read_collected(repository)
    if not present.issuperset(tags):
        write_json(repository.cache / "collected.json", {"tags": sorted(present.union(tags))})


def is_cached(repository: Repository, md5: str) -> bool:
    """Whether the cache has an object."""
    return object_path(repository.cache, md5).is_file()
