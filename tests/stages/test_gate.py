"""`gate` on the files that the earlier stages write: a verdict is data, and is never an exit code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.evaluation.metrics import classification_metrics
from gristmill.evaluation.tables import Predictions, write_predictions
from gristmill.ground.files import read_json, write_json
from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import Workload
from gristmill.stages.gate import gate

CLASSES = ["Bad", "Good"]
PROBLEM = "problem: {goal: Say who pays., decision: None., costs: {wrong: money}, owner: the bank}\n"
GATE = PROBLEM + "gate: {metric: accuracy, floors: {accuracy: 0.6}, margin: 0.05, resamples: 500}\n"


def write_reports(workload: Workload, **n_right: int) -> None:
    """What evaluate, train and validate leave, for models that are right on so many of 400 records."""
    target = np.arange(400) % 2
    letters = {"challenger": "c", "champion": "a", "best": "b"}
    answers = {
        role: np.asarray(np.eye(2)[np.where(np.arange(400) < n, target, 1 - target)], np.float32)
        for role, n in n_right.items()
    }
    ids = [f"record-{index}" for index in range(400)]
    write_predictions(workload.reports / "predictions" / "holdout.parquet", Predictions(ids, target, answers))
    figures = {role: classification_metrics(target, one, CLASSES) for role, one in answers.items()}
    metrics: dict[str, Any] = {
        "task": "classification",
        "classes": CLASSES,
        "holdout": {"n": 400, **figures},
        "benchmark": {"n": 0},
        "left_out": {},
        "notes": [],
        **{f"{role}_sha256": letter * 64 if role in n_right else None for role, letter in letters.items()},
    }
    write_json(workload.reports / "evaluation.json", metrics)


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    workload = Workload("toy", "tabular", tmp_path)
    workload.params.parent.mkdir()
    workload.params.write_text(GATE, "utf-8")
    write_json(workload.barred, {"models": [], "packages": []})
    write_json(workload.reports / "training.json", {"best_epoch": 1, "validation_loss": 0.3})
    write_json(workload.reports / "validation.json", {"rows": {"admitted": 5, "total": 5}, "batches": []})
    curves = "epoch,split,loss,accuracy\n1,train,0.4,0.8\n1,validation,0.3,0.9\n"
    (workload.reports / "training.csv").write_text(curves, "utf-8")
    return workload


@pytest.mark.parametrize(
    ("challenger", "champion", "verdict"),
    [(350, 340, "PROMOTE"), (330, 345, "HOLD"), (290, 390, "REJECT"), (200, 200, "REJECT")],
)
def test_every_verdict_ends_the_stage_well(workload: Workload, challenger: int, champion: int, verdict: str) -> None:
    write_reports(workload, challenger=challenger, champion=champion)
    gate(workload)
    found = read_json(workload.reports / "gate.json")
    assert found["verdict"] == verdict
    assert found["sentence"] in (workload.reports / "report.html").read_text("utf-8")


def test_gate_json_holds_a_sentence_and_the_numbers_of_each_check(workload: Workload) -> None:
    write_reports(workload, challenger=350, champion=340, best=345)
    gate(workload)
    found = read_json(workload.reports / "gate.json")
    assert [check["name"] for check in found["checks"]] == [
        "floor: accuracy",
        "not worse than the champion",
        "not worse than the best version so far",
    ]
    assert all(check["sentence"].endswith(".") for check in found["checks"])
    assert found["checks"][1]["difference"] == pytest.approx(0.025)
    assert (found["challenger_sha256"], found["champion_sha256"]) == ("c" * 64, "a" * 64)
    assert found["comparison"]["best_sha256"] == "b" * 64
    assert 0 < found["smallest_visible_difference"] < 0.05


def test_the_barred_file_decides(workload: Workload) -> None:
    write_reports(workload, challenger=350, champion=340)
    entry = {"model_sha256": "c" * 64, "version": "v1.1.0", "reason": "complaints"}
    write_json(workload.barred, {"models": [entry], "packages": []})
    gate(workload)
    assert read_json(workload.reports / "gate.json")["verdict"] == "REJECT"


def test_a_barred_package_does_not_bar_its_model(workload: Workload) -> None:
    write_reports(workload, challenger=350, champion=340)
    entry = {"model_sha256": "c" * 64, "serving_sha256": "5" * 64, "version": "v1.1.0", "reason": "a bug in serving"}
    write_json(workload.barred, {"models": [], "packages": [entry]})
    gate(workload)
    assert read_json(workload.reports / "gate.json")["verdict"] == "PROMOTE"


def test_made_again_both_files_have_the_same_bytes(workload: Workload) -> None:
    write_reports(workload, challenger=350, champion=340)
    made = []
    for _ in range(2):
        gate(workload)
        made.append([(workload.reports / name).read_bytes() for name in ("gate.json", "report.html")])
    assert made[0] == made[1]


def test_the_curves_of_the_training_are_on_the_page(workload: Workload) -> None:
    write_reports(workload, challenger=350, champion=340)
    gate(workload)
    assert "accuracy by epoch: train ends at 0.8000; validation ends at 0.9000" in (
        workload.reports / "report.html"
    ).read_text("utf-8")


def test_a_workload_without_gates_is_told_what_is_missing(workload: Workload) -> None:
    write_reports(workload, challenger=350)
    workload.params.write_text("gate: {metric: accuracy}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"gate\.floors is missing; gate\.margin is missing"):
        gate(workload)


def test_a_workload_of_which_nobody_says_what_it_is_for_is_told_so(workload: Workload) -> None:
    write_reports(workload, challenger=350)
    workload.params.write_text(GATE.removeprefix(PROBLEM), "utf-8")
    with pytest.raises(SettingsError, match=r"the section 'problem' is missing"):
        gate(workload)
