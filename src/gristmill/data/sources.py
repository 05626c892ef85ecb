"""A workload's declared data: where it can be had, and how it is known to be right.

A source is batches of parts, and each part lists mirrors, tried in order. What a mirror wraps around the part is taken
off (`unpack`), and one SHA-256, that of the unpacked part, decides: whatever the way, the same bytes land or none.
A verified part stays in the cache under its SHA-256, and is verified again each time that it is used.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gristmill.data.growing.settings import AnySource
from gristmill.data.licences import Licensed
from gristmill.data.manifest import Role
from gristmill.data.mirrors import Address, MirrorError, Report, UnreachableError, is_disk_full, parse_mirror, quiet
from gristmill.data.packages import bring_from_apt, bring_from_pypi, discard
from gristmill.data.unpacking import STEP_RULE, unpack
from gristmill.data.web import bring_s3, bring_url
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, new_file
from gristmill.ground.settings import Settings, yaml_mapping


def _checked(text: str) -> str:
    parse_mirror(text)
    return text


MirrorText = Annotated[str, AfterValidator(_checked)]
UnpackStep = Annotated[str, StringConstraints(pattern=STEP_RULE)]


class WrappedMirror(Settings):
    """A mirror that wraps the part in another way than the rest."""

    address: MirrorText
    """As in `mirrors`."""
    unpack: tuple[UnpackStep, ...]
    """Used instead of the part's own steps."""


class SourcePart(Settings):
    """One file that lands."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Its name in the landed batch."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the unpacked part."""
    unpack: tuple[UnpackStep, ...] = ()
    """What to take off what a mirror gives, in order. Bytes that are already the part are left alone."""
    mirrors: tuple[MirrorText | WrappedMirror, ...] = Field(min_length=1)
    """Tried in order until one gives the declared bytes; data/mirrors.py has the forms."""


