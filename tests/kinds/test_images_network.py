import torch
from tests.prepared_data import IMAGES

from gristmill.kinds.images.network import NetworkSettings, augment, build


def images(n: int = 64, side: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, side, side), dtype=torch.uint8, generator=generator)


def varied(batch: torch.Tensor, seed: int = 0, shift: int = 0, flip: bool = False) -> torch.Tensor:
    settings = NetworkSettings(shift_pixels=shift, flip=flip)
    return augment({"images": batch}, settings, torch.Generator().manual_seed(seed))["images"]


def test_bytes_go_in_and_one_logit_for_each_class_comes_out() -> None:
    network = build(IMAGES, NetworkSettings(width=4), {"images": images()})
    logits = network(images(5))
    assert logits.shape == (5, 3)
    assert logits.dtype == torch.float32


def test_a_regression_has_one_number_for_each_image() -> None:
    network = build({**IMAGES, "task": "regression"}, NetworkSettings(width=4), {"images": images()})
    assert network(images(5)).shape == (5,)


def test_brightness_and_contrast_are_those_of_the_training_images() -> None:
    network = build(IMAGES, NetworkSettings(width=4), {"images": images()})
    pixels = images().double()
    torch.testing.assert_close(network.mean.double(), pixels.mean(), rtol=1e-6, atol=0)
    torch.testing.assert_close(network.std.double(), pixels.std(correction=0), rtol=1e-6, atol=0)
    assert {"mean", "std"} <= network.state_dict().keys()  # so that they travel with the weights


def test_images_of_one_colour_make_no_division_by_zero() -> None:
    grey = torch.full((8, 8, 8), 7, dtype=torch.uint8)
    network = build(IMAGES, NetworkSettings(width=4), {"images": grey}).eval()
    assert torch.isfinite(network(grey)).all()


def test_without_shift_and_flip_images_stay_as_they_are() -> None:
    assert torch.equal(varied(images()), images())


def test_a_shift_moves_whole_pixels_and_fills_with_black() -> None:
    dot = torch.zeros(200, 9, 9, dtype=torch.uint8)
    dot[:, 4, 4] = 200
    shifted = varied(dot, shift=2)
    assert shifted.dtype == torch.uint8
    assert (shifted.flatten(1).sum(1) == 200).all()
    places = {tuple(place) for place in shifted.nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}
    corner = torch.full((50, 9, 9), 200, dtype=torch.uint8)
    assert (varied(corner, shift=2).flatten(1).min(1).values == 0).any()


def test_a_flip_mirrors_about_half_of_the_images_left_to_right_and_none_upside_down() -> None:
    batch = images(400)
    flipped = varied(batch, flip=True)
    same = (flipped == batch).flatten(1).all(1)
    mirrored = (flipped == batch.flip(2)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


def test_what_is_drawn_depends_on_the_generator_alone() -> None:
    assert torch.equal(varied(images(), seed=1, shift=2, flip=True), varied(images(), seed=1, shift=2, flip=True))
    assert not torch.equal(varied(images(), seed=1, shift=2), varied(images(), seed=2, shift=2))


def test_the_batch_that_came_in_is_not_changed() -> None:
    batch = images()
    varied(batch, shift=2, flip=True)
    assert torch.equal(batch, images())
