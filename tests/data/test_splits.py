"""A record never changes sides."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from gristmill.data.splits import SIDES, sides

HOLDOUT = 0
N = 20_000
KEYS = [hashlib.sha256(f"record {i}".encode()).hexdigest()[:32] for i in range(N)]


def sides_of(keys: list[str], holdout: float = 0.15, validation: float = 0.05) -> NDArray[np.int8]:
    return sides(pa.chunked_array([pa.array(keys, pa.string())]), holdout, validation)


@pytest.mark.parametrize(("holdout", "validation"), [(0.15, 0.05), (0.25, 0.1), (0.01, 0.49), (0.49, 0.49)])
def test_each_side_gets_its_share(holdout: float, validation: float) -> None:
    shares = np.bincount(sides_of(KEYS, holdout, validation), minlength=3) / N
    expected = np.array([holdout, validation, 1 - holdout - validation])
    four_sigma = 4 * np.sqrt(expected * (1 - expected) / N)
    assert (np.abs(shares - expected) < four_sigma).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_record_stays_on_its_side_whatever_stands_beside_it_and_in_whatever_order(seed: int) -> None:
    side = dict(zip(KEYS, sides_of(KEYS), strict=True))
    rng = np.random.default_rng(seed)
    some = [KEYS[i] for i in rng.permutation(N)[: rng.integers(1, 500)]]
    assert sides_of(some).tolist() == [side[key] for key in some]


def test_equal_keys_are_on_one_side() -> None:
    assert len(set(sides_of([KEYS[7]] * 50).tolist())) == 1


def test_another_validation_fraction_moves_nothing_into_the_holdout_or_out_of_it() -> None:
    before, after = sides_of(KEYS, 0.15, 0.05), sides_of(KEYS, 0.15, 0.2)
    assert ((before == HOLDOUT) == (after == HOLDOUT)).all()


def test_a_smaller_holdout_takes_no_record_that_was_trained_on() -> None:
    before, after = sides_of(KEYS, 0.2, 0.05), sides_of(KEYS, 0.1, 0.05)
    assert not ((before != HOLDOUT) & (after == HOLDOUT)).any()


def test_the_first_and_the_last_key_are_on_a_side() -> None:
    assert [SIDES[side] for side in sides_of(["0" * 32, "f" * 32])] == ["holdout", "train"]


def test_no_records_have_no_sides() -> None:
    assert sides_of([]).tolist() == []


def test_the_rule_is_the_one_that_models_in_production_were_split_by() -> None:
    """Another rule would let a champion be judged on records that it was trained on."""
    keys = ["3" + "f" * 31, "4" + "0" * 31, "7" + "f" * 31, "8" + "0" * 31]
    assert [SIDES[side] for side in sides_of(keys, 0.25, 0.25)] == ["holdout", "validation", "validation", "train"]
