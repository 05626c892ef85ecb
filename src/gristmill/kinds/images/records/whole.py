"""Whether the files of a batch of images are all there."""

from pathlib import Path, PurePosixPath

from gristmill.kinds.images.records.archive import ArchiveError, archived_names
from gristmill.kinds.images.records.idx import kind_of_part
from gristmill.kinds.images.records.layout import Role, role_of


def missing_part(parts: list[Path], folder: Path) -> str | None:
    """What a batch still lacks: a file of images and one of labels belong together, and every picture has a label.

    Args:
        parts: the files, as they came.
        folder: what they came in; names of folders below it are labels.
    """
    try:
        places = [place for path in parts for place in _places(path, folder)]
    except ArchiveError as error:
        return str(error)
    roles = [role_of(place) for place in places]
    idx = {kind_of_part(path) for path in parts if role_of(path) is Role.OTHER}
    for what, other in (("images", "labels"), ("labels", "images")):
        if what in idx and other not in idx:
            return f"holds {what} without {other}, which belong together; put all parts of a batch into one folder"
    pictures = [place for place, role in zip(places, roles, strict=True) if role is Role.PICTURE]
    if Role.LABELS in roles:
        return None if pictures else "holds a labels.csv without pictures; put both into one folder"
    if pictures and not any(place.parent.name for place in pictures):
        return (
            "holds pictures without labels; put them into folders called like their classes, or a labels.csv (columns "
            "file and label) beside them"
        )
    return None


def _places(path: Path, folder: Path) -> list[PurePosixPath]:
    place = PurePosixPath(path.relative_to(folder))
    if role_of(place) is not Role.ARCHIVE:
        return [place]
    try:
        return [place.parent / name for name in archived_names(path) if not name.endswith("/")]
    except ArchiveError as error:
        raise ArchiveError(f"holds {place}, which {error}") from error
