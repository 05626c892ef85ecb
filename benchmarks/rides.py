"""Made rides of a taxi: a table of 11 columns as it would land, and its workload with 16 expectations.

Four of the expectations fail for one row in a thousand each, and no row breaks two. The rows come from a seed.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.checks import BOUNDS, MEANS, PAYMENTS, RIDER, VEHICLES, ZONES
from gristmill.data.manifest import Manifest, Part, batch_id
from gristmill.ground.files import file_sha256, write_json, write_text
from gristmill.ground.workload import Workload
from gristmill.quality.profile import profile_path

FAULTS: dict[str, str | float] = {"zone": "zone-999", "passengers": 0, "distance": -1.0, "tip": 2000.0}
"""A value that breaks one expectation; a tip of 2000 is no more than a tip may be, but more than any fare."""

_FAULTY = 0.001
_PIECE_ROWS = 1_000_000
_NUMERIC = ("started", "passengers", "distance", "duration", "fare", "tip")

EXPECTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_column_values_to_not_be_null", {"column": "target"}),
    ("expect_column_values_to_be_in_set", {"column": "target", "value_set": PAYMENTS}),
    ("expect_column_values_to_be_in_set", {"column": "zone", "value_set": ZONES}),
    ("expect_column_values_to_be_in_set", {"column": "vehicle", "value_set": VEHICLES}),
    ("expect_column_values_to_match_regex", {"column": "group", "regex": RIDER}),
    ("expect_column_values_to_not_be_null", {"column": "fare"}),
    *(
        ("expect_column_values_to_be_between", {"column": name, "min_value": low, "max_value": high})
        for name, (low, high) in BOUNDS.items()
    ),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "fare", "column_B": "tip", "or_equal": True}),
    *(
        ("expect_column_mean_to_be_between", {"column": name, "min_value": low, "max_value": high})
        for name, (low, high) in MEANS.items()
    ),
]


def made_rides(n_rows: int, seed: int) -> pl.DataFrame:
    """Rides as they would land; no two of different seeds have the same id."""
    rng = np.random.default_rng(seed)
    fare = rng.gamma(4, 6, n_rows).round(2)
    rows = pl.select(
        pl.format("{}-{}", pl.lit(f"{seed:06}"), pl.int_range(n_rows)).alias("ride"),
        pl.format("rider-{}", pl.Series(rng.integers(0, 10**6, n_rows)).cast(pl.String).str.zfill(6)).alias("rider"),
    ).with_columns(
        started=rng.integers(*BOUNDS["started"], n_rows),
        zone=pl.Series(ZONES).gather(rng.integers(0, len(ZONES), n_rows)),
        vehicle=pl.Series(VEHICLES).gather(rng.integers(0, len(VEHICLES), n_rows)),
        passengers=rng.integers(*BOUNDS["passengers"], n_rows),
        distance=rng.gamma(2, 4, n_rows).round(2),
        duration=rng.gamma(3, 6, n_rows).clip(0, 600).round(1),
        fare=fare,
        tip=(fare * rng.random(n_rows) * 0.3).round(2),
        payment=pl.Series(PAYMENTS).gather(rng.integers(0, len(PAYMENTS), n_rows)),
    )
    n_faults = round(n_rows * _FAULTY)
    chosen = rng.choice(n_rows, n_faults * len(FAULTS), replace=False).reshape(len(FAULTS), n_faults)
    for (column, value), where in zip(FAULTS.items(), chosen, strict=True):
        rows = rows.with_columns(rows[column].scatter(np.sort(where), value))
    return rows


def rides_workload(root: Path, name: str) -> Workload:
    """A workload of rides in a working tree, with its parameters and its suite; the tree's other workloads go."""
    workload = Workload(name, "tabular", root)
    columns = {column: "numeric" if column in _NUMERIC else "categorical" for column in (*_NUMERIC, "zone", "vehicle")}
    params = {
        "ingest": {"id": "ride", "group": "rider", "target": "payment", "columns": columns},
        "validate": {"max_bad_rows": 0.01},
    }
    write_text(workload.params, yaml.safe_dump(params, sort_keys=False))
    declared = {"target": {"type": "text", "called": "payment", "needed": True}}
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in EXPECTATIONS]
    write_json(workload.expectations, {"name": name, "meta": {"columns": declared}, "expectations": entries})
    write_json(profile_path(workload.expectations), {"workload": name, "n": 0, "columns": {}})  # no bound names it
    workload.landing.mkdir(parents=True, exist_ok=True)
    return workload


def land_rides(workload: Workload, n_rows: int, seed: int) -> str:
    """Land a batch, as `gristmill land` would leave it; its id."""
    path = workload.data / "rides.csv"
    with path.open("wb") as file:
        for piece, start in enumerate(range(0, n_rows, _PIECE_ROWS)):
            rows = made_rides(min(_PIECE_ROWS, n_rows - start), seed * 1000 + piece)
            rows.write_csv(file, include_header=start == 0)
    part = Part(name=path.name, sha256=file_sha256(path), size=path.stat().st_size)
    batch = batch_id("train", [part])
    folder = workload.landing / "2026-01" / batch
    folder.mkdir(parents=True)
    path.replace(folder / path.name)
    manifest = Manifest(batch=batch, role="train", parts=(part,), origin="made rides")
    write_json(folder / "manifest.json", manifest.model_dump(mode="json"))
    return batch
