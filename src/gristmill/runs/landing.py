"""Landing: bytes become a batch on `mill`, as received, once, and for good.

Landings never wait for a run and never for each other: each works in a worktree of its own, and the loser of a race adds
its batch to the winner's.
"""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gristmill.adapters.dvc import Dvc, DvcError
from gristmill.adapters.objects import file_chunks, md5_of, store
from gristmill.data.manifest import Decision, Manifest, Part, Role, batch_id
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, write_json
from gristmill.ground.settings import parse_yaml
from gristmill.ground.workload import Workload
from gristmill.registry.aliases import Barred, frozen_file
from gristmill.registry.mill import Change
from gristmill.runs.checks import check_landing
from gristmill.runs.needed import is_cached
from gristmill.runs.parts import PartsError, check_names, parts_of, told
from gristmill.runs.repository import Repository
from gristmill.runs.room import missing_room
from gristmill.runs.workspace import sweep, worktree


class LandingError(GristmillError):
    """A batch could not land; its files are where they were."""


class Landed(NamedTuple):
    """What became of a landing."""

    manifest: Manifest
    is_new: bool
    """False when the same batch had landed before; then no data is committed."""
    commit: str | None
    """The commit on `mill`; None where there was nothing to commit."""
    n_restored: int = 0
    """Objects that DVC's cache had lost, and that this second landing of the same bytes brought back."""
    check: Decision | None = None
    """What the checks at landing found, as it lies beside the batch."""


Alongside = Callable[[str | None], Mapping[str, bytes]]
"""Given the commit of `mill` that a landing is built on, the files that move in its commit: called again on the new tip
after a lost race. What it raises keeps the batch from landing."""


def nothing_alongside(_: str | None) -> Mapping[str, bytes]:
    """A landing that moves nothing but the data."""
    return {}


