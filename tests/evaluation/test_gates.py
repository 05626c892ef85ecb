"""PROMOTE, HOLD and REJECT on synthetic predictions: which evidence leads to which verdict, and in which words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.evaluation.gates import Decision, Evidence, GateMetricError, GateSettings, judge
from gristmill.evaluation.tables import Predictions
from gristmill.ground.settings import SettingsError

SETTINGS = GateSettings(metric="accuracy", floors={"accuracy": 0.7}, margin=0.02, resamples=2000)
SHA256 = {"challenger": "c" * 64, "champion": "a" * 64, "best": "a" * 64}


def answers(target: np.ndarray, n_right: int) -> np.ndarray:
    """Probabilities of a model that is right on the first `n_right` records."""
    predicted = np.where(np.arange(len(target)) < n_right, target, 1 - target)
    return np.asarray(np.eye(2)[predicted], np.float32)


def holdout(n: int, **n_right: int) -> Predictions:
    target = np.arange(n) % 2
    by_role = {role: answers(target, right) for role, right in n_right.items()}
    return Predictions([f"record-{index}" for index in range(n)], target, by_role)


def verdict(predictions: Predictions, settings: GateSettings = SETTINGS, **changed: Any) -> Decision:
    """The verdict; a role without answers is taken for one that does not exist, unless told."""
    sha256 = {role: SHA256[role] if role in predictions.answers else None for role in SHA256}
    values: dict[str, Any] = {"workload": "toy", "task": "classification", "holdout": predictions, "sha256": sha256}
    return judge(Evidence(**{**values, **changed}), settings)


def test_before_the_first_champion_the_floors_alone_decide() -> None:
    first = verdict(holdout(500, challenger=400))
    assert first.verdict == "PROMOTE"
    assert "Accuracy is 0.8000 on 500 held-out records" in first.sentence
    assert "no champion yet" in first.sentence
    assert verdict(holdout(500, challenger=300)).verdict == "REJECT"


def test_a_model_that_is_surely_not_worse_is_promoted() -> None:
    decision = verdict(holdout(5000, challenger=4020, champion=4000, best=4000))
    assert decision.verdict == "PROMOTE"
    assert "accuracy 0.8040 against 0.8000 on the same 5,000 records, a difference of +0.0040" in decision.sentence


def test_a_little_worse_within_the_margin_is_still_promoted() -> None:
    assert verdict(holdout(5000, challenger=3980, champion=4000, best=4000)).verdict == "PROMOTE"


def test_a_model_whose_interval_reaches_beyond_the_margin_is_held() -> None:
    decision = verdict(holdout(300, challenger=240, champion=244, best=244))
    assert decision.verdict == "HOLD"
    assert decision.sentence.startswith("Every floor holds, but evidence is missing. It cannot be said yet whether")


def test_a_model_that_is_surely_worse_is_rejected() -> None:
    decision = verdict(holdout(5000, challenger=4000, champion=4300, best=4300))
    assert decision.verdict == "REJECT"
    assert decision.sentence.startswith("Surely worse than the champion by more than the margin of 0.02")


def test_a_broken_floor_rejects_even_a_better_model() -> None:
    decision = verdict(holdout(5000, challenger=3400, champion=3000, best=3000))
    assert decision.verdict == "REJECT"
    assert "this is below the floor of 0.7" in decision.sentence
    assert "champion" not in decision.sentence  # that comparison passed


def test_a_floor_is_judged_on_the_value_and_not_on_its_interval() -> None:
    floors = [check for check in verdict(holdout(500, challenger=350)).checks if check.name == "floor: accuracy"]
    assert floors[0].outcome == "pass"
    assert floors[0].numbers["lower"] < 0.7 == floors[0].numbers["value"]


def test_small_steps_down_cannot_add_up() -> None:
    """Each within the margin of the champion before it; the best version so far holds them back."""
    step = holdout(5000, challenger=3900, champion=3980, best=4100)
    decision = verdict(step, sha256={**SHA256, "best": "b" * 64})
    outcomes = {check.name: check.outcome for check in decision.checks}
    assert outcomes["not worse than the champion"] != "fail"
    assert outcomes["not worse than the best version so far"] == "fail"
    assert decision.verdict == "REJECT"


def test_a_champion_that_is_the_best_is_compared_once() -> None:
    names = [check.name for check in verdict(holdout(500, challenger=400, champion=400, best=400)).checks]
    assert names == ["floor: accuracy", "not worse than the champion"]


def test_the_champion_itself_differs_by_exactly_nothing() -> None:
    same = {**SHA256, "challenger": SHA256["champion"]}
    decision = verdict(holdout(40, challenger=30, champion=30, best=30), sha256=same)
    check = decision.checks[-1]
    assert (check.outcome, check.numbers["difference"], check.numbers["lower"]) == ("pass", 0.0, 0.0)
    assert "the difference is exactly 0" in decision.sentence
    assert decision.verdict == "PROMOTE"
    assert decision.smallest_visible_difference is not None
    assert decision.smallest_visible_difference > 0.1


def test_a_champion_that_could_not_be_asked_holds_the_challenger() -> None:
    left_out = {"champion": "The champion could not be asked: the column age is gone.", "best": "Nor could the best."}
    decision = verdict(holdout(500, challenger=400), sha256=SHA256, left_out=left_out)
    assert decision.verdict == "HOLD"
    assert "the column age is gone" in decision.sentence


def test_an_empty_holdout_holds_whatever_it_is() -> None:
    empty = Predictions([], np.array([], np.int64), {"challenger": np.empty((0, 2), np.float32)})
    decision = verdict(empty)
    assert (decision.verdict, decision.smallest_visible_difference) == ("HOLD", None)
    assert "No record is in the holdout yet" in decision.sentence
    assert verdict(empty, sha256=SHA256).verdict == "HOLD"


def test_a_model_that_was_rolled_back_is_rejected_and_a_person_is_told_how_to_promote_it() -> None:
    barred = [{"model_sha256": "c" * 64, "version": "v1.1.0", "reason": "complaints from the shop"}]
    decision = verdict(holdout(5000, challenger=4500, champion=4000, best=4000), barred=barred)
    assert decision.verdict == "REJECT"
    assert "v1.1.0" in decision.sentence
    assert "complaints from the shop" in decision.sentence
    assert "`gristmill promote toy v1.1.0 --reason ...`" in decision.sentence


def test_another_model_is_not_barred_by_it() -> None:
    barred = [{"model_sha256": "d" * 64, "version": "v1.1.0", "reason": "complaints"}]
    assert verdict(holdout(500, challenger=400), barred=barred).verdict == "PROMOTE"


def test_less_is_better_for_an_error_in_floor_and_comparison_alike() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(100, 10, 2000)
    by_role = {role: target + rng.normal(0, s, 2000) for role, s in (("challenger", 2), ("champion", 3), ("best", 3))}
    predictions = Predictions([str(index) for index in range(2000)], target, by_role)
    settings = GateSettings(metric="rmse", floors={"rmse": 2.5}, margin=0.1)
    decision = verdict(predictions, settings, task="regression")
    assert decision.verdict == "PROMOTE"
    assert decision.checks[0].name == "ceiling: rmse"
    assert decision.checks[1].numbers["difference"] == pytest.approx(1.0, abs=0.2)
    assert decision.comparison["higher_is_better"] is False
    worse = Predictions(predictions.record_ids, target, {**by_role, "challenger": target + rng.normal(0, 4, 2000)})
    assert [check.outcome for check in verdict(worse, settings, task="regression").checks] == ["fail", "fail"]


def test_the_comparison_names_the_models_and_their_values_for_the_registry() -> None:
    comparison = verdict(holdout(500, challenger=400, champion=390, best=390)).comparison
    assert (comparison["challenger"], comparison["best"]) == (0.8, 0.78)
    assert (comparison["best_sha256"], comparison["higher_is_better"], comparison["n"]) == ("a" * 64, True, 500)


def test_more_records_make_smaller_differences_visible() -> None:
    visible = [verdict(holdout(n, challenger=n * 4 // 5)).smallest_visible_difference for n in (100, 1000, 10_000)]
    assert visible == sorted(visible, key=float, reverse=True)  # type: ignore[arg-type]
    assert visible[2] == pytest.approx(1.96 * (2 * 0.8 * 0.2 / 10_000) ** 0.5, rel=0.05)


def test_a_margin_narrower_than_what_the_gate_can_see_is_said() -> None:
    assert "narrower than that" in verdict(holdout(200, challenger=160)).sensitivity
    assert "narrower than that" not in verdict(holdout(20_000, challenger=16_000)).sensitivity


def test_a_metric_of_another_task_is_named_with_those_to_choose_from() -> None:
    settings = GateSettings(metric="rmse", floors={"accuracy": 0.7}, margin=0.1)
    with pytest.raises(GateMetricError, match=r"params/toy\.yaml asks for 'rmse'; a classification has accuracy"):
        verdict(holdout(10, challenger=8), settings)


def test_a_floor_on_an_unknown_metric_is_refused_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("gate: {metric: accuracy, floors: {acuracy: 0.7}, margin: -1}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"(?s)gate\.floors\.acuracy.*gate\.margin is -1"):
        GateSettings.read(tmp_path / "toy.yaml", "gate")


def test_a_model_worse_by_the_margin_is_promoted_in_at_most_one_of_forty_evaluations() -> None:
    promoted = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        target = rng.integers(0, 2, 500)
        case = rng.choice(3, 500, p=[0.1, 0.08, 0.82])  # the challenger alone is wrong, alone right; both right
        by_role = {
            "challenger": np.eye(2)[np.where(case == 0, 1 - target, target)],
            "champion": np.eye(2)[np.where(case == 1, 1 - target, target)],
        }
        predictions = Predictions([str(index) for index in range(500)], target, by_role)
        settings = GateSettings(metric="accuracy", floors={"accuracy": 0.5}, margin=0.02, resamples=500, seed=seed)
        promoted += verdict(predictions, settings).verdict == "PROMOTE"
    assert promoted <= 200 * 0.025 + 2 * (200 * 0.025) ** 0.5
