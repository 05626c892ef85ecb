"""`gristmill predict`: every record of a file answered or refused as the service does it, written whole or not at all."""

import csv
import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples.story.grist import write_images
from tests.applications import applications, write_applications
from tests.conftest import commit_all, git, gristmill
from tests.toy_models import IMAGES, write_model

from gristmill.adapters.dvc import CacheMissError
from gristmill.kinds.images import questions
from gristmill.kinds.images.records import IngestSettings as ImageSettings
from gristmill.registry.versions import UnknownVersionError, find_version
from gristmill.runs.carrying import push
from gristmill.runs.deployment import NothingToServeError, champion_bundle
from gristmill.runs.loading import Loaded, OldParamsError, load_version
from gristmill.runs.predicting import Predicted, PredictionError, count_records, parts_to_score, predict_files
from gristmill.runs.remoting import add_remote
from gristmill.runs.repository import Repository
from gristmill.serving.live import load_serving
from gristmill.serving.predictor import load_predictor

W = "credit-risk"


def unlabelled(n: int, seed: int = 9) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "Class"} for row in applications(n, seed)]


def scored(loaded: Loaded, *files: Path, out: Path) -> tuple[Predicted, pa.Table]:
    predicted = predict_files(loaded, parts_to_score(files, out), out, lambda _: None)
    return predicted, pq.read_table(out)


def test_each_record_is_answered_in_order_as_the_service_answers_it(turned: Repository, tmp_path: Path) -> None:
    rows = unlabelled(150)
    done = gristmill(
        turned.root,
        "predict",
        W,
        str(write_applications(tmp_path / "new.csv", rows)),
        "-o",
        str(tmp_path / "out.parquet"),
    )
    assert done.returncode == 0 and "150 records answered" in done.stdout, done.stdout
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["record_id", "label", "probabilities", "version", "problem"]
    serving = load_serving(champion_bundle(turned, W, lambda _: None) / "src")
    expected = serving.predictor.predict({"rows": rows})
    assert [{key: row[key] for key in ("label", "probabilities")} for row in found.to_pylist()] == [
        {"label": one["label"], "probabilities": pytest.approx(one["probabilities"], abs=1e-6)} for one in expected
    ]
    assert set(found["version"].to_pylist()) == {"v1.0.0"} and found["problem"].null_count == 150
    assert len(set(found["record_id"].to_pylist())) == 150


def test_the_file_says_what_answered(turned: Repository, tmp_path: Path) -> None:
    loaded = load_version(turned, W)
    scored(loaded, write_applications(tmp_path / "new.csv", unlabelled(3)), out=tmp_path / "out.parquet")
    version = find_version(turned.git, W, "v1.0.0")
    assert pq.read_schema(tmp_path / "out.parquet").metadata == {
        b"workload": W.encode(),
        b"version": b"v1.0.0",
        b"model_sha256": version.model_sha256.encode(),
        b"contract_sha256": version.contract_sha256.encode(),
    }


def test_what_the_service_refuses_gets_no_answer_its_words_and_an_exit_code(turned: Repository, tmp_path: Path) -> None:
    rows = unlabelled(5)
    rows[1]["Housing"], rows[3]["Age"] = "Castle", "old"
    file, out = write_applications(tmp_path / "new.csv", rows), tmp_path / "out.parquet"
    done = gristmill(turned.root, "predict", W, str(file), "-o", str(out))
    assert done.returncode == 3, done.stdout
    assert "3 records answered, 2 not answered (column `problem` says why)" in done.stdout
    found = pq.read_table(out).to_pylist()
    assert [row["label"] is None for row in found] == [False, True, False, True, False]
    assert [row["version"] for row in found] == ["v1.0.0", None, "v1.0.0", None, "v1.0.0"]
    assert found[1]["probabilities"] is None
    assert "Housing is 'Castle', a category that the model does not know; allowed: 'Rent'" in found[1]["problem"]
    assert "'Age' is not a number" in found[3]["problem"] and found[3]["problem"] in done.stdout
    rows[1]["Housing"], rows[3]["Age"] = unlabelled(5)[1]["Housing"], unlabelled(5)[3]["Age"]
    whole = scored(load_version(turned, W), write_applications(tmp_path / "new.csv", rows), out=out)[1].to_pylist()
    assert [whole[n]["label"] for n in (0, 2, 4)] == [found[n]["label"] for n in (0, 2, 4)]


