"""What may leave the disk: objects that nothing kept names, and what dead turns and old deployments left.

Kept are all that has landed, the present state, each version that ever was in production and the newest ones with all their
data, and whatever people's own commits and working trees name. Nothing goes while anybody may be about to need it: every
workload's turn is locked out, and so are landings and DVC itself in people's trees.

Killed at any moment, all that is needed is there: what goes is first noted as gone (`collected.json`), and a folder's list
goes before its files, for DVC takes a list for the whole folder. Told again, it finishes.
"""

import re
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import yaml

from gristmill.adapters.dvc import Dvc
from gristmill.adapters.git import Git
from gristmill.adapters.objects import cached_objects, is_list, read_list
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.ground.locks import if_free
from gristmill.ground.settings import parse_yaml
from gristmill.registry.aliases import alias_path, read_alias
from gristmill.registry.named import Output, in_file, landed, members, of_version, peoples, present, recorded
from gristmill.registry.promotion import past_champions, read_production
from gristmill.registry.versions import Version, read_versions
from gristmill.runs.carrying import fetch
from gristmill.runs.needed import identity, known_workloads, note_collected, read_collected
from gristmill.runs.progress import read_progress, turn_lock
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import is_owned_tree, leftovers, remove_tree, trees_lock

_UNNAMED = "of no workload"


class BusyError(GristmillError):
    """Somebody works with the cache."""

    def __str__(self) -> str:
        return f"{self.args[0]}. Nothing was removed; type `gristmill gc` again when that has ended."


class SharedCacheError(GristmillError):
    """Other clones may need what this one does not."""

    def __str__(self) -> str:
        cache, told = self.args
        return (
            f"DVC's cache ({cache}) lies outside this repository, so other clones may use it{told}. Name each of them with "
            "`--shared-with PATH`, this one where there is no other: what they need is kept. Nothing was removed."
        )


class ListMissingError(GristmillError):
    """A kept folder whose files cannot be known."""

    def __str__(self) -> str:
        path, md5 = self.args
        return (
            f"the list of files of {path} ({md5}) is damaged or missing, so nobody can say which objects it needs. "
            "`gristmill fsck` says what mends it. Nothing was removed."
        )


@dataclass(frozen=True)
class Garbage:
    """A file or folder that may go."""

    path: Path
    size: int
    workload: str
    kind: str
    """The stage that made it, or what else it is."""


@dataclass
class Plan:
    """What would go, in the order in which it goes."""

    files: list[Garbage] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    """Those that will no longer be whole in the cache; their tags stay."""
    tags: list[str] = field(default_factory=list)
    """Of these versions and those that left earlier, as the note beside the cache has them."""
    trees: list[Path] = field(default_factory=list)
    """Working trees of turns that failed or were killed."""

    def sums(self) -> list[tuple[str, str, int, int]]:
        """Workload, kind, number of files and bytes."""
        sums: dict[tuple[str, str], list[int]] = defaultdict(list)
        for one in self.files:
            sums[one.workload, one.kind].append(one.size)
        return [(*key, len(sizes), sum(sizes)) for key, sizes in sorted(sums.items())]


def collect(repository: Repository, keep: int = 10, shared_with: Iterable[Path] = (), *, is_dry: bool = True) -> Plan:
    """Find what may go, and remove it unless it is a dry run.

    Args:
        repository: whose cache and state.
        keep: how many of the newest versions of each workload are kept besides those that were in production.
        shared_with: other clones on the same cache; what they name is kept too.
        is_dry: change nothing.

    Raises:
        BusyError: a turn, a landing or DVC is at work in one of the clones.
        SharedCacheError: the cache lies outside the repository, and no clone was named.
        ListMissingError: it cannot be known what a kept folder needs.
    """
    began = time.time()
    clones = _clones(repository, shared_with)
    with ExitStack() as stack:
        for clone in clones:
            stack.enter_context(_alone(clone))
        plan = _plan(repository, clones, keep, began)
        if not is_dry:
            note_collected(repository, plan.tags)
            for one in plan.files:
                _remove(one.path)
            for tree in plan.trees:
                remove_tree(repository, tree)
    return plan


