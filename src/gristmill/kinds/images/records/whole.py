"""Whether the files of a batch of images are all there."""

from pathlib import Path

from gristmill.kinds.images.records.read import kind_of_part


def missing_part(parts: list[Path]) -> str | None:
    """What a batch still lacks: one file of images and one of labels belong together. None when it is whole."""
    found = [kind_of_part(path) for path in parts]
    for what, other in (("images", "labels"), ("labels", "images")):
        if what in found and other not in found:
            return f"holds {what} without {other}"
    return None
