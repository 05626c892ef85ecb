"""The counting of false alarms, and with GRISTMILL_PROVE=1 a small share of it: the benchmark does the whole."""

import os

import numpy as np
import pytest
from benchmarks.alarms import Door, all_images, clean_batches, upper_bound


def test_the_bound_on_a_rate_is_the_exact_one() -> None:
    assert upper_bound(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert upper_bound(0, 3) == pytest.approx(0.6316, abs=1e-4)
    assert upper_bound(3, 3) == 1


@pytest.mark.skipif(not os.environ.get("GRISTMILL_PROVE"), reason="make prove: 40 batches of real images")
def test_clean_batches_of_either_size_raise_hardly_an_alarm() -> None:
    images = all_images()
    reference, other = np.array_split(np.random.default_rng(3).permutation(len(images.rows)), 2)
    door = Door(images.rows.take(reference))
    for n_rows in (100, 1_000):
        judged = list(clean_batches(door, images, other, n_rows, 20, seed=3))
        assert sum(one.status != "admitted" or bool(one.reasons) for one in judged) <= 1
