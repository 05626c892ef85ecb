"""Whether every byte is what it was: each object of the cache and of the remotes against the hash that is its name.

DVC has no such check, and does not look by itself: what was written through a hard link into the cache is checked out, and
pushed, with exit code 0 (measured). What is damaged is never deleted: it is set aside in `.gristmill/lost+found/`.
"""

import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from gristmill.adapters.objects import cached_objects, file_chunks, is_object, object_path, read_list
from gristmill.adapters.remotes import Remote, RemoteFaultError, find_remote
from gristmill.registry.named import HISTORY, PRESENT, Output, members
from gristmill.runs.carrying import Advance, Sources
from gristmill.runs.needed import needed
from gristmill.runs.repository import Repository

_AT_ONCE = 8
_PART = re.compile(r"data/([^/]+)/landing/[^/]+/([0-9a-f]{16})/(?!\d{4}-)[^/]+")
SET_ASIDE = "`gristmill fsck --repair`, then "
"""What comes first where a damaged object has not been set aside yet."""
_ELSEWHERE = "where another clone has it, `gristmill fsck --repair --remote PATH/.dvc/cache`"


@dataclass(frozen=True)
class Trouble:
    """One thing that is amiss."""

    what: Literal["damaged", "missing", "unverified", "unreachable"]
    remote: str | None
    """Where; None for the cache."""
    md5: str = ""
    uses: tuple[str, ...] = ()
    """What needs the object: path, workload, versions."""
    mend: str = ""
    """What to type."""
    n_links: int = 1
    """More than one: the same bytes lie in working trees too."""

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"the remote '{self.remote}'" if self.remote else "the cache"


