"""`evaluate` on models that are really asked: the same records for all, and none that a model was trained on."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper
from tests.toy_models import IMAGES, TABULAR, weights, write_model

from gristmill.evaluation.metrics import classification_metrics
from gristmill.evaluation.prediction import ModelAnswerError, ModelFileError
from gristmill.evaluation.tables import Predictions, read_predictions
from gristmill.ground.files import content_sha256, file_sha256, read_json, write_json
from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import Workload
from gristmill.stages.evaluate import SeenRecordsError, evaluate

N_HOLDOUT, N_BENCHMARK = 60, 30


def customers(name: str, n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "record_id": [f"{name}-{index}" for index in range(n)],
            "target": rng.choice(["Bad", "Good"], n).tolist(),
            "Age": rng.integers(18, 70, n),
            "Amount": pa.array([None if index == 3 else float(index) for index in range(n)]),
            "Housing": rng.choice(["Own", "Rent", "Castle"], n).tolist(),
        }
    )


def write_rows(workload: Workload, name: str, rows: pa.Table) -> None:
    workload.prepared.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, workload.prepared / f"{name}.parquet", write_page_checksum=True)


def write_none(workload: Workload, *roles: str) -> None:
    for role in roles:
        (workload.models / role).mkdir(parents=True, exist_ok=True)
        write_json(workload.models / role / "manifest.json", {"model_sha256": None})


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    """A working tree in which `train` has run for the first time."""
    workload = Workload("toy", "tabular", tmp_path)
    workload.params.parent.mkdir()
    workload.params.write_text("evaluate: {}\n", "utf-8")
    write_rows(workload, "holdout", customers("held", N_HOLDOUT, 0))
    write_rows(workload, "benchmark", customers("published", N_BENCHMARK, 1))
    write_json(workload.prepared / "contract.json", TABULAR)
    write_model(workload.challenger, TABULAR, seed=0)
    write_none(workload, "champion", "best")
    return workload


def metrics(workload: Workload) -> dict[str, Any]:
    found: dict[str, Any] = read_json(workload.reports / "evaluation.json")
    return found


def predictions(workload: Workload, name: str = "holdout") -> Predictions:
    return read_predictions(workload.reports / "predictions" / f"{name}.parquet")


def by_hand(rows: pa.Table, seed: int) -> np.ndarray:
    """What the toy model of a seed answers to rows."""
    tensors: Any = importlib.import_module("gristmill.kinds.tabular.tensors")
    inputs = tensors.encode(tensors.columns(rows, TABULAR), TABULAR)
    x = np.nan_to_num(np.concatenate([inputs["numeric"], inputs["categorical"]], axis=1))
    logits = x @ weights(TABULAR, seed)
    return np.asarray(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


def test_each_model_answers_the_same_held_out_records(workload: Workload) -> None:
    write_model(workload.champion, TABULAR, seed=1)
    write_model(workload.best, TABULAR, seed=2)
    evaluate(workload)
    found, rows = predictions(workload), customers("held", N_HOLDOUT, 0)
    assert found.record_ids == rows["record_id"].to_pylist()
    for seed, role in enumerate(("challenger", "champion", "best")):
        assert found.answers[role] == pytest.approx(by_hand(rows, seed), abs=1e-5)
        expected = classification_metrics(found.target, found.answers[role], ["Bad", "Good"])
        assert metrics(workload)["holdout"][role] == expected
    assert set(predictions(workload, "benchmark").answers) == {"challenger", "champion", "best"}
    assert metrics(workload)["benchmark"]["n"] == N_BENCHMARK
    assert metrics(workload)["notes"] == []


def test_before_the_first_promotion_the_challenger_stands_alone(workload: Workload) -> None:
    evaluate(workload)
    found = metrics(workload)
    assert (found["champion_sha256"], found["best_sha256"]) == (None, None)
    assert found["challenger_sha256"] == file_sha256(workload.challenger / "model.safetensors")
    assert "champion" not in found["holdout"]
    assert list(predictions(workload).answers) == ["challenger"]


def test_no_benchmark_is_no_fault(workload: Workload) -> None:
    write_rows(workload, "benchmark", customers("published", 2, 1).slice(0, 0))
    evaluate(workload)
    assert metrics(workload)["benchmark"] == {"n": 0}
    assert predictions(workload, "benchmark").record_ids == []


@pytest.mark.parametrize("role", ["challenger", "champion", "best"])
def test_a_held_out_record_that_a_model_was_trained_on_stops_it(workload: Workload, role: str) -> None:
    for seed, name in enumerate(("champion", "best"), 1):
        write_model(workload.models / name, TABULAR, seed=seed)
    (workload.models / role / "trained_on.txt").write_text("a\nheld-7\nz\n", "utf-8")
    with pytest.raises(SeenRecordsError, match=rf"1 of 60 held-out records.*the {role} of toy.*held-7"):
        evaluate(workload)
    assert not (workload.reports / "evaluation.json").exists()


def test_a_benchmark_record_that_a_model_was_trained_on_is_noted(workload: Workload) -> None:
    (workload.challenger / "trained_on.txt").write_text("published-1\npublished-2\n", "utf-8")
    evaluate(workload)
    (note,) = metrics(workload)["notes"]
    assert note.startswith("The challenger was trained on 2 of the 30 benchmark records")


def test_a_champion_of_an_older_contract_is_asked_about_the_same_records_in_its_own_way(workload: Workload) -> None:
    older = {**TABULAR, "classes": ["Good", "Bad"], "columns": [TABULAR["columns"][i] for i in (1, 0, 2)]}
    write_model(workload.champion, older, seed=0)
    evaluate(workload)
    rows = customers("held", N_HOLDOUT, 0)
    swapped = rows.set_column(2, "Age", rows["Amount"]).set_column(3, "Amount", rows["Age"])
    assert predictions(workload).answers["champion"] == pytest.approx(by_hand(swapped, 0)[:, ::-1], abs=1e-5)


def test_a_champion_that_asks_for_a_column_that_is_gone_is_left_out_with_a_sentence(workload: Workload) -> None:
    gone = {**TABULAR, "columns": [{"name": "Income", "type": "numeric"}, *TABULAR["columns"][1:]]}
    for role in ("champion", "best"):
        write_model(workload.models / role, gone, seed=1)
    evaluate(workload)
    found = metrics(workload)
    assert set(predictions(workload).answers) == {"challenger"}
    assert "could not be asked about today's records: the records lack a column" in found["left_out"]["champion"]
    assert "Income" in found["left_out"]["champion"]
    assert found["notes"] == [found["left_out"]["champion"], found["left_out"]["best"]]
    assert found["champion_sha256"] is not None


def test_a_challenger_that_cannot_be_asked_is_a_fault(workload: Workload) -> None:
    write_rows(workload, "holdout", customers("held", N_HOLDOUT, 0).drop_columns(["Amount"]))
    with pytest.raises(ModelAnswerError, match="Amount"):
        evaluate(workload)


def test_a_champion_of_another_kind_is_left_out(workload: Workload) -> None:
    write_model(workload.champion, IMAGES, seed=1)
    evaluate(workload)
    assert "its kind is images, and today's is tabular" in metrics(workload)["left_out"]["champion"]


def test_classes_that_changed_are_noted_and_counted_by_name(workload: Workload) -> None:
    before = {**TABULAR, "classes": ["Good", "Unsure"]}
    write_model(workload.champion, before, seed=0)
    evaluate(workload)
    answers = predictions(workload).answers["champion"]
    assert (answers[:, 0] == 0).all()  # Bad, which it does not know
    assert answers[:, 1] == pytest.approx(by_hand(customers("held", N_HOLDOUT, 0), 0)[:, 0], abs=1e-5)
    assert metrics(workload)["notes"] == [
        "Classes changed: the champion does not know Bad and still knows Unsure, which is left out of its answers."
    ]


def test_a_model_in_two_roles_is_asked_once(workload: Workload, capsys: pytest.CaptureFixture[str]) -> None:
    for role in ("champion", "best"):
        write_model(workload.models / role, TABULAR, seed=1)
    evaluate(workload)
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["challenger", "champion"]
    answers = predictions(workload).answers
    assert (answers["champion"] == answers["best"]).all()


def test_a_tampered_champion_stops_it(workload: Workload) -> None:
    write_model(workload.champion, TABULAR, seed=1)
    with (workload.champion / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelFileError, match=r"models/toy/champion: model\.onnx is not the file"):
        evaluate(workload)


def test_the_confusion_file_has_a_line_for_each_held_out_record(workload: Workload) -> None:
    evaluate(workload)
    head, *lines = (workload.reports / "confusion.csv").read_text("utf-8").splitlines()
    assert head == "actual,predicted"
    counts = metrics(workload)["holdout"]["challenger"]["confusion"]
    names = ["Bad", "Good"]
    assert [[lines.count(f"{actual},{p}") for p in names] for actual in names] == counts
    assert len(lines) == N_HOLDOUT


def test_made_again_every_file_has_the_same_bytes(workload: Workload) -> None:
    made = []
    for _ in range(2):
        evaluate(workload)
        files = sorted(path for path in workload.reports.rglob("*") if path.is_file())
        made.append([(path.name, path.read_bytes()) for path in files])
    assert made[0] == made[1]
    assert [name for name, _ in made[0]] == [
        "confusion.csv",
        "evaluation.json",
        "metrics.json",
        "benchmark.parquet",
        "holdout.parquet",
    ]


def test_a_regression_is_measured_in_the_targets_unit(workload: Workload) -> None:
    contract = {**TABULAR, "task": "regression", "classes": []}
    write_json(workload.prepared / "contract.json", contract)
    for name, n in (("holdout", N_HOLDOUT), ("benchmark", N_BENCHMARK)):
        rows = customers(name, n, 0)
        write_rows(
            workload, name, rows.set_column(1, "target", pa.array([float(age) + 2 for age in rows["Age"].to_pylist()]))
        )
    _write_age_model(workload.challenger, contract)
    evaluate(workload)
    found = metrics(workload)["holdout"]["challenger"]
    assert found == pytest.approx({"mae": 2.0, "rmse": 2.0, "r2": found["r2"]})
    assert 0.9 < found["r2"] < 1
    assert (workload.reports / "confusion.csv").read_text("utf-8") == "actual,predicted\n"


def _write_age_model(folder: Path, contract: dict[str, Any]) -> None:
    """A regression that answers with the first numeric column."""
    nodes = [
        helper.make_node("Gather", ["numeric", "first"], ["prediction"], axis=1),
        helper.make_node("ReduceMax", ["categorical"], ["unused"], keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["N", 2]),
        helper.make_tensor_value_info("categorical", TensorProto.INT64, ["N", 1]),
    ]
    output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["N"])
    first = helper.make_tensor("first", TensorProto.INT64, [], [0])
    graph = helper.make_graph(nodes, "age", inputs, [output], [first])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "model.onnx"
    )
    write_json(folder / "contract.json", contract)
    manifest = read_json(folder / "manifest.json")
    hashes = {"onnx_sha256": file_sha256(folder / "model.onnx"), "contract_sha256": content_sha256(contract)}
    write_json(folder / "manifest.json", {**manifest, "task": "regression", **hashes})


def test_an_unknown_setting_is_refused(workload: Workload) -> None:
    workload.params.write_text("evaluate: {metric: accuracy}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"evaluate\.metric is not a parameter"):
        evaluate(workload)


def test_metrics_json_holds_numbers_alone_so_that_dvc_can_show_differences(workload: Workload) -> None:
    evaluate(workload)
    found = read_json(workload.reports / "metrics.json")
    figures = [value for part in found.values() for value in part.values()]
    assert found["holdout"]["n"] and all(isinstance(figure, int | float) for figure in figures)