def land(
    repository: Repository,
    workload: Workload,
    files: Sequence[Path] | Mapping[str, Path],
    role: Role = "train",
    origin: str = "",
    licence: str = "",
    terms: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    alongside: Alongside = nothing_alongside,
) -> Landed:
    """Land files as one batch: copied, hashed, added to the cache, and committed on `mill`.

    Args:
        repository: whose mill.
        workload: for whom.
        files: the parts; a folder stands for the files below it, called by their path in it. Or the parts by name.
        role: `train`, or `benchmark` for a published test set.
        origin: where the bytes came from; the files' own names when empty.
        licence: under what licence, if known.
        terms: what else must be kept in mind.
        now: the clock that names the month's folder.
        alongside: what moves in the same commit; it moves, too, where the batch had landed before.

    Raises:
        LandingError: a file is missing or is none, cannot land under its name, changed while it was read, or the disk is
            full.
        NoCommitError: the repository has no commit yet.
    """
    repository.git.commit_of("HEAD")
    sweep(repository)
    parts = _parts(files)
    _check_room(repository, parts)
    manifest = _manifest(parts, role, origin, licence, terms)
    tip = repository.mill.begin()
    if _has_landed(repository, workload, manifest.batch, tip):
        noted = repository.mill.commit(lambda at: _note(repository, workload, manifest, alongside(at), at))
        return Landed(manifest, False, noted, _restore(repository, workload, parts, manifest, tip))
    name = f"land-{workload.name}-{secrets.token_hex(4)}"
    try:
        with worktree(repository, name, tip, is_kept=False) as tree:  # its files are still where they came from
            folder = f"data/{workload.name}/landing/{now():%Y-%m}/{manifest.batch}"
            _copy(parts, manifest, tree / folder)
            check = check_landing(repository, workload, manifest, tree / folder, tip, now())
            is_new = True

            def build(at: str | None) -> list[Change] | None:
                nonlocal is_new
                moved = alongside(at)
                change = _change(repository, workload, tree, folder, manifest, moved, at)
                is_new = change is not None
                return change or _note(repository, workload, manifest, moved, at)

            commit = repository.mill.commit(build)
    except (OSError, DvcError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            raise LandingError(
                "the disk is full: nothing landed, the files are where they were. Free some space."
            ) from error
        raise LandingError(f"nothing landed, the files are where they were: {error}") from error
    return Landed(manifest, is_new, commit, check=check if is_new else None)


def _check_room(repository: Repository, parts: dict[str, Path]) -> None:
    n_bytes = sum(file.stat().st_size for file in parts.values() if file.is_file())
    if short := missing_room(repository, n_bytes):
        needs, free = (f"{n_bytes / 1e6:.1f} MB" for n_bytes in short)
        raise LandingError(
            f"the batch needs {needs} on the disk, and {free} are free: nothing landed, the files are where they were. "
            "Free some space; `gristmill gc` says what of the mill's own can go."
        )


def _parts(files: Sequence[Path] | Mapping[str, Path]) -> dict[str, Path]:
    try:
        if not isinstance(files, Mapping):
            return parts_of(files)
        check_names(files)
    except PartsError as error:
        raise LandingError(str(error)) from error
    return dict(files)


def _manifest(parts: dict[str, Path], role: Role, origin: str, licence: str, terms: str) -> Manifest:
    try:
        entries = [Part(name=n, sha256=file_sha256(p), size=p.stat().st_size) for n, p in sorted(parts.items())]
    except OSError as error:
        raise LandingError(f"{error.filename} cannot be read ({error.strerror}). Nothing landed.") from error
    return Manifest(
        batch=batch_id(role, entries),
        role=role,
        parts=tuple(entries),
        origin=origin or told(sorted(parts)),
        licence=licence,
        terms=terms,
    )


def _copy(parts: dict[str, Path], manifest: Manifest, folder: Path) -> None:
    folder.mkdir(parents=True)
    for part in manifest.parts:
        target = folder / part.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(parts[part.name], target)
        if file_sha256(target) != part.sha256:
            raise LandingError(
                f"{parts[part.name]} changed while it was read. Nothing landed; land it when it is whole."
            )
    write_json(folder / "manifest.json", manifest.model_dump())


def _has_landed(repository: Repository, workload: Workload, batch: str, tip: str) -> bool:
    landing = repository.mill.read(f"data/{workload.name}/landing.dvc", tip)
    if landing is None:
        return False
    return any(path.split("/")[1] == batch for path in repository.dvc.listing(landing_md5(landing)))


def _restore(repository: Repository, workload: Workload, parts: dict[str, Path], manifest: Manifest, tip: str) -> int:
    """Bring back what the cache lacks of a batch that has landed, where these are its very bytes."""
    landing = repository.mill.read(f"data/{workload.name}/landing.dvc", tip)
    assert landing is not None
    listed = repository.dvc.listing(landing_md5(landing)).items()
    missing = {md5 for path, md5 in listed if path.split("/")[1] == manifest.batch and not is_cached(repository, md5)}
    if not missing:
        return 0
    with tempfile.TemporaryDirectory(prefix="gristmill-manifest-") as folder:
        write_json(Path(folder) / "manifest.json", manifest.model_dump())
        files = {md5_of(file_chunks(file)): file for file in (*parts.values(), Path(folder) / "manifest.json")}
        for md5 in missing & files.keys():
            store(repository.cache, md5, file_chunks(files[md5]), str(files[md5]))
    return len(missing & files.keys())


def landing_md5(landing: bytes) -> str:
    """The data version that a landing.dvc names."""
    return str(parse_yaml(landing)["outs"][0]["md5"])


def _change(
    repository: Repository,
    workload: Workload,
    tree: Path,
    folder: str,
    manifest: Manifest,
    moved: Mapping[str, bytes],
    tip: str | None,
) -> list[Change] | None:
    assert tip is not None
    if _has_landed(repository, workload, manifest.batch, tip):
        return None
    dvc = Dvc(tree, repository.cache)
    pointer = f"data/{workload.name}/landing.dvc"
    files: dict[str, bytes | None] = {}
    if (landed := repository.mill.read(pointer, tip)) is not None:
        (tree / pointer).write_bytes(landed)
        dvc.add(folder)  # granular: the other batches need not be here
    else:
        (tree / pointer).unlink(missing_ok=True)
        aliases = [f"models/{workload.name}/{name}" for name in ("champion", "best")]
        for alias in aliases:  # evaluation depends on them; before the first promotion they say "none"
            write_json(tree / alias / "manifest.json", {"model_sha256": None})
        dvc.add(f"data/{workload.name}/landing", *aliases)
        files = {f"{alias}.dvc": (tree / f"{alias}.dvc").read_bytes() for alias in aliases}
        files[f"models/{workload.name}/barred.json"] = Barred().to_file()
        files[f"models/{workload.name}/frozen.json"] = frozen_file(None)
    files[pointer] = landing = (tree / pointer).read_bytes()
    _check_all_are_in(repository, landing, folder, manifest)
    os.sync()  # once for all parts and what DVC made of them: for ten thousand, a sync each takes minutes on a slow disk
    names = told([part.name for part in manifest.parts])
    trailers = {
        "Workload": workload.name,
        "Actor": repository.git.actor(),
        "Batch": manifest.batch,
        "Role": manifest.role,
        "Origin": manifest.origin,
    }
    return [Change(f"land {workload.name}: {names}", {**files, **moved}, trailers)]


def _check_all_are_in(repository: Repository, pointer: bytes, folder: str, manifest: Manifest) -> None:
    """What DVC ignores, it leaves out in silence."""
    listing = repository.dvc.listing(landing_md5(pointer))
    below = "/".join(folder.split("/")[-2:])
    if left_out := [part.name for part in manifest.parts if f"{below}/{part.name}" not in listing]:
        raise LandingError(f"DVC does not take {told(left_out)}: it ignores such names. Rename them; nothing landed.")


def _note(
    repository: Repository, workload: Workload, manifest: Manifest, moved: Mapping[str, bytes], tip: str | None
) -> list[Change] | None:
    if all(repository.mill.read(path, tip) == content for path, content in moved.items()):
        return None
    names = ", ".join(part.name for part in manifest.parts)
    trailers = {"Workload": workload.name, "Actor": repository.git.actor(), "Origin": manifest.origin}
    subject = f"note {workload.name}: {names} had landed before, as batch {manifest.batch}"
    return [Change(subject, moved, trailers)]
