"""The door's benchmark: the rows are what it says, the rules are the same in every hand, and it comes to its end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from benchmarks.checks import BrokenTableError, by_hand, by_pandera
from benchmarks.door import _python
from benchmarks.figures import figures_in
from benchmarks.rides import EXPECTATIONS, FAULTS, land_rides, made_rides, rides_workload
from benchmarks.scratch import ROOT, Scratch

from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate


def test_one_row_in_a_thousand_breaks_each_of_four_rules_and_none_breaks_two() -> None:
    rows = made_rides(5_000, seed=1)
    assert len(rows.columns) == 11
    assert len(EXPECTATIONS) == 16
    broken = [set(rows.with_row_index().filter(pl.col(name) == value)["index"]) for name, value in FAULTS.items()]
    assert [len(some) for some in broken] == [5, 5, 5, 5]
    assert len(set.union(*broken)) == 20


def test_rides_of_different_seeds_share_no_id_and_those_of_one_seed_are_the_same() -> None:
    one, again, other = made_rides(100, seed=1), made_rides(100, seed=1), made_rides(100, seed=2)
    assert one.equals(again)
    assert not set(one["ride"]) & set(other["ride"])


def test_validate_and_the_checks_it_is_held_against_find_the_same_rows(tmp_path: Path) -> None:
    workload = rides_workload(tmp_path, "rides")
    batch = land_rides(workload, 3_000, seed=1)
    ingest(workload)
    validate(workload)
    kept = pl.read_parquet(workload.quarantine / batch / "rows.parquet")
    rows = pl.read_parquet(workload.batches / f"{batch}.parquet")
    assert by_hand(rows) == by_pandera(rows) == kept["position"].to_list()
    assert len(kept) == 12
    entry = json.loads((workload.reports / "validation.json").read_text())["batches"][0]
    assert [line["n_rows"] for line in entry["reasons"]] == [3, 3, 3, 3]


def test_the_check_by_hand_asks_the_table_as_a_whole(tmp_path: Path) -> None:
    workload = rides_workload(tmp_path, "rides")
    batch = land_rides(workload, 1_000, seed=1)
    ingest(workload)
    rows = pl.read_parquet(workload.batches / f"{batch}.parquet")
    for broken in (rows.clear(), rows.with_columns(pl.col("fare") * 10)):
        with pytest.raises(BrokenTableError):
            by_hand(broken)


def test_what_a_process_took_is_its_own(tmp_path: Path) -> None:
    script = (
        "import time; kept = bytearray(200 * 2**20); t = time.process_time()\nwhile time.process_time() < t + 0.3: pass"
    )
    spent = _python(Scratch(tmp_path), "-c", script)
    assert spent.peak_mib >= 200
    assert 0.3 <= spent.cpu_s <= 3
    with pytest.raises(RuntimeError, match="exit code 3"):
        _python(Scratch(tmp_path), "-c", "raise SystemExit(3)")


@pytest.mark.skipif(not os.environ.get("GRISTMILL_PROVE"), reason="a minute: only when everything is to be proved")
def test_the_small_form_comes_to_its_end() -> None:
    command = [sys.executable, "-m", "benchmarks.door", "--small"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(figures_in(done.stdout)) > 20
