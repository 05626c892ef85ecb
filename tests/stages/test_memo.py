"""Ingest and validate with a memo: the same bytes, less work."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.landed_data import TABLE_PARAMS, contents, land, workload

from gristmill.adapters.expectations import CompiledSuite
from gristmill.data.batches import CorruptBatchError, write_batch
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import write_json
from gristmill.ground.memo import Memo
from gristmill.ground.process import GroundError
from gristmill.ground.workload import Workload
from gristmill.quality import judgement as judgements
from gristmill.quality.profile import profile_path
from gristmill.quality.reasons import Reason
from gristmill.stages import __main__ as stages
from gristmill.stages import ingest as ingest_module
from gristmill.stages import validate as validate_module
from gristmill.stages.ingest import ChangedPartError, ingest
from gristmill.stages.validate import validate

ROOT = Path(__file__).resolve().parents[2]
SUITE = {
    "name": "small",
    "meta": {"columns": {"target": {"type": "text", "called": "class", "needed": True}}},
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "max_value": 900_000_000}},
    ],
}


@pytest.fixture
def small(tmp_path: Path) -> Workload:
    """Three batches: with bad rows that are few, with too many, and with a row that the first has too."""
    params = {**TABLE_PARAMS, "ingest": {**TABLE_PARAMS["ingest"], "id": "id"}, "validate": {"max_bad_rows": 0.5}}
    made = workload(tmp_path, "tabular", params)
    write_json(made.expectations, SUITE)
    for first, amounts in ((0, [1, 2, 950_000_000, 4]), (10, [950_000_000, 950_000_000, 5]), (3, [4, 6, 7])):
        land(made, table(first, amounts))
    return made


def table(first: int, amounts: list[int]) -> bytes:
    lines = [f"{first + n},{amount},car,Good" for n, amount in enumerate(amounts)]
    return "\n".join(["id,amount,purpose,class", *lines, ""]).encode()


def decide(of: Workload, batch: str, decision: str, **about: Any) -> None:
    folder = next(of.landing.glob(f"*/{batch}"))
    content = {"decision": decision, "actor": "Ada", "reason": "why", "at": "2026-11-01T00:00:00+01:00", **about}
    write_json(folder / f"{len(list(folder.glob('0*.json'))) + 1:04}-{decision}.json", content)


def turned(of: Workload, memo: Path | None) -> dict[str, bytes]:
    """Both stages as DVC runs them, their outputs gone before; what they made."""
    for folder in (of.batches, of.quarantine, of.reports):
        shutil.rmtree(folder, ignore_errors=True)
    for stage in (ingest, validate):
        used = Memo(memo / stage.__name__, "ground") if memo else Memo()
        stage(of, used)
        used.settle()
    made = {**contents(of.reports), "admitted.json": of.admitted.read_bytes()}
    for folder in (of.batches, of.quarantine):
        made |= {f"{folder.name}/{name}": content for name, content in contents(folder).items()}
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was done anew: batches that were read, and row counts of those that were judged."""
    done: list[str] = []

    class Spied(CompiledSuite):
        def outcomes(self, rows: Any, asked: Any) -> Any:
            done.append(f"judged {len(rows)}")
            return super().outcomes(rows, asked)

    def spied(path: Path, made: Any) -> None:
        done.append(f"read {len(made.rows)}")
        write_batch(path, made)

    monkeypatch.setattr(validate_module, "CompiledSuite", Spied)
    monkeypatch.setattr(ingest_module, "write_batch", spied)
    yield done


def test_the_same_bytes_with_a_memo_without_and_after_it_was_deleted(small: Workload, tmp_path: Path) -> None:
    memo = tmp_path / "memo"
    without = turned(small, None)
    assert {"batches", "quarantine", "admitted.json", "validation.json"} <= {name.split("/")[0] for name in without}
    assert sum(name.endswith("rows.parquet") for name in without) == 1
    assert sum(name.endswith("reason.json") for name in without) == 1
    for _ in range(3):
        assert turned(small, memo) == without
    shutil.rmtree(memo)
    assert turned(small, memo) == without


def test_only_a_new_batch_is_read_and_judged(small: Workload, tmp_path: Path, asked: list[str]) -> None:
    turned(small, tmp_path / "memo")
    assert len(asked) == 6
    asked.clear()
    land(small, table(50, [1, 2, 3, 4, 950_000_000, 6]))
    made = turned(small, tmp_path / "memo")
    assert asked == ["read 6", "judged 6"]
    assert turned(small, None) == made


