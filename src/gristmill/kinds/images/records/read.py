"""A batch of images as a table: an IDX pair, PNG and JPEG files in folders or zip archives, or both."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator

from gristmill.data.batches import BatchTable
from gristmill.ground.settings import Settings
from gristmill.kinds.images.records.idx import kind_of_part, read_images, read_pair
from gristmill.kinds.images.records.labels import nfc
from gristmill.kinds.images.records.layout import Role, role_of
from gristmill.kinds.images.records.pictures import read_pictures
from gristmill.kinds.images.records.table import Row, table_of


class IngestSettings(Settings):
    """How images are read; IDX describes itself, and needs nothing."""

    classes: tuple[str, ...] = Field(default=())
    """For PNG and JPEG: what the folders of the classes, or the labels in labels.csv, are called, in the order of the
    labels. A number is taken as the label itself."""

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len({nfc(name) for name in classes}) < len(classes):
            raise ValueError("two classes have the same name")
        return classes


def read(parts: list[Path], settings: IngestSettings, batch: str) -> BatchTable:
    """Read one batch.

    Args:
        parts: the landed files; a folder called like the batch holds them, and what lies below it counts.
        settings: how to read them.
        batch: its id; it makes the record_id of a row without an image.

    Returns:
        Rows with `pixels` (bytes, row-major), `height`, `width`, and what `image_statistics` says of the image.
    """
    problems: list[str] = []
    notes: list[str] = []
    pair, pictures = _by_form({place_in_batch(path, batch): path for path in parts})
    rows = read_pair(pair, problems) if pair or not pictures else []
    rows += read_pictures(pictures, settings.classes, problems, notes)
    return BatchTable(table_of(rows, batch), problems, notes)


def read_unlabelled(parts: Mapping[PurePosixPath, Path], problems: list[str], notes: list[str]) -> list[Row]:
    """Images that a model is asked about, in the order of their parts: whatever says their labels is passed over."""
    idx, pictures = _by_form(parts)
    return [*read_images(idx, problems), *read_pictures(pictures, None, problems, notes)]


def _by_form(
    placed: Mapping[PurePosixPath, Path],
) -> tuple[dict[PurePosixPath, Path], dict[PurePosixPath, Path]]:
    """What is to be read as IDX, and the pictures with what belongs to them."""
    idx, pictures = dict[PurePosixPath, Path](), dict[PurePosixPath, Path]()
    has_pictures = any(role_of(place) in (Role.PICTURE, Role.ARCHIVE, Role.LABELS) for place in placed)
    for place, path in placed.items():
        is_idx = role_of(place) is Role.OTHER and (not has_pictures or kind_of_part(path) is not None)
        (idx if is_idx else pictures)[place] = path
    return idx, pictures


def place_in_batch(path: Path, batch: str) -> PurePosixPath:
    """Where a part lies below the folder of its batch; its name alone where no folder is called like the batch."""
    for folder in path.parents:
        if folder.name == batch:
            return PurePosixPath(path.relative_to(folder))
    return PurePosixPath(path.name)
