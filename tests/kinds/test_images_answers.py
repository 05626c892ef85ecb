"""What a request for images may look like."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tests.toy_models import IMAGES

from gristmill.kinds.images.answers import MAX_IMAGES, RequestError, example, parse, schema

BLACK = [[0, 0, 0] for _ in range(4)]


def with_pixel(value: Any) -> dict[str, Any]:
    image = [list(row) for row in BLACK]
    image[2][1] = value
    return {"images": [BLACK, image]}


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, 'needs the field "images"'),
    "a list": ([BLACK], 'needs the field "images"'),
    "an unknown field": ({"images": [BLACK], "size": 28}, "unknown field 'size'"),
    "null": ({"images": None}, "images is null"),
    "a string": ({"images": "AAAA"}, "images is a string"),
    "no image": ({"images": []}, "holds 0 images"),
    "too many images": ({"images": [BLACK] * (MAX_IMAGES + 1)}, f"from 1 to {MAX_IMAGES}"),
    "one image without its list": ({"images": BLACK}, r"images\[0\] has 3 rows; 4 are expected"),
    "a flat image": ({"images": [[0] * 12]}, r"images\[0\] has 12 rows"),
    "an image of another width": ({"images": [[[0] * 6] * 4]}, r"images\[0\]\[0\] has 6 pixels; 3 are expected"),
    "the transposed shape": ({"images": [[[0] * 4] * 3]}, r"images\[0\] has 3 rows"),
    "a ragged image": ({"images": [[[0, 0, 0], [0, 0], [0, 0, 0], [0, 0, 0]]]}, r"images\[0\]\[1\] has 2 pixels"),
    "a row that is no list": ({"images": [[0, 0, 0, 0]]}, r"images\[0\]\[0\] is a number"),
    "an image that is an object": ({"images": [{"pixels": 1}]}, r"images\[0\] is an object"),
    "a pixel too deep": (with_pixel([0]), r"images\[1\]\[2\]\[1\] is a list"),
    "a string for a pixel": (with_pixel("7"), r"images\[1\]\[2\]\[1\] is a string"),
    "a boolean for a pixel": (with_pixel(True), r"images\[1\]\[2\]\[1\] is a boolean"),
    "null for a pixel": (with_pixel(None), r"images\[1\]\[2\]\[1\] is null"),
    "NaN": (with_pixel(float("nan")), r"images\[1\]\[2\]\[1\] is nan"),
    "infinity": (with_pixel(float("inf")), r"images\[1\]\[2\]\[1\] is inf"),
    "a pixel below 0": (with_pixel(-1), r"images\[1\]\[2\]\[1\] is -1"),
    "a pixel above 255": (with_pixel(256), r"images\[1\]\[2\]\[1\] is 256; .*0 to 255"),
    "a fraction": (with_pixel(0.5), r"images\[1\]\[2\]\[1\] is 0\.5; .*whole"),
    "a huge number": (with_pixel(10**400), "far beyond 255"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_the_place_of_its_first_fault(name: str) -> None:
    request, sentence = WRONG[name]
    with pytest.raises(RequestError, match=sentence):
        parse(request, IMAGES)


@pytest.mark.parametrize("name", [name for name in WRONG if name != "NaN"])  # JSON has none; the guard refuses it
def test_the_schema_refuses_what_the_check_refuses(name: str) -> None:
    assert not Draft202012Validator(schema(IMAGES)).is_valid(WRONG[name][0])


def test_pixels_come_out_as_they_were_sent() -> None:
    image = np.arange(12).reshape(4, 3) * 20
    columns = parse({"images": [image.tolist(), BLACK]}, IMAGES)
    assert columns["pixels"].dtype == np.uint8
    np.testing.assert_array_equal(columns["pixels"], np.stack([image, np.zeros((4, 3))]))


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert parse(with_pixel(255.0), IMAGES)["pixels"][1, 2, 1] == 255


@pytest.mark.parametrize("other", [0.0, 255.0])  # one number with a point, and every number is looked at
def test_what_is_well_formed_is_answered_as_if_each_number_had_been_looked_at(other: float) -> None:
    image = [[row * 3 + column for column in range(3)] for row in range(4)]
    plain, looked_at = (
        parse({"images": [image, BLACK]}, IMAGES)["pixels"],
        parse({"images": [image, [[other] * 3] * 4]}, IMAGES)["pixels"],
    )
    np.testing.assert_array_equal(plain[0], looked_at[0])
    assert plain.dtype == looked_at.dtype


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_pixel_though_python_counts_it_among_the_whole_numbers(value: bool) -> None:
    with pytest.raises(RequestError, match=r"images\[1\]\[2\]\[1\] is a boolean"):
        parse(with_pixel(value), IMAGES)


@pytest.mark.parametrize("row", [3, 10**20, "abc", {"a": 1, "b": 2, "c": 3}, None])
def test_a_row_that_is_no_list_is_never_taken_for_one(row: Any) -> None:
    with pytest.raises(RequestError, match=r"images\[0\]\[3\] is .*; a list of 3 pixels is expected"):
        parse({"images": [[*BLACK[:3], row]]}, IMAGES)


def test_the_example_is_what_the_schema_and_the_check_accept() -> None:
    request = json.loads(json.dumps(example(IMAGES)))
    Draft202012Validator.check_schema(schema(IMAGES))
    Draft202012Validator(schema(IMAGES)).validate(request)
    assert parse(request, IMAGES)["pixels"].max() == 255


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.lists(json_values, max_size=4), max_size=5), max_size=3) | json_values)
def test_whatever_is_sent_is_answered_or_refused_with_a_sentence(images: Any) -> None:
    try:
        columns = parse({"images": images}, IMAGES)
    except RequestError as error:
        assert str(error).endswith(".")
    else:
        assert columns["pixels"].shape == (len(images), 4, 3)