def test_a_decision_has_its_own_batch_judged_again(small: Workload, tmp_path: Path, asked: list[str]) -> None:
    turned(small, tmp_path / "memo")
    asked.clear()
    batches = [path.stem for path in sorted(small.batches.iterdir())]
    admitted = json.loads(small.admitted.read_bytes())["batches"]
    decide(
        small, next(entry["batch"] for entry in admitted if entry["rows"] == [[0, 2], [3, 4]]), "drop", rows=["2", "0"]
    )
    made = turned(small, tmp_path / "memo")
    assert asked == ["judged 2"]
    assert made == turned(small, None)
    for batch in batches:
        decide(small, batch, "correct", targets={"3": "Bad", "4": "Bad", "10": "Bad"})
        assert turned(small, tmp_path / "memo") == turned(small, tmp_path / "memo") == turned(small, None)


def _flip(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


@pytest.mark.parametrize("damage", [_flip, lambda content: content[: len(content) // 2], lambda content: b""])
def test_no_damage_to_the_memo_changes_an_output(
    damage: Callable[[bytes], bytes], small: Workload, tmp_path: Path
) -> None:
    memo = tmp_path / "memo"
    without = turned(small, None)
    turned(small, memo)
    entries = [path for path in sorted(memo.rglob("*")) if path.is_file()]
    assert len(entries) == 10  # three tables, three verdicts, the reasons of two batches' rows, and two accounts of use
    for entry in entries:
        if entry.exists():
            entry.write_bytes(damage(entry.read_bytes()))
        assert turned(small, memo) == without


def test_the_landed_bytes_are_checked_though_all_of_their_tables_are_remembered(
    small: Workload, tmp_path: Path
) -> None:
    turned(small, tmp_path / "memo")
    part = next(small.landing.glob("*/*/part-0"))
    part.write_bytes(_flip(part.read_bytes()))
    with pytest.raises(ChangedPartError, match="has other bytes than its manifest names"):
        turned(small, tmp_path / "memo")


def test_a_damaged_table_is_found_though_its_verdict_is_remembered(small: Workload, tmp_path: Path) -> None:
    turned(small, tmp_path / "memo")
    path = next(small.batches.iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptBatchError):
        validate(small, Memo(tmp_path / "memo" / "validate", "ground"))


def test_great_expectations_is_not_imported_when_every_verdict_is_known(small: Workload, tmp_path: Path) -> None:
    memo = tmp_path / "memo"
    turned(small, memo)
    script = """
import sys
from pathlib import Path
from gristmill.ground.memo import Memo
from gristmill.ground.workload import Workload
from gristmill.stages.validate import validate

root, memo = map(Path, sys.argv[1:])
validate(Workload("small", "tabular", root), Memo(memo, "ground"))
assert not {"great_expectations", "polars"} & sys.modules.keys()
"""
    command = [sys.executable, "-c", script, str(small.root), str(memo / "validate")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_judgement_comes_back_as_it_was(small: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    packed = judgements.packed

    def spied(one: judgements.Judgement) -> bytes:
        made.append(one)
        return packed(one)

    monkeypatch.setattr(validate_module, "packed", spied)
    turned(small, None)
    decide(small, next(small.batches.iterdir()).stem, "correct", targets={"3": "Bad", "10": "Bad", "0": "Bad"})
    turned(small, None)
    assert len(made) == 6
    for one in made:
        again = judgements.unpacked(packed(one))
        assert again.corrected == one.corrected
        assert repr(again._replace(corrected={})) == repr(one._replace(corrected={}))


def test_no_field_of_a_reason_is_forgotten() -> None:
    assert set(judgements._REASONS.names) == {field.name for field in fields(Reason)}


@pytest.mark.parametrize("stage", ["ingest", "validate"])
def test_a_stage_whose_ground_changed_remembers_nothing(
    stage: str, small: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what edited code made would stand under the hash of the code before the edit."""
    turned(small, None)
    root = small.root
    for name in ("dvc.yaml", "versions.yaml", "src"):
        (root / name).symlink_to(ROOT / name)
    write_json(profile_path(small.expectations), {"workload": "small", "n": 0, "columns": {}})
    (root / "params.yaml").write_text(yaml.safe_dump({"workloads": {"small": {"kind": "tabular"}}}))
    monkeypatch.setattr(stages, "check_imported_from", lambda _: None)
    monkeypatch.setattr(stages, "leave_other_trees", lambda _: None)

    def changed(*_: object) -> None:
        raise GroundError("an edit")

    memo = root / ".gristmill" / "memo"
    with monkeypatch.context() as patched:
        patched.setattr(stages, "check_unchanged", changed)
        with pytest.raises(GristmillError, match="an edit"):
            stages.run_stage(stage, "small", root)
        assert not memo.exists()
    stages.run_stage(stage, "small", root)
    assert len(list((memo / "small" / stage).iterdir())) >= 4