def test_where_nothing_can_be_answered_nothing_is_written_and_what_was_there_stays(
    turned: Repository, tmp_path: Path
) -> None:
    file, out = tmp_path / "other.csv", tmp_path / "out" / "out.parquet"
    file.write_text("x\n1\n2\n", "utf-8")
    out.parent.mkdir()
    out.write_bytes(b"yesterday's answers")
    done = gristmill(turned.root, "predict", W, str(file), "-o", str(out))
    assert done.returncode == 1
    assert "gristmill: none of 2 records could be answered, and nothing was written: " in done.stdout
    assert "another table's" in done.stdout
    assert out.read_bytes() == b"yesterday's answers" and list(out.parent.iterdir()) == [out]


def test_a_process_that_dies_half_way_leaves_what_was_there(turned: Repository, tmp_path: Path) -> None:
    out = tmp_path / "out" / "out.parquet"
    scored(load_version(turned, W), write_applications(tmp_path / "a.csv", unlabelled(3)), out=out)
    before = out.read_bytes()
    parts = parts_to_score([write_applications(tmp_path / "b.csv", unlabelled(30))], out)

    def dies(n_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(load_version(turned, W), parts, out, dies)
    assert out.read_bytes() == before and list(out.parent.iterdir()) == [out]


def test_a_version_can_be_asked_for_and_one_that_is_not_there_is_named(turned: Repository) -> None:
    assert load_version(turned, W, "1.0.0").version.version == "v1.0.0"
    with pytest.raises(UnknownVersionError, match=r"no version 'v7\.0\.0'. It has: v1\.0\.0"):
        load_version(turned, W, "v7.0.0")
    with pytest.raises(NothingToServeError, match="mnist has no model in production yet"):
        load_version(turned, "mnist")


def test_a_version_reads_files_as_its_own_params_say_whatever_the_tree_says_today(turned: Repository) -> None:
    params = turned.workload(W).params
    before = load_version(turned, W).settings
    params.write_text(params.read_text("utf-8").replace("    Age: numeric\n", ""), "utf-8")
    assert load_version(turned, W).settings == before


def test_a_version_whose_params_todays_code_cannot_read_says_how_to_ask_it(turned: Repository) -> None:
    first = find_version(turned.git, W, "v1.0.0")
    params = turned.workload(W).params.read_text("utf-8").replace("ingest:\n", "ingest:\n  dialect: excel\n")
    tree = turned.git.tree_with(first.tag, {f"params/{W}.yaml": params.encode()})
    commit = turned.git.commit(tree, [], "an old state of the code")
    old = replace(first, version="v0.9.0", tagged="")
    tag = turned.git.tag_object(commit, f"{W}@v0.9.0", old.to_message(), "1700000000 +0000")
    turned.git.move([(old.tag, tag, "0" * 40)])
    with pytest.raises(OldParamsError) as refused:
        load_version(turned, W, "v0.9.0")
    assert "ingest.dialect is not a parameter of this section" in str(refused.value)
    command = str(refused.value).split("`")[1]
    assert command == "git worktree add ../credit-risk@v0.9.0 credit-risk@v0.9.0"
    git(turned.root, *command.split()[1:])


@pytest.mark.parametrize(
    ("files", "out", "sentence"),
    [
        (["nowhere.csv"], "out.parquet", "nowhere.csv does not exist. Nothing was written."),
        (["new.csv"], "out.csv", "let its name end in .parquet"),
        (["a.parquet"], "a.parquet", "is one of the files to be scored"),
        (["new.csv"], "folder.parquet", "is a folder"),
        (["empty"], "out.parquet", "holds no files"),
        (["new.csv", "new.csv"], "out.parquet", "is named twice"),
    ],
)
def test_files_that_cannot_be_scored_are_named(tmp_path: Path, files: list[str], out: str, sentence: str) -> None:
    for name in ("new.csv", "a.parquet"):
        (tmp_path / name).write_bytes(b"x\n1\n")
    for name in ("folder.parquet", "empty"):
        (tmp_path / name).mkdir()
    with pytest.raises(PredictionError, match=sentence):
        parts_to_score([tmp_path / file for file in files], tmp_path / out)


def test_another_clone_fetches_the_model_from_a_remote(turned: Repository, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(turned.root, "remote", "set-url", "origin", str(tmp_path / "origin.git"))
    add_remote(turned, "store", str(tmp_path / "store"))
    commit_all(turned.root, "add a remote")
    git(turned.root, "push", "-q", "origin", "main")
    push(turned, None)
    git(tmp_path, "clone", "-q", str(tmp_path / "origin.git"), "elsewhere")
    elsewhere = Repository(tmp_path / "elsewhere")
    assert not elsewhere.cache.exists()
    file = write_applications(tmp_path / "new.csv", unlabelled(4))
    here = scored(load_version(turned, W), file, out=tmp_path / "here.parquet")[1]
    there = scored(load_version(elsewhere, W), file, out=tmp_path / "there.parquet")[1]
    assert there.equals(here)


def test_a_clone_without_cache_and_remote_says_what_is_missing(turned: Repository) -> None:
    (turned.root / ".dvc" / "config.local").unlink()
    with pytest.raises(CacheMissError, match=r"lacks .*models/credit-risk/"):
        load_version(Repository(turned.root), W)


# Other tasks and kinds


def test_a_regression_is_answered_by_a_number(turned: Repository, tmp_path: Path) -> None:
    loaded = load_version(turned, W)
    predictor = replace(
        loaded.predictor,
        contract={**loaded.predictor.contract, "task": "regression"},
        run=lambda inputs: inputs["numeric"][:, 0],
    )
    rows = unlabelled(4)
    rows[2]["Age"] = "old"
    file = write_applications(tmp_path / "new.csv", rows)
    _, found = scored(replace(loaded, predictor=predictor), file, out=tmp_path / "out.parquet")
    assert found.column_names == ["record_id", "prediction", "version", "problem"]
    expected = [row["Duration"] if n != 2 else None for n, row in enumerate(rows)]
    assert found["prediction"].to_pylist() == expected


def test_images_are_answered_and_one_of_another_size_is_not(turned: Repository, tmp_path: Path) -> None:
    write_model(tmp_path / "model", IMAGES, seed=3)
    predictor = load_predictor(tmp_path / "model")
    version = replace(find_version(turned.git, W, "v1.0.0"), workload="toy")
    tensors: Any = importlib.import_module("gristmill.kinds.images.tensors")
    loaded = Loaded(version, predictor, ImageSettings(), questions, tensors)
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    files = [write_images(tmp_path / "sound", images), write_images(tmp_path / "wide", images.reshape(5, 3, 4))]
    predicted, found = scored(loaded, *files, out=tmp_path / "out.parquet")
    assert (predicted.n_rows, predicted.n_answered) == (10, 5)
    expected = predictor.predict({"images": images.tolist()})
    assert found["label"].to_pylist() == [one["label"] for one in expected] + [None] * 5
    assert found["problem"].to_pylist()[5] == "images[5] has 3 rows of 4 pixels; 4 rows of 3 are expected."


# Size

# The process' own peak; ru_maxrss begins with the memory of whoever started it: proc(5), getrusage(2).
PEAK = r"""
import re, sys
from pathlib import Path
from gristmill.runs.loading import load_version
from gristmill.runs.predicting import parts_to_score, predict_files
from gristmill.runs.repository import Repository
file, out = Path(sys.argv[1]), Path(sys.argv[2])
predict_files(load_version(Repository(Path.cwd()), "credit-risk"), parts_to_score([file], out), out, lambda _: None)
print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def peak_mib(repository: Repository, file: Path) -> int:
    command = [sys.executable, "-c", PEAK, str(file), str(file.with_suffix(".out.parquet"))]
    done = subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_file_of_ten_times_the_rows_takes_no_more_memory(turned: Repository, tmp_path: Path) -> None:
    rows = unlabelled(1000)
    peaks = []
    for n in (40, 400):
        path = tmp_path / f"{n}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for _ in range(n):
                writer.writerows(rows)
        peaks.append(peak_mib(turned, path))
    few, many = peaks
    assert many < few + 60, f"{few} MiB for 40,000 rows, {many} MiB for 400,000 ({path.stat().st_size >> 20} MiB)"
    assert pq.read_metadata(tmp_path / "400.out.parquet").num_rows == 400_000


def test_the_bar_knows_how_many_records_there_are(turned: Repository, tmp_path: Path) -> None:
    loaded = load_version(turned, W)
    files = [write_applications(tmp_path / f"{n}.csv", unlabelled(n)) for n in (7, 20)]
    parts = parts_to_score(files, tmp_path / "out.parquet")
    steps: list[int] = []
    predict_files(loaded, parts, tmp_path / "out.parquet", steps.append)
    assert sum(steps) == count_records(loaded, parts) == 27
