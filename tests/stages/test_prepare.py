"""From admitted rows to what is learnt from and what is judged on."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file
from tests.landed_data import IMAGE_PARAMS, TABLE_PARAMS, admit, contents, csv, idx, land, pictures, workload

from gristmill.data.batches import BatchTable, CorruptBatchError, read_batch, write_batch
from gristmill.ground.files import read_json
from gristmill.ground.workload import Workload
from gristmill.stages.ingest import ingest
from gristmill.stages.prepare import EmptySideError, prepare

SPLITS = ("train", "validation", "holdout", "benchmark")


def ids(small: Workload, split: str) -> list[str]:
    if split in ("train", "validation"):
        return (small.prepared / f"{split}.txt").read_text("utf-8").splitlines()
    found: list[str] = read_batch(small.prepared / f"{split}.parquet").rows["record_id"].to_pylist()
    return found


def prepared(root: Path, kind: str, n: int = 200) -> Workload:
    small = workload(root, kind)
    batch = land(small, *(pictures(n, seed=1) if kind == "images" else (csv(n, seed=1),)))
    ingest(small)
    admit(small, {batch: {}})
    prepare(small)
    return small


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_every_admitted_row_is_on_exactly_one_side(kind: str, tmp_path: Path) -> None:
    small = prepared(tmp_path, kind)
    (table,) = small.batches.iterdir()
    found = [record_id for split in SPLITS for record_id in ids(small, split)]
    assert sorted(found) == sorted(read_batch(table).rows["record_id"].to_pylist())
    counts = read_json(small.prepared / "counts.json")
    assert {split: counts[split] for split in SPLITS} == {split: len(ids(small, split)) for split in SPLITS}
    assert all(sum(counts["classes"][split].values()) == counts[split] for split in SPLITS)
    assert counts["excluded_as_benchmark"] == 0


def test_tensors_hold_the_rows_that_their_ids_name(tmp_path: Path) -> None:
    small = prepared(tmp_path, "images")
    (table,) = small.batches.iterdir()
    rows = {row["record_id"]: row for row in read_batch(table).rows.to_pylist()}
    for split in ("train", "validation"):
        tensors = load_file(small.prepared / f"{split}.safetensors")
        assert tensors["images"].dtype == np.uint8
        expected = [rows[record_id] for record_id in ids(small, split)]
        assert [image.tobytes() for image in tensors["images"]] == [row["pixels"] for row in expected]
        assert tensors["target"].tolist() == [row["target"] for row in expected]


def test_inputs_are_those_that_the_contract_names(tmp_path: Path) -> None:
    small = prepared(tmp_path, "tabular")
    contract = read_json(small.prepared / "contract.json")
    tensors = load_file(small.prepared / "train.safetensors")
    assert set(tensors) == {one["name"] for one in contract["inputs"]} | {"target"}
    for one in contract["inputs"]:
        assert tensors[one["name"]].dtype == one["dtype"]
        assert tensors[one["name"]].shape == (len(tensors["target"]), one["shape"][1])


def test_the_holdout_is_rows_as_they_came_without_problems(tmp_path: Path) -> None:
    small = prepared(tmp_path, "tabular")
    (table,) = small.batches.iterdir()
    expected = [name for name in read_batch(table).rows.column_names if name != "problems"]
    for split in ("holdout", "benchmark"):
        assert read_batch(small.prepared / f"{split}.parquet").rows.column_names == expected


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_the_same_admission_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    small = prepared(tmp_path / "one", kind)
    before = contents(small.prepared)
    prepare(small)
    assert contents(small.prepared) == before
    assert contents(prepared(tmp_path / "other", kind).prepared) == before


def test_it_does_not_matter_in_which_batches_the_same_records_came(tmp_path: Path) -> None:
    images, labels = (np.frombuffer(part, np.uint8) for part in pictures(200, seed=1))
    everything, names = images[16:].reshape(200, 4, 4), labels[8:]
    small = workload(tmp_path / "two", "images")
    cuts = (slice(0, 90), slice(90, 200))
    batches = [land(small, idx(everything[cut]), idx(names[cut])) for cut in cuts]
    ingest(small)
    admit(small, {batch: {} for batch in batches})
    prepare(small)
    assert contents(small.prepared) == contents(prepared(tmp_path / "one", "images").prepared)


def test_it_does_not_matter_which_of_two_equal_records_was_kept(tmp_path: Path) -> None:
    images, labels = (np.frombuffer(part, np.uint8) for part in pictures(200, seed=1))
    everything, names = images[16:].reshape(200, 4, 4), labels[8:]
    made = []
    for kept in ("first", "second"):
        small = workload(tmp_path / kept, "images")
        first = land(small, idx(everything[:120]), idx(names[:120]))
        second = land(small, idx(everything[80:]), idx(names[80:]))  # forty of them are in the first too
        ingest(small)
        in_first = {first: {}, second: {"rows": [[40, 120]]}}
        admit(small, in_first if kept == "first" else {first: {"rows": [[0, 80]]}, second: {}})
        prepare(small)
        made.append(contents(small.prepared))
    assert made[0] == made[1] == contents(prepared(tmp_path / "one", "images").prepared)


def test_a_batch_that_only_failed_changes_no_byte(tmp_path: Path) -> None:
    small = prepared(tmp_path, "images")
    before = contents(small.prepared)
    land(small, *pictures(50, seed=9))
    ingest(small)  # lies there, and is not admitted
    prepare(small)
    assert contents(small.prepared) == before


def test_records_stay_on_their_side_as_batches_come(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    sides: dict[str, str] = {}
    admitted: dict[str, dict[str, Any]] = {}
    for seed in range(4):
        admitted[land(small, csv(150, seed))] = {}
        ingest(small)
        admit(small, admitted)
        prepare(small)
        now = {record_id: split for split in SPLITS for record_id in ids(small, split)}
        assert {record_id: now[record_id] for record_id in sides} == sides
        sides = now
    assert len(sides) == 600


def test_only_the_admitted_ranges_are_read(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    batch = land(small, csv(200, seed=1))
    ingest(small)
    admit(small, {batch: {"rows": [[0, 60], [61, 199]]}})
    prepare(small)
    everything = read_batch(small.batches / f"{batch}.parquet").rows["record_id"].to_pylist()
    found = {record_id for split in SPLITS for record_id in ids(small, split)}
    assert set(everything) - found == {everything[60], everything[199]}


def test_a_corrected_target_replaces_the_one_that_came(tmp_path: Path) -> None:
    small = workload(tmp_path, "images")
    batch = land(small, idx(np.arange(640).reshape(40, 4, 4) % 251), idx(np.zeros(40)))
    ingest(small)
    admit(small, {batch: {"targets": {str(position): 1 for position in range(40)}, "rows": [[10, 40]]}})
    prepare(small)
    counts = read_json(small.prepared / "counts.json")
    assert sum(counts["classes"][split]["light"] for split in SPLITS) == 30


def test_a_benchmark_is_reported_on_and_never_learnt_from_however_its_records_came_in(tmp_path: Path) -> None:
    images, labels = (np.frombuffer(part, np.uint8) for part in pictures(120, seed=4))
    everything, names = images[16:].reshape(120, 4, 4), labels[8:]
    small = workload(tmp_path, "images")
    published = land(small, idx(everything[100:]), idx(names[100:]), role="benchmark")
    known = land(small, idx(everything[:110]), idx(names[:110]))  # ten of them are published
    ingest(small)
    admit(small, {published: {"role": "benchmark"}, known: {}})
    prepare(small)
    others = {record_id for split in SPLITS[:3] for record_id in ids(small, split)}
    assert len(ids(small, "benchmark")) == 20
    assert len(others) == 100
    assert not others & set(ids(small, "benchmark"))
    assert read_json(small.prepared / "counts.json")["excluded_as_benchmark"] == 10


def test_rows_of_a_table_that_the_benchmark_holds_too_are_left_out(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    lines = csv(200, seed=2).splitlines(keepends=True)
    published = land(small, b"".join(lines[:21]), role="benchmark")
    known = land(small, b"".join(lines))
    ingest(small)
    admit(small, {published: {"role": "benchmark"}, known: {}})
    prepare(small)
    assert read_json(small.prepared / "counts.json")["excluded_as_benchmark"] == 20


def test_a_record_that_the_benchmark_names_is_left_out_though_its_values_changed(tmp_path: Path) -> None:
    named = {**TABLE_PARAMS, "ingest": {**TABLE_PARAMS["ingest"], "id": "loan"}}
    small = workload(tmp_path, "tabular", named)
    header = b"loan,amount,purpose,class\n"
    published = land(small, header + b"L7,1,car,Good\n", role="benchmark")
    known = land(small, header + b"".join(b"L%d,%d,car,Good\n" % (i, i + 100) for i in range(80)))
    ingest(small)
    admit(small, {published: {"role": "benchmark"}, known: {}})
    prepare(small)
    assert "L7" not in {record_id for split in SPLITS[:3] for record_id in ids(small, split)}
    assert read_json(small.prepared / "counts.json")["excluded_as_benchmark"] == 1


def test_without_a_benchmark_there_is_one_of_no_rows(tmp_path: Path) -> None:
    assert ids(prepared(tmp_path, "tabular"), "benchmark") == []


@pytest.mark.parametrize(
    ("n", "holdout", "validation", "sentence"),
    [
        (0, 0.25, 0.1, r"small: of 0 admitted rows none is in the \w+ split. Land more data \(`gristmill land small"),
        (
            60,
            1e-9,
            0.1,
            r"of 60 admitted rows none is in the holdout split.*raise prepare.holdout_fraction in params/small",
        ),
        (60, 0.2, 1e-9, r"none is in the validation split.*raise prepare.validation_fraction"),
        (1, 0.49, 0.49, r"of 1 admitted rows none is in the \w+ split"),
    ],
)
def test_an_empty_side_says_what_to_land_or_which_setting_to_change(
    n: int, holdout: float, validation: float, sentence: str, tmp_path: Path
) -> None:
    fractions = {"holdout_fraction": holdout, "validation_fraction": validation}
    small = workload(tmp_path, "tabular", {**TABLE_PARAMS, "prepare": {**TABLE_PARAMS["prepare"], **fractions}})
    batch = land(small, csv(n, seed=1))
    ingest(small)
    admit(small, {batch: {}})
    with pytest.raises(EmptySideError, match=sentence):
        prepare(small)
    assert not small.prepared.exists()


def test_nothing_admitted_at_all_says_so(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    admit(small, {})
    with pytest.raises(EmptySideError, match="of 0 admitted rows"):
        prepare(small)


def test_a_table_that_is_not_the_admitted_one_stops_the_stage(tmp_path: Path) -> None:
    small = prepared(tmp_path, "images")
    before = contents(small.prepared)
    (path,) = small.batches.iterdir()
    rows = read_batch(path).rows
    swapped = rows.set_column(rows.schema.get_field_index("target"), "target", pa.array([0] * len(rows), pa.int64()))
    write_batch(path, BatchTable(swapped, []))
    with pytest.raises(CorruptBatchError, match="it is not the table that validate admitted"):
        prepare(small)
    path.unlink()
    with pytest.raises(CorruptBatchError):
        prepare(small)
    assert contents(small.prepared) == before


def test_the_contract_is_that_of_the_parameters(tmp_path: Path) -> None:
    small = prepared(tmp_path, "images")
    contract = read_json(small.prepared / "contract.json")
    assert contract["classes"] == IMAGE_PARAMS["prepare"]["classes"]
    assert contract["image"] == {"height": 4, "width": 4}