class SourceBatch(Settings):
    """Parts that land as one unit."""

    role: Role
    """`train`, or `benchmark` for a published test set."""
    parts: tuple[SourcePart, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "SourceBatch":
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError("two parts of one batch have the same name")
        if "manifest.json" in names:
            raise ValueError("'manifest.json' is the manifest's name, not a part's")
        return self


class SourceSettings(Licensed):
    """The data that a workload declares; licence, terms and expiry here are those of `batches`."""

    origin: str = ""
    """Who published the data, in words; the manifest of each landed batch keeps it."""
    batches: tuple[SourceBatch, ...] = ()
    """What lands once."""
    growing: tuple[AnySource, ...] = ()
    """Where more appears: folders, S3 prefixes and queries (docs/sources.md)."""

    @classmethod
    def of(cls, path: Path, content: bytes) -> "SourceSettings":
        """Read the section from the bytes of a params file, as a commit has them; `path` only says where to mend it.

        Raises:
            SettingsError: they are not YAML, or the section does not fit.
        """
        return cls.parse(path, "source", yaml_mapping(path, content).get("source") or {})

    @model_validator(mode="after")
    def _names_differ(self) -> "SourceSettings":
        names = [source.name for source in self.growing]
        if len(set(names)) < len(names):
            raise ValueError("two growing sources have the same name")
        return self


class FetchedBatch(NamedTuple):
    """A batch whose parts lie in the cache, verified."""

    role: Role
    parts: tuple[Path, ...]
    """Each under its declared name."""


class ChecksumError(MirrorError):
    """A mirror gave other bytes than the declared ones."""

    def __str__(self) -> str:
        expected, got = self.args
        return f"wrong checksum: expected SHA-256 {expected}, got {got}"


class SourceError(GristmillError):
    """No mirror gave the part."""

    def __init__(self, part: str, failures: list[tuple[str, str]]) -> None:
        super().__init__(part, failures)

    def __str__(self) -> str:
        part, failures = self.args
        tried = "\n".join(f"  {mirror}: {reason}" for mirror, reason in failures)
        return (
            f"source: no mirror gave '{part}':\n{tried}\n"
            "Mend one of them, or add a mirror that this machine can reach to source.batches in params/<workload>.yaml "
            "(a file or a folder will do); then run it again. Nothing was kept."
        )


class DiskFullError(GristmillError):
    """There was no room for a part."""

    def __str__(self) -> str:
        part, folder = self.args
        return f"the disk that holds {folder} is full: '{part}' was not kept. Free some space, then run it again."


class CacheError(GristmillError):
    """The folder that keeps fetched parts cannot be used."""

    def __str__(self) -> str:
        folder, cause = self.args
        return (
            f"{folder}, where fetched data is kept, cannot be written ({cause}). Give this user the right to write it."
        )


def fetch_part(part: SourcePart, cache_dir: Path, report: Report = quiet) -> Path:
    """Have one part in the cache, under its own name.

    Args:
        part: what to fetch.
        cache_dir: shared by all workloads and processes; one of them fetches at a time, the others wait.
        report: called with the progress; see `gristmill.data.mirrors.Report`.

    Returns:
        A file that is not to be changed, verified just now.

    Raises:
        SourceError: no mirror gave the declared bytes; every mirror and its own reason are named.
        DiskFullError: there is no room; nothing half-written is left.
        CacheError: cache_dir cannot be written.
    """
    with _visit(cache_dir, part.name, report) as visit:
        return visit.fetch(part)


def fetch_batch(batch: SourceBatch, cache_dir: Path, report: Report = quiet) -> FetchedBatch:
    """Have all parts of one batch in the cache; raises what `fetch_part` raises."""
    with _visit(cache_dir, batch.parts[0].name, report) as visit:
        return FetchedBatch(batch.role, tuple(visit.fetch(part) for part in batch.parts))


@contextmanager
def _visit(cache_dir: Path, part: str, report: Report) -> Iterator["_Visit"]:
    """Hold the cache for one call: nobody else writes there, and what a killed process left is swept away."""
    cache_dir = cache_dir.resolve()
    shelf = cache_dir / "packages"
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with (cache_dir / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(part, "waiting for another process that is fetching", 0, None)
                fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in [*cache_dir.glob(".work-*"), *shelf.glob(".download-*")]:
                shutil.rmtree(leftover, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".work-", ignore_cleanup_errors=True) as work:
                yield _Visit(cache_dir, shelf, Path(work), report)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(part, cache_dir) from error
        raise CacheError(cache_dir, error.strerror or error) from error


@dataclass
class _Visit:
    """One call of ours: which origins failed, and what was already brought and unpacked."""

    cache_dir: Path
    shelf: Path
    work: Path
    report: Report
    failed: dict[str, str] = field(default_factory=dict)
    """Origin to the reason why it is not asked again."""
    made: dict[tuple[str, ...], Path] = field(default_factory=dict)
    """Mirror and steps to the file that they gave: parts of one package share the first steps."""

    def fetch(self, part: SourcePart) -> Path:
        kept = self.cache_dir / part.sha256 / part.name
        if not (kept.is_file() and file_sha256(kept) == part.sha256):
            self._fetch_from_mirrors(part, kept)
        size = kept.stat().st_size
        self.report(part.name, "verified", size, size)
        return kept

    def _fetch_from_mirrors(self, part: SourcePart, kept: Path) -> None:
        failures = []
        for mirror in part.mirrors:
            text, steps = (mirror, part.unpack) if isinstance(mirror, str) else (mirror.address, mirror.unpack)
            address = parse_mirror(text)
            try:
                if address.origin in self.failed:
                    raise MirrorError(f"not asked again: {self.failed[address.origin]}")
                self._fetch_from(text, address, steps, part, kept)
                return
            except UnreachableError as error:
                self.failed[address.origin] = str(error)
                failures.append((text, str(error)))
            except MirrorError as error:
                discard(address, self.shelf)
                failures.append((text, str(error)))
            except OSError as error:
                if is_disk_full(error):
                    raise DiskFullError(part.name, self.cache_dir) from error
                failures.append((text, str(error)))
            self.report(part.name, f"{text} failed: {failures[-1][1]}", 0, None)
        raise SourceError(part.name, failures)

    def _fetch_from(self, text: str, address: Address, steps: tuple[str, ...], part: SourcePart, kept: Path) -> None:
        brought = (text, part.name) if address.scheme == "file" else (text,)  # a folder holds several parts
        if brought not in self.made:
            self.made[brought] = self._bring(address, part.name)
        path = self.made[brought]
        if (got := file_sha256(path)) != part.sha256 and steps:
            for n_steps, step in enumerate(steps, start=1):
                path = self._unpacked((*brought, *steps[:n_steps]), step, path, part.name)
            got = file_sha256(path)
        if got != part.sha256:
            raise ChecksumError(part.sha256, got)
        with new_file(kept) as temporary:
            shutil.copyfile(path, temporary)
            if file_sha256(temporary) != part.sha256:  # a file mirror can change while it is read
                raise ChecksumError(part.sha256, file_sha256(temporary))

    def _bring(self, address: Address, name: str) -> Path:
        path = self.work / f"{len(self.made)}-brought"
        match address.scheme:
            case "https" | "http":
                bring_url(address.target, path, name, self.report)
            case "s3":
                bring_s3(address.target, path, name, self.report)
            case "apt":
                bring_from_apt(address.target, address.inside, self.shelf, path, name, self.report)
            case "pypi":
                bring_from_pypi(address.target, address.inside, self.shelf, path, name, self.report)
            case _:
                path = Path(address.target).expanduser()
                path = path / name if path.is_dir() else path
                if not path.is_file():
                    raise MirrorError(f"there is no file {path}")
        return path

    def _unpacked(self, key: tuple[str, ...], step: str, source: Path, name: str) -> Path:
        if key not in self.made:
            self.report(name, f"unpacking: {step}", 0, None)
            destination = self.work / f"{len(self.made)}-unpacked"
            unpack(step, source, destination)
            self.made[key] = destination
        return self.made[key]
