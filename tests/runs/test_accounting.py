"""The sum that must come out: as many rows have a status as the bytes hold."""

import importlib
from pathlib import Path
from typing import Any

import grimp
import pytest
from tests.landed_data import csv, land, pictures, workload

from gristmill.ground.files import write_json
from gristmill.ground.workload import Workload
from gristmill.runs.accounting import AccountingError, check_every_row_has_a_status


def judge(small: Workload, **rows: dict[str, int]) -> None:
    """Write validation.json: rows by status, for each batch."""
    write_json(small.reports / "validation.json", {"batches": [{"batch": b, "rows": r} for b, r in rows.items()]})


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_rows_of_every_batch_and_status_are_summed(kind: str, tmp_path: Path) -> None:
    small = workload(tmp_path, kind)
    first = land(small, *(pictures(20, seed=1) if kind == "images" else (csv(20, seed=1),)))
    second = land(
        small, *(pictures(7, seed=2) if kind == "images" else (csv(7, seed=2),)), role="benchmark", month="2026-02"
    )
    judge(small, **{first: {"admitted": 15, "quarantined": 3, "dropped": 2}, second: {"admitted": 0, "collapsed": 7}})
    assert check_every_row_has_a_status(small) == 27


@pytest.mark.parametrize("n_judged", [19, 21])
def test_a_row_lost_or_made_ends_the_turn_with_both_counts(n_judged: int, tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    batch = land(small, csv(20, seed=1))
    judge(small, **{batch: {"admitted": n_judged}})
    with pytest.raises(
        AccountingError, match=rf"small: batch {batch} holds 20 rows by its bytes, but {n_judged} have a status"
    ):
        check_every_row_has_a_status(small)


def test_sums_that_cancel_out_between_batches_do_not_count_as_right(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    batches = [land(small, csv(20, seed)) for seed in (1, 2)]
    judge(small, **{batches[0]: {"admitted": 21}, batches[1]: {"admitted": 19}})
    with pytest.raises(AccountingError):
        check_every_row_has_a_status(small)


@pytest.mark.parametrize("n_rows", [20, 0])
def test_a_batch_without_a_verdict_is_named_though_it_be_empty(n_rows: int, tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    batch = land(small, csv(n_rows, seed=1))
    judge(small)
    with pytest.raises(AccountingError, match=rf"batch {batch} holds {n_rows} rows by its bytes, but none have"):
        check_every_row_has_a_status(small)


def test_a_verdict_on_a_batch_that_never_landed_is_named(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    batch = land(small, csv(2, seed=1))
    judge(small, **{batch: {"admitted": 2}, "0123456789abcdef": {"admitted": 5}})
    with pytest.raises(AccountingError, match="batch 0123456789abcdef holds 0 rows by its bytes, but 5 have a status"):
        check_every_row_has_a_status(small)


def test_a_workload_whose_batches_are_gone_has_no_rows(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    judge(small)
    assert check_every_row_has_a_status(small) == 0


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_a_batch_that_was_counted_is_not_counted_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = workload(tmp_path, kind)
    records = importlib.import_module(f"gristmill.kinds.{kind}.records")
    counted: list[Path] = []
    count_rows = records.count_rows

    def spied(parts: list[Path], settings: Any) -> Any:
        counted.extend(parts)
        return count_rows(parts, settings)

    monkeypatch.setattr(records, "count_rows", spied)
    statuses: dict[str, dict[str, int]] = {}
    for seed in (1, 2):
        batch = land(small, *(pictures(20, seed) if kind == "images" else (csv(20, seed),)))
        statuses[batch] = {"admitted": 20}
        judge(small, **statuses)
        counted.clear()
        for _ in range(2):
            assert check_every_row_has_a_status(small, tmp_path / "memo") == 20 * seed
        assert {path.parent.name for path in counted} == {batch}
    judge(small, **{**statuses, batch: {"admitted": 19}})
    with pytest.raises(AccountingError):
        check_every_row_has_a_status(small, tmp_path / "memo")


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_a_count_is_forgotten_when_any_code_that_could_make_it_changes(kind: str) -> None:
    graph = grimp.build_graph("gristmill", exclude_type_checking_imports=True)
    hashed = ("gristmill.data.", "gristmill.ground.", f"gristmill.kinds.{kind}.records")
    reached = graph.find_upstream_modules(f"gristmill.kinds.{kind}.records", as_package=True)
    packages = {"gristmill", "gristmill.data", "gristmill.ground", "gristmill.kinds", f"gristmill.kinds.{kind}"}
    assert all(module.startswith(hashed) for module in reached - packages)