def kept_versions(repository: Repository, workload: str, keep: int) -> list[Version]:
    """The versions that stay whole: once in production, under an alias, or among the newest."""
    versions = read_versions(repository.git, workload)
    names = set(past_champions(repository.mill, workload))
    production = read_production(repository.mill, workload)
    if production:
        names |= {str(production.champion.version), str(production.best.version)}
    if shadow := read_alias(repository.mill.read(alias_path(workload, "shadow"))):
        names.add(str(shadow.version))
    newest = sorted(versions, key=lambda version: version.numbers)[-keep:]
    return [version for version in versions if version.version in names or version in newest]


def _clones(repository: Repository, shared_with: Iterable[Path]) -> list[Repository]:
    others = [Repository(path) for path in shared_with]
    for other in others:
        if other.cache != repository.cache:
            raise SharedCacheError(repository.cache, f"; {other.root} is none of them, its cache is {other.cache}")
    if not others and not repository.cache.is_relative_to(repository.root):
        raise SharedCacheError(repository.cache, "")
    return [repository, *(other for other in others if other.root != repository.root)]


@contextmanager
def _alone(repository: Repository) -> Iterator[None]:
    """Keep turns, landings and DVC out of a clone.

    Raises:
        BusyError: one of them is at work already.
    """
    with ExitStack() as stack:
        for name in known_workloads(repository):
            if not stack.enter_context(if_free(turn_lock(repository, name))):
                progress = read_progress(repository, name)
                stage = f" (stage {progress.stage})" if progress else ""
                raise BusyError(f"a turn of {name} is going on in {repository.root}{stage}")
        if not stack.enter_context(if_free(trees_lock(repository))):
            raise BusyError(f"{_at_work(repository)} in {repository.root}")
        for tree in _peoples_trees(repository):
            dvc = Dvc(tree, repository.cache)
            if command := dvc.command_at_work():
                raise BusyError(f"`{command}` is at work in {tree}")
            if not stack.enter_context(if_free(dvc.lock_file)):
                raise BusyError(f"DVC is at work in {tree}")
        yield


def _at_work(repository: Repository) -> str:
    trees = [path.name for path in (repository.state / "worktrees").glob("*") if path.is_dir() and is_owned_tree(path)]
    return f"somebody is at work ({', '.join(trees)})" if trees else "a landing or another `gristmill gc` is going on"


def _peoples_trees(repository: Repository) -> list[Path]:
    own = repository.state / "worktrees"
    return [tree for tree in repository.git.worktrees() if not tree.is_relative_to(own) and tree.is_dir()]


def _plan(repository: Repository, clones: list[Repository], keep: int, began: float) -> Plan:
    plan = Plan()
    kept: set[str] = set()
    for clone in clones:
        gone = read_collected(clone)
        stay = [version for name in known_workloads(clone) for version in kept_versions(clone, name, keep)]
        leave = [
            version
            for name in known_workloads(clone)
            for version in read_versions(clone.git, name)
            if version not in stay
        ]
        kept |= _objects_of(clone, stay, gone)
        tags = [identity(clone.git, version) for version in leave]
        plan.tags += tags
        plan.versions += [version for version, tag in zip(leave, tags, strict=True) if tag not in gone]
    objects = cached_objects(repository.cache)
    going = {md5: path for md5, path in objects.items() if md5 not in kept and _is_older(path, began)}
    whose = _whose(clones, going)
    plan.files += _stale_runs(repository.cache, objects.keys() - going.keys(), began)
    for md5 in sorted(going, key=lambda name: (not is_list(name), name)):
        workload, kind = whose.get(md5, (_UNNAMED, "objects"))
        plan.files.append(Garbage(going[md5], going[md5].stat().st_size, workload, kind))
    plan.trees = leftovers(repository)
    for name in known_workloads(repository):
        plan.files += _old_checkpoints(repository, name)
        plan.files += _old_bundles(repository, name, began)
    return plan


