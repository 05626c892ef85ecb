"""One PNG or JPEG file as a grey picture of 8 bits.

Grey pictures are taken as they are. What is not grey becomes so, in the ways that the formats themselves define:
    colour          its luma, ITU-R 601: 0.299 red + 0.587 green + 0.114 blue
    a palette       its colours, then as above
    black on white  0 and 255
    16 bits         value x 255 / 65535, rounded (PNG, "Sample depth rescaling"); 16-bit colours by their upper bytes
    alpha           dropped where every pixel is opaque; else refused, for what lies behind would be a guess
A picture is turned as its EXIF orientation says.
"""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gristmill.ground.errors import GristmillError

MAX_PIXELS = 4096 * 4096
"""Of one picture: the largest that a workload can declare. Read from its header, before anything is decoded."""
PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_END = b"IEND\xaeB`\x82"
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16")


class UnreadablePictureError(GristmillError):
    """A file that is no picture of a kind that is taken; its text is what follows the file's name in a sentence."""


def grey_pixels(content: bytes) -> NDArray[np.uint8]:
    """Decode a picture to uint8 [H, W].

    Raises:
        UnreadablePictureError: it is of another format, damaged, cut short, animated, too large, or not opaque.
    """
    if not content.startswith((PNG, _JPEG)):
        raise UnreadablePictureError("is no PNG or JPEG picture" if content else "is empty")
    if content.startswith(PNG) and _PNG_END not in content:
        raise UnreadablePictureError("is damaged or cut short")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limits are wider than ours, and what else it doubts is read
            return _decoded(content)
    except (UnreadablePictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UnreadablePictureError(f"has more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # on broken bytes a decoder may raise anything
        raise UnreadablePictureError("is damaged or cut short") from error


def _decoded(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise UnreadablePictureError(f"has {width} x {height} pixels, and {MAX_PIXELS:,} are the most")
        if getattr(picture, "n_frames", 1) > 1:
            raise UnreadablePictureError("is animated, or holds several pictures")
        if picture.mode not in _MODES:
            raise UnreadablePictureError(f"has colours of the kind {picture.mode}: save it as RGB or grey")
        picture.verify()  # the checksums of a PNG: decoding reads one flipped bit in six as other pixels (measured)
    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
        picture.load()
        return _grey(ImageOps.exif_transpose(picture))


def _grey(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode == "I;16":
        if "transparency" in picture.info:
            raise _not_opaque()
        return ((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8)
    if picture.mode in ("P", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode in ("LA", "RGBA"):
        if np.asarray(picture.getchannel("A")).min() < 255:
            raise _not_opaque()
        picture = picture.convert(picture.mode.removesuffix("A"))
    return np.asarray(picture.convert("L"))


def _not_opaque() -> UnreadablePictureError:
    return UnreadablePictureError("is transparent in places: save it on the background that it should have")
