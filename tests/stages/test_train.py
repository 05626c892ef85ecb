import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file
from tests.prepared_data import IMAGES, PRICES, TABLE, prepared_workload, write_settings

import gristmill
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, file_sha256, read_json
from gristmill.ground.onnx_runtime import open_session
from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import Workload
from gristmill.stages.train import LIBRARIES, train
from gristmill.training.export import ParityError

FILES = {"model.safetensors", "model.onnx", "contract.json", "trained_on.txt", "manifest.json"}
ALONE = (
    "import sys; from pathlib import Path; from gristmill.ground.workload import Workload; "
    "from gristmill.stages.train import train; train(Workload('small', sys.argv[1], Path(sys.argv[2])))"
)


def in_another_process(
    workload: Workload, before: tuple[str, ...] = (sys.executable, "-c", ALONE)
) -> subprocess.Popen[str]:
    source = str(Path(gristmill.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*before, workload.kind, str(workload.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=workload.root,
        env=environment,
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_a_challenger_is_all_its_files_and_learns_what_is_there_to_learn(tmp_path: Path, kind: str) -> None:
    workload = prepared_workload(tmp_path, kind)
    train(workload)
    assert {path.name for path in workload.challenger.iterdir()} == FILES
    report = read_json(workload.reports / "training.json")
    assert report["validation_accuracy"] > 0.75
    assert {"best_epoch", "train_loss", "validation_loss"} <= report.keys()


def test_the_manifest_says_what_made_the_model(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", seed=7)
    train(workload)
    manifest = read_json(workload.challenger / "manifest.json")
    assert manifest["model_sha256"] == file_sha256(workload.challenger / "model.safetensors")
    assert manifest["onnx_sha256"] == file_sha256(workload.challenger / "model.onnx")
    assert manifest["contract_sha256"] == content_sha256(TABLE)
    assert manifest["versions"].keys() == set(LIBRARIES)
    expected = {"seed": 7, "threads": 1, "processes": 1, "device": "cpu", "precision": "fp32", "epochs": 6}
    assert expected.items() <= manifest.items()
    assert (manifest["n_train"], manifest["n_validation"]) == (288, 96)


def test_the_challenger_names_every_record_of_train_and_validation(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", epochs=1)
    train(workload)
    names = (workload.challenger / "trained_on.txt").read_text().split()
    assert names == sorted([f"train-{i}" for i in range(288)] + [f"validation-{i}" for i in range(96)])


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_the_onnx_model_takes_any_number_of_rows_and_answers_one_table_of_probabilities(
    tmp_path: Path, kind: str
) -> None:
    workload = prepared_workload(tmp_path, kind, epochs=1)
    train(workload)
    session = open_session(workload.challenger / "model.onnx")
    contract = IMAGES if kind == "images" else TABLE
    assert [one.name for one in session.get_inputs()] == [one["name"] for one in contract["inputs"]]
    assert [one.name for one in session.get_outputs()] == ["probabilities"]
    rows = load_file(workload.prepared / "validation.safetensors")
    for n in (1, 7, 96):
        (answer,) = session.run(None, {one["name"]: rows[one["name"]][:n] for one in contract["inputs"]})
        assert answer.shape == (n, len(contract["classes"]))
        np.testing.assert_allclose(answer.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_two_trainings_in_two_places_and_processes_leave_the_same_bytes(tmp_path: Path, kind: str) -> None:
    here = prepared_workload(tmp_path / "here", kind, cross_validation=2 if kind == "tabular" else None)
    there = prepared_workload(tmp_path / "another" / "place", kind, cross_validation=2 if kind == "tabular" else None)
    train(here)
    process = in_another_process(there)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    assert bytes_of(here.challenger) == bytes_of(there.challenger)
    assert bytes_of(here.reports) == bytes_of(there.reports)


def test_no_file_of_a_challenger_names_a_path(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "images", epochs=1)
    train(workload)
    source = str(Path(gristmill.__file__).parent).encode()
    for name, content in bytes_of(workload.challenger).items():
        assert str(tmp_path).encode() not in content, name
        assert source not in content, name
    for node in onnx.load(workload.challenger / "model.onnx").graph.node:
        assert not node.doc_string
        assert not node.metadata_props


def test_another_seed_is_another_model(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", epochs=1)
    train(workload)
    first = bytes_of(workload.challenger)["model.safetensors"]
    write_settings(workload, epochs=1, seed=1)
    train(workload)
    assert bytes_of(workload.challenger)["model.safetensors"] != first


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_a_training_killed_in_the_middle_ends_with_the_bits_of_one_that_was_not(tmp_path: Path, kind: str) -> None:
    settings: dict[str, Any] = {"epochs": 8, "checkpoint_minutes": 0}
    whole = prepared_workload(tmp_path / "whole", kind, **settings)
    train(whole)
    killed = prepared_workload(tmp_path / "killed", kind, **settings)
    process = in_another_process(killed)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 3/8"):
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert not killed.challenger.exists()
    assert len(list(killed.root.glob(".gristmill/checkpoints/small/*.checkpoint"))) == 1

    process = in_another_process(killed)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    assert re.search(r"goes on from a checkpoint: epoch [3-8], step", told)
    assert bytes_of(killed.challenger) == bytes_of(whole.challenger)
    assert bytes_of(killed.reports) == bytes_of(whole.reports)


def test_a_training_that_ended_well_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = prepared_workload(tmp_path / "tree", "tabular", checkpoint_minutes=0)
    monkeypatch.setenv("GRISTMILL_CHECKPOINTS", str(tmp_path / "outside"))
    train(workload)
    assert (tmp_path / "outside" / "small").is_dir()
    assert not list((tmp_path / "outside").rglob("*.checkpoint"))
    assert not (workload.root / ".gristmill").exists()


def test_a_refused_export_leaves_the_challenger_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = prepared_workload(tmp_path, "tabular", epochs=1)
    train(workload)
    before = bytes_of(workload.challenger)
    write_settings(workload, epochs=1, seed=1)
    monkeypatch.setattr("gristmill.training.export.TOLERANCE", 0.0)
    with pytest.raises(ParityError):
        train(workload)
    assert bytes_of(workload.challenger) == before
    assert [path.name for path in workload.models.iterdir()] == ["challenger"]


def test_two_processes_train_the_model_that_one_trains(tmp_path: Path) -> None:
    network = {"hidden": [8], "dropout": 0.0}
    alone = prepared_workload(tmp_path / "alone", "tabular", network=network, class_weights="balanced")
    train(alone)
    shared = prepared_workload(tmp_path / "shared", "tabular", network=network, class_weights="balanced", processes=2)
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script))
    process = in_another_process(shared, torchrun)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    expected, weights = (load_file(one.challenger / "model.safetensors") for one in (alone, shared))
    assert expected.keys() == weights.keys()
    for name in expected:
        np.testing.assert_allclose(weights[name], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert told.count("epoch 6/6") == 1  # one of them speaks


def test_a_number_of_processes_that_was_not_declared_is_refused(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", processes=2)
    with pytest.raises(GristmillError, match=r"train\.processes is 2, but 1 runs"):
        train(workload)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"device": "auto"}, r"train\.device is 'auto'.*'cpu' or 'cuda'"),
        ({"epochs": 0}, r"train\.epochs is 0"),
        ({"network": {"depth": 3}}, r"train\.network\.depth is not a parameter"),
        ({"network": {"hidden": [8], "dropout": 1.0}}, r"train\.network\.dropout is 1\.0"),
    ],
)
def test_a_wrong_setting_is_named_before_any_work(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    workload = prepared_workload(tmp_path, "tabular", **settings)
    with pytest.raises(SettingsError, match=sentence):
        train(workload)
    assert not workload.models.exists()


def test_a_regression_answers_in_the_units_of_its_target(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", contract=PRICES, primary="mae", epochs=30, cross_validation=2)
    train(workload)
    session = open_session(workload.challenger / "model.onnx")
    assert [one.name for one in session.get_outputs()] == ["prediction"]
    rows = load_file(workload.prepared / "validation.safetensors")
    target = rows.pop("target")
    (answer,) = session.run(None, rows)
    assert answer.shape == (96,)
    assert np.abs(answer - target).mean() < 0.4 * np.abs(target - target.mean()).mean()
    scores = read_json(workload.reports / "training.json")["cross_validation"]
    assert scores["mean"] < scores["baseline"]


def test_the_cross_validation_stands_beside_the_majority_baseline(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", cross_validation=4, primary="balanced_accuracy")
    train(workload)
    scores = read_json(workload.reports / "training.json")["cross_validation"]
    assert len(scores["folds"]) == 4
    assert scores["baseline"] == 0.5
    assert scores["mean"] == pytest.approx(np.mean(scores["folds"]))
    assert scores["std"] == pytest.approx(np.std(scores["folds"], ddof=1))
    assert scores["mean"] > 0.7


def test_the_curves_hold_a_line_for_each_epoch_and_split(tmp_path: Path) -> None:
    workload = prepared_workload(tmp_path, "tabular", epochs=3)
    train(workload)
    with (workload.reports / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "split", "loss", "accuracy"]
    assert [(row["epoch"], row["split"]) for row in rows] == [
        (str(epoch), split) for epoch in (1, 2, 3) for split in ("train", "validation")
    ]


def test_each_epoch_prints_its_seconds_and_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(prepared_workload(tmp_path, "tabular", epochs=2))
    assert len(re.findall(r"^epoch \d/2  [\d.]+ s  [\d,]+ samples/s  ", capsys.readouterr().out, re.MULTILINE)) == 2
