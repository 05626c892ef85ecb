"""Label checks: what they warn of, what they leave alone, and that few rows are no evidence."""

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes, load_digits

from gristmill.quality.labels import (
    LISTED,
    Answered,
    TooFewRowsError,
    _z,
    check_classes,
    check_classes_alone,
    check_numbers,
    check_numbers_alone,
    evenly,
)

CLASSES = ["bag", "boot", "coat", "dress"]


def answered(n: int, seed: int, right: float = 0.9, n_classes: int = 4) -> Answered:
    """A model that is sure of what it says, and right so often."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, n_classes, n)
    said = np.where(rng.random(n) < right, target, (target + rng.integers(1, n_classes, n)) % n_classes)
    answers = np.full((n, n_classes), 0.03) + rng.random((n, n_classes)) / 100
    answers[np.arange(n), said] = 1 - 0.03 * (n_classes - 1)
    return Answered(target, answers)


def relabelled(batch: Answered, share: float, seed: int = 9) -> Answered:
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(batch.target)) < share
    return Answered(np.where(wrong, (batch.target + 1) % 4, batch.target), batch.answers)


def names(batch: Answered) -> list[str]:
    return [f"r{row}" for row in range(len(batch.target))]


HOLDOUT = answered(4_000, seed=0)


def test_the_z_score_is_the_tail_of_what_the_holdout_foretells() -> None:
    for k, n, k_before, n_before in ((81, 100, 900, 1000), (5, 10, 38, 40), (0, 3, 99, 100), (7000, 8000, 4400, 5000)):
        foretold = stats.betabinom(n, k_before + 0.5, n_before - k_before + 0.5)
        assert _z(k, n, k_before, n_before) == pytest.approx(stats.norm.ppf(foretold.cdf(k)), abs=1e-6)


def test_the_z_score_is_finite_however_bad_or_good_a_batch_is() -> None:
    assert -300 < _z(0, 20_000, 7_400, 7_500) < -100
    assert 0 < _z(20_000, 20_000, 10, 7_500) <= 8


def test_labels_as_good_as_the_holdouts_raise_no_alarm() -> None:
    alarms = [check_classes(answered(200, seed), HOLDOUT, CLASSES, [""] * 200)["alarms"] for seed in range(1, 201)]
    assert not any(alarms)


@pytest.mark.parametrize("n", [1, 3, 10])
def test_a_few_rows_with_wrong_labels_are_no_evidence(n: int) -> None:
    batch = answered(n, seed=1, right=1.0)
    assert check_classes(relabelled(batch, 0.4), HOLDOUT, CLASSES, names(batch))["alarms"] == {}


def test_shuffled_labels_fire_each_check() -> None:
    batch = answered(1_000, seed=1)
    shuffled = Answered(np.random.default_rng(1).permutation(batch.target), batch.answers)
    assert {"agreement", "recall"} <= check_classes(shuffled, HOLDOUT, CLASSES, names(batch))["alarms"].keys()


def test_two_classes_that_were_swapped_show_in_their_recall_and_are_named() -> None:
    batch = answered(400, seed=1)
    swapped = Answered(np.select([batch.target == 0, batch.target == 2], [2, 0], batch.target), batch.answers)
    found = check_classes(swapped, HOLDOUT, CLASSES, names(batch))
    assert found["recall"]["bag"]["z"] < found["recall_gate"] < found["recall"]["boot"]["z"]
    assert "and so 1 more" in found["alarms"]["recall"]


def sure(n: int, wrong: int) -> Answered:
    """Answers that are all right and sure, but for so many rows whose label is another."""
    target = np.arange(n) % 4
    answers = np.where(np.arange(4) == target[:, None], 0.97, 0.01)
    target[:wrong] = (target[:wrong] + 1) % 4
    answers[np.arange(wrong), target[:wrong]] = np.linspace(0.019, 0.001, wrong)
    return Answered(target, answers)


def test_rows_for_review_are_listed_the_most_suspicious_first_and_counted_beyond_the_list() -> None:
    batch = sure(1_000, wrong=250)
    found = check_classes(batch, sure(1_000, wrong=10), CLASSES, names(batch))
    assert found["n_review"] == 250 and len(found["review"]) == LISTED
    assert found["review"][0] == {"record_id": "r249", "target": "coat", "predicted": "boot", "p_target": 0.001}
    assert [row["p_target"] for row in found["review"]] == sorted(row["p_target"] for row in found["review"])
    assert "review" in found["alarms"]


def test_one_wrong_label_in_a_hundred_shows_among_those_for_review_before_it_shows_in_the_agreement() -> None:
    batch = answered(10_000, seed=1)
    holdout = HOLDOUT
    certain = [one.answers[np.arange(len(one.target)), one.target] > 0.5 for one in (batch, holdout)]
    for one, right in zip((batch, holdout), certain, strict=True):
        one.answers[right] = np.where(one.answers[right] > 0.5, 0.997, 0.001)
    found = check_classes(relabelled(batch, 0.01), holdout, CLASSES, names(batch))
    assert found["alarms"].keys() == {"review"}


def test_a_class_that_does_not_occur_is_not_judged() -> None:
    batch = answered(100, seed=1)
    found = check_classes(Answered(batch.target % 2, batch.answers), HOLDOUT, CLASSES, names(batch))
    assert found["recall"]["dress"] == {"n": 0, "recall": None, "expected": pytest.approx(0.9, abs=0.03), "z": 0.0}


def predicted(n: int, seed: int, spread: float = 2.0) -> Answered:
    rng = np.random.default_rng(seed)
    answers = rng.normal(100, 20, n)
    return Answered((answers + rng.standard_t(4, n) * spread).astype(np.float32), answers.astype(np.float32))


def test_numbers_as_good_as_the_holdouts_raise_no_alarm_though_their_errors_have_heavy_tails() -> None:
    holdout = predicted(2_000, seed=0)
    alarms = [
        check_numbers(predicted(n, seed), holdout, [""] * n)["alarms"] for n in (30, 300) for seed in range(1, 201)
    ]
    assert sum(map(bool, alarms)) <= 4


def test_targets_in_another_unit_and_single_wild_ones_are_told_apart() -> None:
    holdout, batch = predicted(2_000, seed=0), predicted(500, seed=1)
    in_pence = check_numbers(Answered(batch.target * 100, batch.answers), holdout, names(batch))
    assert in_pence["alarms"].keys() == {"agreement", "review"}
    wild = batch.target.copy()
    wild[:20] += np.linspace(50, 200, 20)
    found = check_numbers(Answered(wild, batch.answers), holdout, names(batch))
    assert "review" in found["alarms"] and found["review"][0]["record_id"] == "r19"


def test_a_holdout_that_was_met_exactly_divides_by_nothing() -> None:
    exact = Answered(np.arange(50.0), np.arange(50.0))
    assert check_numbers(exact, exact, names(exact))["alarms"] == {}


def test_real_digits_can_be_learnt_and_shuffled_ones_cannot() -> None:
    digits = load_digits()
    learnt = check_classes_alone(digits.data[:900], digits.target[:900])
    assert learnt["alarms"] == {} and learnt["accuracy"] > 0.85 > learnt["majority"]
    shuffled = check_classes_alone(digits.data[:900], np.random.default_rng(0).permutation(digits.target[:900]))
    assert shuffled["alarms"].keys() == {"self_check"}


def test_an_answer_that_is_nearly_always_the_same_is_not_taken_for_nothing_to_learn() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(2_000) < 0.03).astype(np.int64)
    found = check_classes_alone((rng.normal(size=(2_000, 3)) + 2 * target[:, None]).astype(np.float32), target)
    assert found["accuracy"] < found["majority"] + 0.01 and found["alarms"] == {}


def test_real_measurements_can_be_learnt_and_shuffled_ones_cannot() -> None:
    diabetes = load_diabetes()
    assert check_numbers_alone(diabetes.data, diabetes.target)["r2"] > 0.4
    many = np.tile(diabetes.data, (4, 1)), np.random.default_rng(0).permutation(np.tile(diabetes.target, 4))
    assert check_numbers_alone(*many)["alarms"].keys() == {"self_check"}


def test_a_self_check_gives_the_same_figures_again() -> None:
    digits = load_digits()
    assert check_classes_alone(digits.data[:300], digits.target[:300]) == check_classes_alone(
        digits.data[:300], digits.target[:300]
    )


@pytest.mark.parametrize("target", [[0, 0, 0, 0, 0, 0], [0, 1], [], [0, 1, 2, 3, 4, 5, 6, 7]])
def test_too_few_rows_to_learn_from_are_told_from_bad_labels(target: list[int]) -> None:
    with pytest.raises(TooFewRowsError):
        check_classes_alone(np.zeros((len(target), 2), np.float32), np.array(target, np.int64))


def test_rows_are_taken_evenly_from_end_to_end() -> None:
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(3, 4).tolist() == [0, 1, 2]
    assert evenly(0, 4).tolist() == []
