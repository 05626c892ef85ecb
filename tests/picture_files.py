"""Pictures as files: PNG, folders of classes, and archives of both."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def pixels(seed: int, height: int = 4, width: int = 4) -> Pixels:
    """A picture of noise, uint8 [H, W]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def encoded(picture: Image.Image | Pixels, form: str = "PNG", **options: Any) -> bytes:
    """A picture's file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files by their path in a folder; the paths in the order of the names, as a manifest has them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [folder / name for name in sorted(files)]


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into an archive, deflated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
