"""The stage validate: what landed and was read in, what is admitted, what waits, and figures that add up."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.data.batches import BatchTable, CorruptBatchError, read_batch, write_batch
from gristmill.ground.files import file_sha256, write_json, write_text
from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import Workload
from gristmill.quality.suite import SuiteError
from gristmill.stages.validate import MissingBatchError, validate

ROOT = Path(__file__).resolve().parents[2]
SUITE = {
    "name": "shop",
    "meta": {"columns": {"target": {"type": "integer", "called": "label", "needed": True}, "size": {"type": "number"}}},
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "target", "value_set": [0, 1, 2]}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "size", "min_value": 0}, "notes": "in cm"},
        {
            "type": "expect_column_mean_to_be_between",
            "kwargs": {"column": "size", "min_value": 0, "max_value": 1000},
            "severity": "warning",
        },
    ],
}


@pytest.fixture
def shop(tmp_path: Path) -> Workload:
    workload = Workload("shop", "tabular", tmp_path)
    write_json(workload.expectations, SUITE)
    write_text(workload.params, "validate: {max_bad_rows: 0.05}\n")
    workload.landing.mkdir(parents=True)
    return workload


def rows(n: int = 100, first: int = 0, **changed: dict[int, Any]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "record_id": [f"r{first + i}" for i in range(n)],
        "split_key": [f"s{first + i}" for i in range(n)],
        "target": [i % 3 for i in range(n)],
        "group": [None] * n,
        "size": [float(i) for i in range(n)],
        "scan": [bytes([i % 256]) * 50 for i in range(n)],
        "problems": [[] for _ in range(n)],
    }
    for name, values in changed.items():
        for position, value in values.items():
            columns[name][position] = value
    types = {"target": pa.int64(), "group": pa.string(), "size": pa.float64(), "problems": pa.list_(pa.string())}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


def land(
    workload: Workload,
    batch: str,
    table: pa.Table,
    problems: tuple[str, ...] = (),
    role: str = "train",
    month: str = "2026-11",
) -> None:
    write_batch(workload.batches / f"{batch}.parquet", BatchTable(table, list(problems)))
    write_json(
        workload.landing / month / batch / "manifest.json", {"batch": batch, "role": role, "parts": [], "origin": ""}
    )


def decide(workload: Workload, batch: str, decision: str, day: int = 1, **about: Any) -> None:
    folder = next(workload.landing.glob(f"*/{batch}"))
    number = len(list(folder.glob("[0-9]*.json"))) + 1
    at = f"2026-11-{day:02}T00:00:00Z"
    content = {"decision": decision, "actor": "Ada", "reason": "why", "at": at, **about}
    write_json(folder / f"{number:04}-{decision}.json", content)


def outputs(workload: Workload) -> dict[str, str]:
    files = [workload.admitted, workload.reports / "validation.json", *sorted(workload.quarantine.rglob("*.*"))]
    return {str(file.relative_to(workload.root)): file_sha256(file) for file in files}


def admitted(workload: Workload) -> dict[str, list[list[int]]]:
    return {entry["batch"]: entry["rows"] for entry in json.loads(workload.admitted.read_text())["batches"]}


def report(workload: Workload) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((workload.reports / "validation.json").read_text())
    return content


def status(workload: Workload) -> dict[str, str]:
    return {entry["batch"]: entry["status"] for entry in report(workload)["batches"]}


def reasons(workload: Workload, batch: str) -> list[str]:
    [entry] = [entry for entry in report(workload)["batches"] if entry["batch"] == batch]
    return [line["reason"] for line in entry["reasons"]]


def test_a_clean_batch_is_admitted_whole_with_the_hash_of_its_table(shop: Workload) -> None:
    land(shop, "b1", rows())
    validate(shop)
    assert json.loads(shop.admitted.read_text())["batches"] == [
        {
            "batch": "b1",
            "role": "train",
            "sha256": file_sha256(shop.batches / "b1.parquet"),
            "n_rows": 100,
            "rows": [[0, 100]],
            "targets": {},
        }
    ]
    assert json.loads((shop.quarantine / "index.json").read_text()) == {"batches": {}}


def test_few_bad_rows_are_kept_with_their_payload_and_reasons_and_the_others_admitted(shop: Workload) -> None:
    land(shop, "b1", rows(target={3: 7}, size={3: -1.0, 50: -2.0}, problems={80: ["size is no number"]}))
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 3], [4, 50], [51, 80], [81, 100]]}
    kept = read_batch(shop.quarantine / "b1" / "rows.parquet").rows.to_pylist()
    assert [(row["position"], row["reasons"]) for row in kept] == [
        (3, ["label: outside 0..2", "size: below 0"]),
        (50, ["size: below 0"]),
        (80, ["size is no number"]),
    ]
    assert kept[0]["scan"] == bytes([3]) * 50
    assert status(shop) == {"b1": "partial"}


def test_too_many_bad_rows_quarantine_the_batch_with_readable_reasons(shop: Workload) -> None:
    land(shop, "b1", rows(target=dict.fromkeys(range(25), 11)))
    validate(shop)
    assert admitted(shop) == {}
    assert json.loads((shop.quarantine / "b1" / "reason.json").read_text()) == {
        "batch": "b1",
        "n_rows": 100,
        "reasons": [
            "label: 25 of 100 rows are outside 0..2",
            "25 of 100 rows are bad, more than the share of 0.05 that a batch may have",
        ],
    }


def test_a_part_that_could_not_be_read_quarantines_the_batch_and_its_other_faults_are_told_too(shop: Workload) -> None:
    land(shop, "b1", rows(size={1: -1.0}), problems=("b1.csv is cut off",))
    validate(shop)
    assert reasons(shop, "b1") == ["b1.csv is cut off", "size: 1 of 100 rows is below 0 (in cm)"]
    assert status(shop) == {"b1": "quarantined"}


def test_a_batch_without_rows_is_quarantined_though_zero_rows_pass_every_check(shop: Workload) -> None:
    land(shop, "b1", rows(0))
    validate(shop)
    assert status(shop) == {"b1": "quarantined"}
    assert reasons(shop, "b1") == ["the batch holds no rows"]


def test_a_repeated_column_is_a_reason_and_not_a_traceback(shop: Workload) -> None:
    table = rows()
    land(shop, "b1", table.append_column("size", table.column("size")))
    validate(shop)
    assert reasons(shop, "b1") == ["there is more than one column 'size'"]


def test_a_warning_is_reported_and_does_not_decide(shop: Workload) -> None:
    land(shop, "b1", rows(size={0: 1e7}))
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 100]]}
    assert reasons(shop, "b1") == ["size: the mean (1e+05) is outside 0..1000"]


def test_figures_add_up_and_no_value_of_a_row_is_in_a_report(shop: Workload) -> None:
    land(shop, "b1", rows(record_id={1: "r0"}, target={1: 0, 5: 8642}, size={9: -97531.0}))
    land(shop, "b2", rows(10, first=500))
    decide(shop, "b2", "drop", rows=["r501", "r502"])
    validate(shop)
    figures = report(shop)
    assert figures["rows"] == {
        "admitted": 105,
        "quarantined": 2,
        "dropped": 2,
        "withheld": 0,
        "reverted": 0,
        "collapsed": 1,
        "unjudged": 0,
        "total": 110,
    }
    for entry in figures["batches"]:
        assert (
            sum(entry["rows"].values())
            == entry["n_rows"]
            == pq.read_metadata(shop.batches / f"{entry['batch']}.parquet").num_rows
        )
    written = (shop.reports / "validation.json").read_text() + (shop.quarantine / "index.json").read_text()
    assert "8642" not in written
    assert "97531" not in written


def test_the_same_input_gives_the_same_bytes(shop: Workload) -> None:
    land(shop, "b1", rows(target={3: 7}))
    land(shop, "b2", rows(20, first=90, size=dict.fromkeys(range(9), -1.0)))
    validate(shop)
    before = outputs(shop)
    assert len(before) == 8
    validate(shop)
    assert outputs(shop) == before


def test_a_batch_in_quarantine_says_in_a_file_what_landed_why_it_waits_and_what_to_type(shop: Workload) -> None:
    land(shop, "b1", rows(target={3: 7}))
    land(shop, "b2", rows(20, first=90, size=dict.fromkeys(range(9), -1.0)))
    land(shop, "b3", rows(20, first=200))
    validate(shop)
    partial, whole = ((shop.quarantine / batch / "reason.md").read_text("utf-8") for batch in ("b1", "b2"))
    assert partial.startswith("# Batch b1 of shop: partial, 1 of 100 rows are quarantined\n")
    assert whole.startswith("# Batch b2 of shop: quarantined\n\n20 rows, role train; as it was received, it lies in")
    assert "## Why it waits\n\n- size: 9 of 20 rows are below 0 (in cm)\n- 9 of 20 rows are bad, more than" in whole
    assert '    gristmill quarantine release shop b2 --reason "..."\n' in whole
    assert not (shop.quarantine / "b3").exists()


def test_of_a_batch_that_waits_as_a_whole_the_rows_at_fault_are_named_with_their_columns(shop: Workload) -> None:
    land(
        shop,
        "b2",
        rows(20, size={4: -1.0, 7: -1.0}, target={7: 9}, problems={9: ["a.csv, row 10: 'label' is not a number"]}),
    )
    validate(shop)
    assert read_batch(shop.quarantine / "b2" / "reasons.parquet").rows.to_pylist() == [
        {"reasons": ["size: below 0"], "columns": [["size"]], "position": 4},
        {"reasons": ["label: outside 0..2", "size: below 0"], "columns": [["target"], ["size"]], "position": 7},
        {"reasons": ["a.csv: 'label' is not a number"], "columns": [["target"]], "position": 9},
    ]


def test_nothing_new_admitted_leaves_the_bytes_of_admitted_json(shop: Workload) -> None:
    land(shop, "b1", rows())
    validate(shop)
    before = file_sha256(shop.admitted)
    land(shop, "b0", rows(first=1000, target=dict.fromkeys(range(50), 9)))  # poisoned, and first by its name
    land(shop, "b2", rows())  # all of it is known
    validate(shop)
    assert file_sha256(shop.admitted) == before
    assert status(shop) == {"b0": "quarantined", "b1": "admitted", "b2": "collapsed"}


def test_no_output_depends_on_when_a_batch_landed(shop: Workload, tmp_path: Path) -> None:
    tables = {"b1": rows(30), "b2": rows(30, first=20), "b3": rows(30, first=45, target={2: 0})}
    seen = set()
    for order in itertools.permutations(tables):
        shutil.rmtree(shop.data)
        for month, batch in enumerate(order, start=1):
            land(shop, batch, tables[batch], month=f"2026-{month:02}")
        validate(shop)
        seen.add(json.dumps(outputs(shop)))
    assert len(seen) == 1


def test_one_record_with_two_targets_is_quarantined_on_both_sides_until_it_is_corrected(shop: Workload) -> None:
    land(shop, "b1", rows(30))
    land(shop, "b2", rows(30, first=29))  # r29 is 2 in the first and 0 in the second
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 29]], "b2": [[1, 30]]}
    assert reasons(shop, "b2") == [
        "1 of 30 rows is the same record as another row with a different target; correct it, or drop one side"
    ]
    decide(shop, "b2", "correct", targets={"r29": 1})
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 29]], "b2": [[0, 30]]}
    assert json.loads(shop.admitted.read_text())["batches"][1]["targets"] == {"0": 1}
    assert report(shop)["batches"][0]["rows"]["collapsed"] == 1


@pytest.mark.parametrize(("verb", "state"), [("drop", "dropped"), ("withhold", "withheld"), ("revert", "reverted")])
def test_a_decision_keeps_a_batch_out_and_a_release_lets_it_in(shop: Workload, verb: str, state: str) -> None:
    land(shop, "b1", rows())
    decide(shop, "b1", verb)
    validate(shop)
    assert admitted(shop) == {}
    assert status(shop) == {"b1": state}
    assert reasons(shop, "b1") == [f"100 of 100 rows were {state} by Ada: why"]
    assert json.loads((shop.quarantine / "index.json").read_text())["batches"]["b1"]["rows"] == {state: 100}
    decide(shop, "b1", "release", day=2)
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 100]]}


def test_dropping_the_bad_rows_lets_the_others_of_a_quarantined_batch_in(shop: Workload) -> None:
    land(shop, "b1", rows(target=dict.fromkeys(range(25), 11)))
    decide(shop, "b1", "drop", rows=[f"r{i}" for i in range(25)])
    validate(shop)
    assert admitted(shop) == {"b1": [[25, 100]]}


def test_a_withheld_batch_is_judged_when_it_is_released(shop: Workload) -> None:
    land(shop, "b1", rows(target={3: 7}))
    decide(shop, "b1", "withhold")
    decide(shop, "b1", "release", day=2)
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 3], [4, 100]]}


def test_a_released_batch_is_admitted_in_spite_of_its_reasons(shop: Workload) -> None:
    land(shop, "b1", rows(size=dict.fromkeys(range(50), -1.0)), problems=("b1.csv is cut off",))
    decide(shop, "b1", "release")
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 100]]}


def test_a_correction_is_judged_like_any_target(shop: Workload) -> None:
    land(shop, "b1", rows(target={3: 7, 4: 7}))
    decide(shop, "b1", "correct", targets={"r3": 2, "r4": 8})
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 4], [5, 100]]}
    assert json.loads(shop.admitted.read_text())["batches"][0]["targets"] == {"3": 2}


def test_a_record_may_be_in_a_benchmark_and_in_the_training_data(shop: Workload) -> None:
    land(shop, "b1", rows(), role="benchmark")
    land(shop, "b2", rows())
    validate(shop)
    assert admitted(shop) == {"b1": [[0, 100]], "b2": [[0, 100]]}


def test_nothing_landed_gives_whole_and_empty_outputs(shop: Workload) -> None:
    validate(shop)
    assert json.loads(shop.admitted.read_text()) == {"batches": []}
    assert report(shop)["rows"]["total"] == 0
    assert (shop.quarantine / "index.json").is_file()


def test_columns_that_no_check_names_are_not_read(shop: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []

    def spied(path: Path, columns: list[str] | None = None) -> BatchTable:
        read.append(columns)
        return read_batch(path, columns)

    monkeypatch.setattr("gristmill.stages.validate.read_batch", spied)
    land(shop, "b1", rows())
    validate(shop)
    assert read == [["record_id", "target", "size", "problems"]]


def _break_suite(workload: Workload) -> None:
    write_json(workload.expectations, {**SUITE, "expectations": []})


def _break_entry(workload: Workload) -> None:
    entries = [*SUITE["expectations"], {"type": "expect_nonsense", "kwargs": {}}]
    write_json(workload.expectations, {**SUITE, "expectations": entries})


def _break_setting(workload: Workload) -> None:
    write_text(workload.params, "validate: {max_bad_rows: 1.5}\n")


def _flip_a_byte(workload: Workload) -> None:
    path = workload.batches / "b1.parquet"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def _cut(workload: Workload) -> None:
    path = workload.batches / "b1.parquet"
    path.write_bytes(path.read_bytes()[:200])


def _remove(workload: Workload) -> None:
    (workload.batches / "b1.parquet").unlink()


@pytest.mark.parametrize(
    ("breaks", "error", "sentence"),
    [
        (_break_suite, SuiteError, r"shop\.json: expectations: it is empty"),
        (_break_entry, SuiteError, r"shop\.json: expectation 5 \(expect_nonsense\)"),
        (_break_setting, SettingsError, r"validate\.max_bad_rows is 1\.5"),
        (_flip_a_byte, CorruptBatchError, r"b1\.parquet is damaged"),
        (_cut, CorruptBatchError, r"b1\.parquet is damaged"),
        (_remove, MissingBatchError, "batch b1 has landed, but .* does not exist"),
    ],
)
def test_a_fault_of_the_platform_fails_loudly_and_leaves_the_outputs_as_they_were(
    shop: Workload, breaks: Callable[[Workload], None], error: type[Exception], sentence: str
) -> None:
    land(shop, "b1", rows())
    validate(shop)
    before = outputs(shop)
    breaks(shop)
    with pytest.raises(error, match=sentence):
        validate(shop)
    assert outputs(shop) == before
