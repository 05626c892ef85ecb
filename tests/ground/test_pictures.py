"""One picture's file becomes grey pixels, or a sentence."""

import contextlib
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.picture_files import encoded, pixels

from gristmill.ground.pictures import MAX_PIXELS, UnreadablePictureError, grey_pixels

GREY = pixels(1, 5, 7)
IMAGE = Image.fromarray(GREY)
RED, GREEN, BLUE = (pixels(seed, 5, 7) for seed in (2, 3, 4))
COLOURS = Image.merge("RGB", [Image.fromarray(channel) for channel in (RED, GREEN, BLUE)])
LUMA = np.round(0.299 * RED.astype(float) + 0.587 * GREEN + 0.114 * BLUE)


@pytest.fixture(autouse=True)
def _no_warnings() -> None:
    warnings.simplefilter("error")


def with_alpha(image: Image.Image, alpha: int) -> Image.Image:
    mode = {"L": "LA", "RGB": "RGBA"}[image.mode]
    return Image.merge(mode, [*image.split(), Image.new("L", image.size, alpha)])


def oriented(orientation: int, form: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(IMAGE, form, exif=exif, **({"quality": 100} if form == "JPEG" else {}))


def fault(content: bytes) -> str:
    with pytest.raises(UnreadablePictureError) as caught:
        grey_pixels(content)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        encoded(IMAGE),
        encoded(IMAGE.convert("P")),
        encoded(IMAGE.convert("RGB")),
        encoded(with_alpha(IMAGE, 255)),
        encoded(with_alpha(IMAGE.convert("RGB"), 255)),
        encoded(IMAGE, transparency=next(value for value in range(256) if value not in GREY)),
    ],
    ids=["grey", "palette", "rgb", "grey, opaque", "rgb, opaque", "a transparent shade that no pixel has"],
)
def test_a_grey_picture_is_the_same_pixels_in_whatever_way_it_is_written(content: bytes) -> None:
    assert np.array_equal(grey_pixels(content), GREY)


def test_colours_become_their_luma() -> None:
    assert np.abs(grey_pixels(encoded(COLOURS)) - LUMA).max() <= 1
    assert np.array_equal(grey_pixels(encoded(COLOURS)), grey_pixels(encoded(with_alpha(COLOURS, 255))))


def test_black_and_white_are_0_and_255() -> None:
    content = encoded(Image.fromarray((GREY >= 128).astype(np.uint8) * 255).convert("1"))
    assert np.array_equal(grey_pixels(content), np.where(GREY >= 128, 255, 0))


def test_16_bits_are_rounded_to_8() -> None:
    deep = np.random.default_rng(5).integers(0, 65536, (5, 7)).astype(np.uint16)
    assert np.array_equal(grey_pixels(encoded(Image.fromarray(deep))), np.floor(deep / 257 + 0.5))


def test_a_jpeg_is_close_to_what_it_was_made_of() -> None:
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    assert np.abs(grey_pixels(encoded(smooth, "JPEG", quality=95)).astype(int) - smooth).max() <= 8


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_is_turned_as_its_camera_was_held(form: str) -> None:
    upright = grey_pixels(oriented(1, form))
    assert np.array_equal(grey_pixels(oriented(6, form)), np.rot90(upright, -1))
    assert np.array_equal(grey_pixels(oriented(2, form)), upright[:, ::-1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"file,label\n", "is no PNG or JPEG picture"),
        (encoded(IMAGE, "GIF"), "is no PNG or JPEG picture"),
        (encoded(IMAGE, "BMP"), "is no PNG or JPEG picture"),
        (encoded(IMAGE, "TIFF"), "is no PNG or JPEG picture"),
        (encoded(IMAGE, save_all=True, append_images=[Image.fromarray(255 - GREY)]), "is animated, or holds several"),
        (encoded(COLOURS, "MPO", save_all=True, append_images=[COLOURS]), "is animated, or holds several pictures"),
        (encoded(COLOURS.convert("CMYK"), "JPEG"), "has colours of the kind CMYK: save it as RGB or grey"),
        (encoded(with_alpha(IMAGE, 254)), "is transparent in places"),
        (encoded(with_alpha(COLOURS, 0)), "is transparent in places"),
        (encoded(IMAGE, transparency=int(GREY[0, 0])), "is transparent in places"),
        (encoded(IMAGE.convert("P"), transparency=int(GREY[0, 0])), "is transparent in places"),
    ],
)
def test_what_would_need_a_guess_is_refused_in_a_sentence(content: bytes, words: str) -> None:
    assert fault(content).startswith(words)


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (MAX_PIXELS + 1, 1)])
def test_a_picture_that_is_too_large_is_refused_by_its_header(width: int, height: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    small = encoded(IMAGE)
    bomb = small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
    assert "pixels" in fault(bomb)


@given(n_bytes=st.integers(0, 3000), form=st.sampled_from(["PNG", "JPEG"]))
def test_a_file_that_is_cut_short_is_refused(n_bytes: int, form: str) -> None:
    whole = encoded(pixels(6, 40, 40), form)
    assert fault(whole[: n_bytes % len(whole)])


@given(place=st.integers(8, 3000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_png_never_changes_its_pixels_unseen(place: int, bit: int) -> None:
    """Of a smooth picture: without a look at the checksums, one flip in six would be read as other pixels (measured)."""
    smooth = np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8)
    content = bytearray(encoded(smooth))
    content[place % len(content)] ^= 1 << bit
    with contextlib.suppress(UnreadablePictureError):
        assert np.array_equal(grey_pixels(bytes(content)), smooth)


@given(places=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=5))
def test_whatever_is_overwritten_in_a_jpeg_it_is_pixels_or_a_sentence(places: list[tuple[int, int]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = bytearray(encoded(pixels(6, 40, 40), "JPEG", exif=exif))
    for place, value in places:
        content[place % len(content)] = value
    try:
        assert grey_pixels(bytes(content)).dtype == np.uint8
    except UnreadablePictureError as error:
        assert str(error)
