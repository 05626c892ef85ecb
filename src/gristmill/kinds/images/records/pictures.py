"""PNG and JPEG files, in folders or in zip archives, as rows: each file that is a picture by its name is one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from gristmill.ground.pictures import UnreadablePictureError, grey_pixels
from gristmill.kinds.images.records.archive import ArchiveError, EntryError, open_archive
from gristmill.kinds.images.records.labels import Label, Labels
from gristmill.kinds.images.records.layout import Role, role_of
from gristmill.kinds.images.records.table import Row

MAX_FILE_BYTES = 256 * 2**20
"""Of one file: more than the largest picture takes without any compression."""
MAX_BATCH_PIXELS = 2**31 - 1
"""Of all pictures of a batch together: they are in memory at once."""
_NO_LABEL = Label(None, None)


class _File(NamedTuple):
    shown: str
    """Its name in sentences: part, and entry within an archive."""
    place: PurePosixPath
    """Where it lies in the batch; what an archive holds lies in the archive's own folder."""
    size: int
    read: Callable[[], bytes]


def read_pictures(
    parts: Mapping[PurePosixPath, Path], classes: Sequence[str] | None, problems: list[str], notes: list[str]
) -> list[Row]:
    """Read the pictures of a batch.

    Args:
        parts: the files, by where they lie in the batch.
        classes: names of the classes, in the order of their labels; None where labels do not matter.
        problems: told what is wrong with the batch as a whole.
        notes: told what was passed over.
    """
    with ExitStack() as opened:
        files = list(_files(parts, opened, problems))
        by_role = {role: [file for file in files if role_of(file.place) is role] for role in Role}
        if litter := by_role[Role.LITTER]:
            notes.append(f"{_named(litter)}: passed over, as file managers leave them behind")
        if other := by_role[Role.OTHER]:
            problems.append(
                f"{_named(other)}: no picture by its name (.png, .jpg), no archive (.zip) and no labels.csv"
            )
        labels = Labels(classes) if classes is not None else None
        if labels is not None:
            faults = [(file, _labels_fault(labels, file)) for file in by_role[Role.LABELS]]
            problems += [f"{file.shown} {fault}" for file, fault in faults if fault]
        rows, n_pixels = list[Row](), 0
        for file in by_role[Role.PICTURE]:
            row = _row(file, labels.of(file.place) if labels else _NO_LABEL, MAX_BATCH_PIXELS - n_pixels)
            n_pixels += 0 if row.image is None else row.image.size
            rows.append(row)
    for place, names in labels.unused.items() if labels else ():
        problems.append(f"{place} names what is not there: {_some(names)}")
    return rows


def _files(parts: Mapping[PurePosixPath, Path], opened: ExitStack, problems: list[str]) -> Iterator[_File]:
    for place, path in parts.items():
        if role_of(place) is not Role.ARCHIVE:
            yield _File(str(place), place, path.stat().st_size, path.read_bytes)
            continue
        try:
            archive = opened.enter_context(open_archive(path))
        except ArchiveError as error:
            problems.append(f"{place} {error}")
            continue
        for inner, entry in archive.entries.items():
            yield _File(f"{place}/{inner}", place.parent / inner, entry.file_size, partial(archive.read, entry))


def _row(file: _File, label: Label, n_pixels_left: int) -> Row:
    problems = [label.problem] if label.problem else []
    image = None
    try:
        image = grey_pixels(_content(file))
        if image.size > n_pixels_left:
            raise UnreadablePictureError(
                f"is one too many: {MAX_BATCH_PIXELS:,} pixels are the most of a batch, split it"
            )
    except (EntryError, UnreadablePictureError) as error:
        image = None
        problems.append(str(error))
    return Row(image, label.target, tuple(f"{file.shown} {problem}" for problem in problems))


def _labels_fault(labels: Labels, file: _File) -> str | None:
    try:
        return labels.read(file.place, _content(file))
    except EntryError as error:
        return str(error)


def _content(file: _File) -> bytes:
    if file.size > MAX_FILE_BYTES:
        raise EntryError(f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
    return file.read()


def _named(files: Sequence[_File]) -> str:
    return _some([file.shown for file in files])


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3:,} more" if len(names) > 4 else ", ".join(names)
