"""Carrying objects between DVC's cache and its remotes, looking at every byte on the way.

Lists of folders go last: DVC takes a folder whose list is in a remote for a folder that is there whole.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from gristmill.adapters.dvc import CacheMissError
from gristmill.adapters.objects import (
    DamagedObjectError,
    file_chunks,
    is_list,
    is_object,
    object_path,
    read_list,
    store,
)
from gristmill.adapters.remotes import Remote, RemoteFaultError, find_remote
from gristmill.ground.errors import GristmillError
from gristmill.registry.mill import BRANCH
from gristmill.registry.named import Output, members
from gristmill.registry.versions import Version
from gristmill.runs.needed import is_cached, needed, versions_of
from gristmill.runs.repository import Repository

Advance = Callable[[int], None]
"""Told how many bytes have been carried or read since the last call."""

_AT_ONCE = 8
"""Objects that are carried at the same time: most are small, and each costs a remote's delay."""


@dataclass(frozen=True)
class Pushed:
    """What a push did."""

    remote: str
    n_objects: int
    """Brought now; the others were there."""
    n_bytes: int
    n_tags: int | None
    """Versions whose tags went to git's origin with the branch; None where the repository has no origin."""


def push(repository: Repository, remote_name: str | None, advance: Advance = lambda _: None) -> Pushed:
    """Bring everything that the mill and its versions name to a remote, then the branch and the tags to git's origin.

    Raises:
        RemoteNameError, UnverifiedRemoteError, RemoteFaultError: the remote cannot be used.
        CacheMissError: something is neither in the cache nor in the remote.
        DamagedObjectError: an object of the cache is damaged; it was not pushed.
        PushRefusedError: origin is ahead, or out of reach.
    """
    remotes, default = repository.remotes()
    remote = find_remote(remotes, remote_name or default)
    remote.check_verifies()
    tip, versions = repository.mill.tip(), versions_of(repository)
    if tip is None:
        raise GristmillError(
            "nothing has landed yet, so there is nothing to push. `gristmill land WORKLOAD` lands data."
        )
    refs = {version.tag: str(repository.git.find(version.tag)) for version in versions}
    there = remote.objects()
    missing = _missing_there(repository, needed(repository), there)
    advancing = partial(_put, repository, remote, advance=advance)
    _carry(advancing, [md5 for md5 in missing if not is_list(md5)])
    _carry(advancing, [md5 for md5 in missing if is_list(md5)])
    has_origin = repository.git.has_remote("origin")
    if has_origin:
        repository.git.push("origin", {BRANCH: tip, **refs})
    n_bytes = sum(object_path(repository.cache, md5).stat().st_size for md5 in missing)
    return Pushed(remote.name, len(missing), n_bytes, len(refs) if has_origin else None)


def fetch(
    repository: Repository, outputs: Iterable[Output], advance: Advance = lambda _: None, *, only_lists: bool = False
) -> int:
    """Bring what the cache lacks of outputs from the remotes, the default one first; what none has stays missing.

    Args:
        repository: whose cache and remotes.
        outputs: what is wanted; figures, which git keeps, are not.
        advance: told of the bytes that come.
        only_lists: of folders only the lists of their files.

    Returns:
        How many objects came.

    Raises:
        UnverifiedRemoteError: a remote that is needed is not set to be verified.
        RemoteFaultError: something is missing, and a remote that may have it does not answer.
        DamagedObjectError: a remote has an object only in a damaged state; it was not taken.
    """
    wanted = [output for output in outputs if not output.in_git]
    remotes, default = repository.remotes()
    sources = Sources(repository.cache, sorted(remotes.values(), key=lambda remote: remote.name != default))
    lists = {output.md5 for output in wanted if output.is_folder and not is_cached(repository, output.md5)}
    n_lists = len(_carry(lambda md5: sources.take(md5, advance), lists))
    if only_lists:
        return n_lists
    files = chain.from_iterable(members(output, partial(read_list, repository.cache)) for output in wanted)
    missing = {md5 for md5, _ in files if not is_cached(repository, md5)}
    return n_lists + len(_carry(lambda md5: sources.take(md5, advance), missing - lists))


def bring_version(repository: Repository, version: Version) -> None:
    """Have the model and the package of a version in the cache: `gristmill gc` may have taken them out.

    Raises:
        CacheMissError: neither the cache nor a remote has them.
        UnverifiedRemoteError, RemoteFaultError, DamagedObjectError: a remote cannot be taken from.
    """
    name, number = version.workload, version.version
    outputs = [
        Output(str(version.model["md5"]), f"models/{name}/challenger", name, number),
        Output(str(version.package["md5"]), f"models/{name}/package", name, number),
    ]
    fetch(repository, outputs)
    for output in outputs:
        for md5, path in members(output, partial(read_list, repository.cache)):
            if not is_cached(repository, md5):
                raise CacheMissError(repository.cache, f"{path} of {name} {number} ({md5})")


class Sources:
    """Remotes as places to take from, the first first; none is asked before something is missing."""

    def __init__(self, cache: Path, remotes: Iterable[Remote]) -> None:
        self._cache = cache
        self._remotes = list(remotes)
        self._there: dict[str, Mapping[str, int] | RemoteFaultError] = {}

    def take(self, md5: str, advance: Advance) -> bool:
        """Bring one object into the cache; False where no remote has it."""
        faults: list[GristmillError] = []
        for remote in self._remotes:
            there = self._objects(remote)
            if isinstance(there, RemoteFaultError):
                faults.append(there)
            elif md5 in there:
                try:
                    store(self._cache, md5, remote.chunks(md5, there[md5]), f"the remote '{remote.name}'")
                except (DamagedObjectError, RemoteFaultError) as error:
                    faults.append(error)
                else:
                    advance(there[md5])
                    return True
        if faults:
            raise faults[0]
        return False

    def find(self, md5: str) -> bool:
        """As `take`; a remote that is down, or has it only in a damaged state, does not have it."""
        try:
            return self.take(md5, lambda _: None)
        except (DamagedObjectError, RemoteFaultError):
            return False

    def _objects(self, remote: Remote) -> Mapping[str, int] | RemoteFaultError:
        if remote.name not in self._there:
            remote.check_verifies()
            try:
                self._there[remote.name] = remote.objects()
            except RemoteFaultError as error:
                self._there[remote.name] = error
        return self._there[remote.name]


def _missing_there(repository: Repository, outputs: list[Output], there: Mapping[str, int]) -> list[str]:
    """Objects of outputs that a remote lacks, or holds in another size than the cache."""
    missing: dict[str, None] = {}
    for output in outputs:
        if output.in_git:
            continue
        for md5, path in members(output, partial(read_list, repository.cache)):
            cached = object_path(repository.cache, md5)
            if not cached.is_file():
                if md5 not in there:
                    raise CacheMissError(repository.cache, f"{path} ({md5})")
            elif there.get(md5) != cached.stat().st_size:
                missing[md5] = None
    return list(missing)


def _put(repository: Repository, remote: Remote, md5: str, advance: Advance) -> bool:
    path = object_path(repository.cache, md5)
    if not is_object(md5, file_chunks(path)):
        raise DamagedObjectError(md5, f"the cache ({repository.cache})")
    remote.put(md5, path)
    advance(path.stat().st_size)
    return True


def _carry(carry: Callable[[str], bool], md5s: Iterable[str]) -> list[str]:
    """Do it for each object, several at once; says which were carried. The first fault stops what has not begun."""
    names = sorted(md5s)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            return [md5 for md5, carried in zip(names, pool.map(carry, names), strict=True) if carried]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
