"""Images that come as bytes are read as the same images in JSON are, and nothing in them is run."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.services.hostile import NPY, PNG, Hostile, hostile
from tests.toy_models import IMAGES

from gristmill.kinds.images.answers import MEDIA, RequestError, parse

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def png(array: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", **how)
    return file.getvalue()


@pytest.mark.parametrize("array", [PIXELS, PIXELS[0], np.asfortranarray(PIXELS), PIXELS[:, ::-1]])
def test_an_array_is_the_same_images(array: Any) -> None:
    found = MEDIA[NPY](saved(array), IMAGES)["pixels"]
    np.testing.assert_array_equal(found, parse({"images": array.reshape(-1, 4, 3).tolist()}, IMAGES)["pixels"])
    assert found.dtype == np.uint8 and found.flags["C_CONTIGUOUS"]


def test_a_png_is_the_same_image_in_grey_or_in_colour() -> None:
    for content in (png(PIXELS[0]), png(np.repeat(PIXELS[0][..., None], 3, axis=2)), png(PIXELS[0], optimize=True)):
        np.testing.assert_array_equal(MEDIA[PNG](content, IMAGES)["pixels"], PIXELS[:1])


@pytest.mark.parametrize(
    "one",
    [one for one in hostile() if one.content_type in (NPY, PNG) and one.path == "/predict"],
    ids=lambda one: one.name,
)
def test_what_is_none_is_refused_with_a_sentence(one: Hostile) -> None:
    with pytest.raises(RequestError) as refused:
        MEDIA[str(one.content_type)](one.body, IMAGES)
    assert str(refused.value).endswith(".") and json.dumps(str(refused.value)).isascii()


def test_an_array_is_never_unpickled() -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("it was run",))

    file = io.BytesIO()
    np.save(file, np.array([Harm()], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError, match="uint8 is expected"):
        MEDIA[NPY](file.getvalue(), IMAGES)
