"""Whether the files of a batch of tables are all there."""

from pathlib import Path


def missing_part(parts: list[Path], folder: Path) -> str | None:
    """What a batch still lacks: never anything, for each table stands for itself."""
    return None