def _objects_of(repository: Repository, versions: list[Version], gone: frozenset[str]) -> set[str]:
    """Every object that a clone keeps."""
    whole = [*landed(repository.mill), *present(repository.mill)]
    others = peoples(repository.git, known_workloads(repository))
    for version in versions:
        (others if identity(repository.git, version) in gone else whole).extend(of_version(repository.git, version))
    going = leftovers(repository)
    for tree in repository.git.worktrees():
        if tree.is_dir() and tree not in going:
            others += _named_in(tree)
    lists = [output for output in whole if output.is_folder and not output.in_git]
    if any(read_list(repository.cache, output.md5) is None for output in lists):
        fetch(repository, lists, only_lists=True)
    for output in lists:
        if read_list(repository.cache, output.md5) is None:
            raise ListMissingError(output.path, output.md5)
    listing = partial(read_list, repository.cache)
    return {md5 for output in (*whole, *others) for md5, _ in members(output, listing)}


def _named_in(tree: Path) -> list[Output]:
    """What the `.dvc` files and dvc.lock of a working tree name, committed or not."""
    files = Git(tree).visible_files("*.dvc", "dvc.lock", "*/dvc.lock")
    return [output for path in files for output in in_file(path, (tree / path).read_bytes())]


def _is_older(path: Path, moment: float) -> bool:
    facts = path.stat()
    return max(facts.st_mtime, facts.st_ctime) < moment


def _whose(clones: list[Repository], going: Iterable[str]) -> dict[str, tuple[str, str]]:
    """By which workload and stage objects were made, as far as a recorded turn names them."""
    wanted, whose = set(going), {}
    for clone in clones:
        listing = partial(read_list, clone.cache)
        for output in recorded(clone.mill) if wanted else []:
            for md5, _ in members(output, listing):
                if md5 in wanted:
                    whose[md5] = (output.workload, (output.stage or "objects").partition("@")[0])
    return whose


def _stale_runs(cache: Path, staying: Iterable[str], began: float) -> Iterator[Garbage]:
    """Entries of the run cache some of whose outputs are gone, or about to go: they save no run any more."""
    there = set(staying)
    for path in sorted((cache / "runs").glob("??/*/*")):
        try:
            entry = parse_yaml(path.read_bytes())
            outs = {str(out["md5"]) for out in entry.get("outs", [])}
            workload, stage = re.findall(r"gristmill\.stages (\w+) ([a-z0-9-]+)", entry["cmd"])[0][::-1]
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, IndexError):
            continue  # a person's own stage, or DVC's at this moment
        if not outs <= there and _is_older(path, began):
            yield Garbage(path, path.stat().st_size, workload, f"run cache of {stage}")


def _old_checkpoints(repository: Repository, workload: str) -> Iterator[Garbage]:
    """Checkpoints from before the last recorded turn: a training that goes on is younger."""
    tip = repository.mill.tip()
    turns = repository.git.log(tip, "%ct", f"reports/{workload}") if tip else []
    for path in sorted((repository.state / "checkpoints" / workload).glob("*.checkpoint")):
        if turns and path.stat().st_mtime < int(turns[0]):
            yield Garbage(path, path.stat().st_size, workload, "checkpoint")


def _old_bundles(repository: Repository, workload: str, began: float) -> Iterator[Garbage]:
    """Unpacked Bentos that neither answer now nor would after a rollback; the cache can unpack them again."""
    root = repository.serving(workload)
    try:
        current = read_json(root / "current.json")["bundle"]
    except (OSError, ValueError, KeyError):
        return
    last = list(dict.fromkeys(past_champions(repository.mill, workload)))[:2]
    needed = {current, (read_json(root / "trial.json") if (root / "trial.json").exists() else {}).get("bundle")}
    for bundle in sorted((root / "bundles").glob("*")):
        try:
            version = read_json(bundle / "deployment.json")["version"]
        except (OSError, ValueError, KeyError):
            version = None
        if bundle.name in needed or version in last:
            continue
        if bundle.is_dir() and _is_older(bundle, began):
            size = sum(file.lstat().st_size for file in bundle.rglob("*") if file.is_file())
            yield Garbage(bundle, size, workload, "bundle")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        path.parent.rmdir()
