"""What the files of a batch are, by their names alone: pictures, archives of them, their labels, litter, or something else.

By their names, so that a batch of a hundred thousand pictures is looked over without opening one. A picture that is not
what its name says is a row with a problem.
"""

from enum import Enum
from pathlib import PurePath

LABELS = "labels.csv"
_PICTURES = (".png", ".jpg", ".jpeg")
_OTHER_PICTURES = (".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".svg", ".tif", ".tiff", ".webp")
_LITTER = (".ds_store", "thumbs.db", "desktop.ini")


class Role(Enum):
    """What a file is to its batch."""

    PICTURE = "picture"
    """A row; also of a format that is not read, since a person meant it to be one."""
    ARCHIVE = "archive"
    LABELS = "labels"
    LITTER = "litter"
    """What file managers leave behind: ignored, and said so."""
    OTHER = "other"


def role_of(path: PurePath) -> Role:
    """What a file is to its batch."""
    name = path.name.lower()
    if name in _LITTER or name.startswith("._") or "__MACOSX" in path.parts:
        return Role.LITTER
    if path.name == LABELS:
        return Role.LABELS
    suffix = path.suffix.lower()
    if suffix in _PICTURES or suffix in _OTHER_PICTURES:
        return Role.PICTURE
    return Role.ARCHIVE if suffix == ".zip" else Role.OTHER
