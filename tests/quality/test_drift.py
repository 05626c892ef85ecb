"""Drift: clean batches of any size stay quiet, and what moved is named."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gristmill.quality.drift import Columns, check_drift, ks, ks_limit, psi, psi_limit

CLASSES = ["bag", "boot", "coat"]


def columns(n: int, seed: int, moved: float = 0.0, missing: float = 0.1, houses: float = 0.5) -> dict[str, Any]:
    """A number, one with gaps, a count of few values, and a category."""
    rng = np.random.default_rng(seed)
    gaps = rng.normal(size=n)
    gaps[rng.random(n) < missing] = np.nan
    return {
        "size": rng.normal(moved, 1, n).astype(np.float32),
        "gaps": gaps.astype(np.float32),
        "rooms": rng.integers(0, 4, n).astype(np.float32),
        "purpose": rng.choice(4, n, p=[0.005, 0.495 - houses / 2, houses / 2, 0.5]),
    }


def answers(n: int, seed: int, weights: tuple[float, ...] = (1, 1, 1)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).dirichlet(weights, n)


TRAINING, HOLDOUT = columns(5_000, seed=0), answers(2_000, seed=0)


def checked(batch: Columns, said: Any = None, training: Columns = TRAINING) -> dict[str, Any]:
    n = len(next(iter(batch.values())))
    return check_drift(batch, training, answers(n, seed=5) if said is None else said, HOLDOUT, CLASSES)


def test_ks_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for batch, reference in (
        (rng.normal(size=50), rng.normal(size=80)),
        (rng.integers(0, 3, 40), rng.integers(0, 4, 70)),
    ):
        assert ks(batch, reference) == pytest.approx(stats.ks_2samp(batch, reference).statistic)


def test_the_limits_are_exceeded_by_chance_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.quality.drift.CHANCE", 0.02)
    rng = np.random.default_rng(0)
    over = np.zeros(2)
    for _ in range(1_000):
        batch, reference = rng.random(200), rng.random(1_000)
        value, n_bins = psi(*(np.histogram(one, 10, (0, 1))[0] for one in (batch, reference)))
        over += ks(batch, reference) > ks_limit(200, 1_000, 1), value > psi_limit(200, 1_000, n_bins, 1)
    assert (over > 5).all() and (over < 35).all()


@pytest.mark.parametrize("n", [1, 5, 20, 100, 1_000])
def test_clean_batches_raise_no_alarm(n: int) -> None:
    fired = sum(bool(checked(columns(n, seed), answers(n, seed))["alarms"]) for seed in range(1, 101))
    assert fired <= 1


def test_a_difference_that_is_sure_and_too_small_to_matter_raises_no_alarm() -> None:
    batch, training = columns(200_000, seed=1, moved=0.03), columns(200_000, seed=2)
    assert stats.ks_2samp(batch["size"], training["size"]).pvalue < 1e-6
    assert checked(batch, training=training)["drifted"] == []


@pytest.mark.parametrize(
    ("drifted", "column"),
    [
        ({"moved": 0.4}, "size"),
        ({"missing": 0.3}, "gaps"),
        ({"houses": 0.9}, "purpose"),
    ],
)
def test_the_column_that_moved_is_named_and_no_other(drifted: dict[str, float], column: str) -> None:
    found = checked(columns(1_000, seed=1, **drifted))
    assert found["drifted"] == [column]
    assert f"'{column}'" in found["alarms"]["features"]


def test_a_column_that_was_always_the_same_and_is_another_now_is_named() -> None:
    training: dict[str, Any] = {"one": np.zeros(500, np.float32), "code": np.ones(500, np.int64)}
    batch: dict[str, Any] = {"one": np.ones(100, np.float32), "code": np.zeros(100, np.int64)}
    assert set(checked(batch, training=training)["drifted"]) == {"one", "code"}


def test_a_category_that_no_training_row_had_is_counted() -> None:
    training = {"code": np.random.default_rng(0).integers(1, 4, 1_000)}
    assert checked({"code": np.full(200, 7)}, training=training)["drifted"] == ["code"]


def test_a_column_without_a_single_number_is_compared_by_what_is_missing() -> None:
    empty, full = np.full(300, np.nan, np.float32), np.random.default_rng(0).random(300).astype(np.float32)
    assert checked({"x": empty}, training={"x": full})["drifted"] == ["x"]
    assert checked({"x": full}, training={"x": empty})["drifted"] == ["x"]
    assert checked({"x": empty}, training={"x": empty})["drifted"] == []


def test_other_answers_and_other_classes_are_told_apart() -> None:
    batch = columns(1_000, seed=1)
    surer = answers(1_000, seed=1, weights=(0.3, 0.3, 0.3))
    assert checked(batch, surer)["alarms"].keys() == {"answers"}
    more_boots = answers(1_000, seed=1, weights=(1, 2, 1))
    assert checked(batch, more_boots)["alarms"].keys() == {"answers", "answered_classes"}


def test_a_regression_has_answers_and_no_classes() -> None:
    rng = np.random.default_rng(0)
    found = check_drift(columns(500, seed=1), TRAINING, rng.normal(1, 1, 500), rng.normal(0, 1, 500), [])
    assert found["alarms"].keys() == {"answers"} and "answered_psi" not in found


def test_the_figures_are_json_and_the_same_again() -> None:
    batch = columns(300, seed=1)
    assert json.loads(json.dumps(checked(batch), allow_nan=False)) == checked(batch)