@dataclass
class Survey:
    """What a check found."""

    n_objects: int = 0
    n_bytes: int = 0
    """Read and hashed."""
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no trouble, but worth knowing."""


@dataclass(frozen=True)
class _Place:
    """A cache or remote, and what is wrong in it."""

    remote: Remote | None
    sizes: Mapping[str, int]
    damaged: frozenset[str]

    def has(self, md5: str) -> bool:
        return md5 in self.sizes and md5 not in self.damaged


def remotes_to_check(repository: Repository, name: str | None) -> list[Remote]:
    """All remotes; or the one of that name, or a folder that is laid out like one, such as another clone's cache.

    Raises:
        RemoteNameError: neither.
    """
    remotes, _ = repository.remotes()
    if name is None:
        return list(remotes.values())
    folder = Path(name).expanduser().resolve()
    if name not in remotes and (folder / "files" / "md5").is_dir():
        return [Remote(name, str(folder), {"verify": "true"}, is_own=False)]
    return [find_remote(remotes, name)]


def check(
    repository: Repository,
    remotes: Iterable[Remote],
    advance: Advance = lambda _: None,
    total: Advance = lambda _: None,
) -> Survey:
    """Read every object of the cache and of the remotes, and look for those that the mill names and nobody has.

    Args:
        repository: whose.
        remotes: which to read as well.
        advance: told of the bytes that were read.
        total: told, for each place in turn, how many bytes there are to read.
    """
    survey = Survey()
    places = [_check_cache(repository.cache, advance, total)]
    for remote in remotes:
        if not remote.verifies:
            mend = f"`gristmill fsck --repair`, or `dvc remote modify {remote.name} verify true`"
            survey.troubles.append(Trouble("unverified", remote.name, mend=mend))
        try:
            places.append(_check_remote(remote, advance, total))
        except RemoteFaultError as error:
            survey.troubles.append(Trouble("unreachable", remote.name, mend=str(error)))
    survey.n_objects = sum(len(place.sizes) for place in places)
    survey.n_bytes = sum(size for place in places for size in place.sizes.values())
    outputs = needed(repository)
    listing = _Lists(repository.cache, places)
    own = [place for place in places if place.remote is None or place.remote.is_own]
    found = [(place, md5, "damaged") for place in own for md5 in sorted(place.damaged)]
    found += [(place, md5, "missing") for place, md5 in _missing(outputs, places, listing, survey)]
    uses = _uses(outputs, listing, {md5 for _, md5, _ in found})
    for place, md5, what in found:
        survey.troubles.append(_trouble(repository, place, md5, what, uses[md5], places, listing))
    return survey


def repair(repository: Repository, remotes: Iterable[Remote], survey: Survey) -> tuple[list[Trouble], list[Trouble]]:
    """Do what is safe: set damaged objects of the cache aside, bring good ones from where they are, verify remotes.

    Returns:
        What is mended, and what is left.
    """
    named = {remote.name: remote for remote in remotes}
    sources = Sources(repository.cache, [remote for remote in named.values() if remote.verifies])
    mended: list[Trouble] = []
    left: list[Trouble] = []
    for trouble in sorted(
        survey.troubles, key=lambda one: one.remote or ""
    ):  # the cache first: remotes are mended from it
        done = _mend(repository, named, sources, trouble)
        (mended if done else left).append(trouble)
    return mended, left


def _mend(repository: Repository, remotes: Mapping[str, Remote], sources: Sources, trouble: Trouble) -> bool:
    cached = object_path(repository.cache, trouble.md5)
    match trouble.what, trouble.remote:
        case "unverified", str(name):
            repository.dvc.verify_remote(name)
            return True
        case "unreachable", _:
            return False
        case "damaged", None:
            aside = repository.state / "lost+found" / trouble.md5
            aside.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(cached, aside)
            return sources.find(trouble.md5) or not trouble.uses
        case "missing", None:
            return sources.find(trouble.md5)
        case _, str(name):
            if not (cached.is_file() and is_object(trouble.md5, file_chunks(cached))):
                return False
            remotes[name].put(trouble.md5, cached)
            return True
    raise AssertionError(trouble)


def _check_cache(cache: Path, advance: Advance, total: Advance) -> _Place:
    objects = cached_objects(cache)
    sizes = {md5: path.stat().st_size for md5, path in objects.items()}
    total(sum(sizes.values()))
    return _Place(None, sizes, _damaged(sizes, lambda md5: is_object(md5, file_chunks(objects[md5])), advance))


def _check_remote(remote: Remote, advance: Advance, total: Advance) -> _Place:
    sizes = remote.objects()
    total(sum(sizes.values()))
    is_right = partial(_is_right_there, remote, sizes)
    return _Place(remote, sizes, _damaged(sizes, is_right, advance))


def _is_right_there(remote: Remote, sizes: Mapping[str, int], md5: str) -> bool:
    return is_object(md5, remote.chunks(md5, sizes[md5]))


def _damaged(sizes: Mapping[str, int], is_right: Callable[[str], bool], advance: Advance) -> frozenset[str]:
    def examine(md5: str) -> bool:
        right = is_right(md5)
        advance(sizes[md5])
        return right

    names = sorted(sizes)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return frozenset(md5 for md5, right in zip(names, pool.map(examine, names), strict=True) if not right)


class _Lists:
    """The lists of folders, from wherever there is a good one."""

    def __init__(self, cache: Path, places: list[_Place]) -> None:
        self._cache = cache
        self._places = places
        self._known: dict[str, Mapping[str, str] | None] = {}

    def __call__(self, md5: str) -> Mapping[str, str] | None:
        if md5 not in self._known:
            self._known[md5] = read_list(self._cache, md5) or self._from_remote(md5)
        return self._known[md5]

    def _from_remote(self, md5: str) -> Mapping[str, str] | None:
        for place in self._places:
            if place.remote and place.has(md5):
                return place.remote.read_list(md5, place.sizes[md5])
        return None


def _missing(outputs: list[Output], places: list[_Place], listing: _Lists, survey: Survey) -> list[tuple[_Place, str]]:
    """Needed objects that nobody has, and those that a remote lacks of a folder that it claims to have."""
    cache, *remotes = places
    needed_by = {(md5, output.md5) for output in outputs if not output.in_git for md5, _ in members(output, listing)}
    absent = {md5 for md5, _ in needed_by if md5 not in cache.sizes}
    elsewhere = {md5 for md5 in absent if any(place.has(md5) for place in remotes)}
    missing = [(cache, md5) for md5 in sorted(absent - elsewhere)]
    if elsewhere:
        survey.notes.append(f"{len(elsewhere)} objects are not in the cache but in a remote: `gristmill pull --all`")
    for place in remotes:
        if place.remote is None or not place.remote.is_own:
            continue
        lacking = {md5 for md5, _ in needed_by if md5 not in place.sizes}
        lost = {md5 for md5, whole in needed_by if md5 in lacking and whole in place.sizes}
        missing += [(place, md5) for md5 in sorted(lost)]
        if unpushed := lacking - lost:
            name = place.remote.name
            survey.notes.append(f"{len(unpushed)} objects are not in the remote '{name}' yet: `gristmill push {name}`")
    return missing


def _uses(outputs: list[Output], listing: _Lists, md5s: set[str]) -> dict[str, list[tuple[Output, str]]]:
    uses: dict[str, list[tuple[Output, str]]] = defaultdict(list)
    for output in outputs if md5s else []:
        for md5, path in members(output, listing):
            if md5 in md5s:
                uses[md5].append((output, path))
    return uses


def _trouble(
    repository: Repository,
    place: _Place,
    md5: str,
    what: str,
    uses: list[tuple[Output, str]],
    places: list[_Place],
    listing: _Lists,
) -> Trouble:
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    for output, path in uses:
        if output.by not in named[output.workload, path]:
            named[output.workload, path].append(output.by)
    told = []
    for (workload, path), by in named.items():
        states = [one for one in by if one != HISTORY] or by
        told.append(f"{path} ({workload}: {', '.join(sorted(states))})")
    fetchable = any(other.has(md5) for other in places if other is not place)
    return Trouble(
        "damaged" if what == "damaged" else "missing",
        place.remote.name if place.remote else None,
        md5,
        tuple(told),
        "`gristmill fsck --repair`" if fetchable else _mending(uses, what == "damaged" and not place.remote, listing),
        object_path(repository.cache, md5).stat().st_nlink if what == "damaged" and not place.remote else 1,
    )


def _mending(uses: list[tuple[Output, str]], is_first_set_aside: bool, listing: _Lists) -> str:
    """What to type where neither the cache nor a remote has a good copy."""
    first = SET_ASIDE if is_first_set_aside else ""
    if not uses:
        return "nothing that is kept needs it; `gristmill fsck --repair` sets it aside"
    for output, path in uses:
        if part := _PART.fullmatch(path):
            folder = f"/{part[2]}/"
            others = [name.rpartition("/")[2] for name in listing(output.md5) or {} if folder in f"/{name}"]
            files = " ".join(sorted(name for name in others if name != "manifest.json" and not name[:4].isdigit()))
            return f"{first}`gristmill land {part[1]} {files}` with the files as they landed; or, {_ELSEWHERE}"
    made = [output for output, _ in uses if output.stage]
    # A turn needs the champion, which only its own version's turn makes.
    if made and all(output.stage for output, _ in uses if output.by == PRESENT):
        made.sort(key=lambda output: output.by != PRESENT)
    else:
        made = [output for output in made if output.by != PRESENT]
    for output in made:
        if output.by == PRESENT:
            return f"{first}`gristmill run {output.workload}`; or, {_ELSEWHERE}"
        tag = f"{output.workload}@{output.by}"
        again = f"dvc checkout --allow-missing && dvc repro package@{output.workload}"
        return f"{first}`git switch --detach {tag} && {again} && git switch -`; or, {_ELSEWHERE}"
    return f"{first}{_ELSEWHERE}"
