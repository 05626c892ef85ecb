"""The rules of the rides (rides.py) by other means than ours: Polars by hand, and pandera on Polars.

Each gives the positions of the rows that break a rule, and fails where a rule about the whole table is broken. That a
record counts once is one of the rules: `validate` asks it across all batches without an expectation.

`python -m benchmarks.checks by-hand|pandera TABLE KEPT` checks a table, writes the rows that it found, and prints the CPU
seconds of both; it imports nothing else, as a script of somebody's own would.
"""

import sys
import time
from typing import Any

import polars as pl

ZONES = [f"zone-{number:03}" for number in range(1, 61)]
VEHICLES = ["bike", "car", "large-car", "van"]
PAYMENTS = ["card", "cash", "voucher"]
RIDER = "^rider-[0-9]{6}$"
BOUNDS = {
    "distance": (0, 300),
    "duration": (0, 600),
    "fare": (0, 1000),
    "passengers": (1, 8),
    "started": (18262, 20819),
    "tip": (0, 5000),
}
MEANS = {"fare": (5, 100), "tip": (0, 50)}


class BrokenTableError(Exception):
    """A rule about the table as a whole."""


def by_hand(rows: pl.DataFrame) -> list[int]:
    """Each rule as an expression, all in one pass."""
    column = pl.col
    breaks = {
        "ride": ~column("record_id").is_first_distinct(),
        "payment missing": column("target").is_null(),
        "payment": ~column("target").is_in(PAYMENTS),
        "zone": ~column("zone").is_in(ZONES),
        "vehicle": ~column("vehicle").is_in(VEHICLES),
        "rider": ~column("group").str.contains(RIDER),
        "fare missing": column("fare").is_null(),
        **{name: ~column(name).is_between(low, high) for name, (low, high) in BOUNDS.items()},
        "tip above fare": column("fare") < column("tip"),
    }
    figures = rows.select(pl.len(), **{name: column(name).mean() for name in MEANS}).row(0, named=True)
    if not figures["len"] or not all(low <= figures[name] <= high for name, (low, high) in MEANS.items()):
        raise BrokenTableError
    broken = rows.lazy().select(**{name: rule.fill_null(False) for name, rule in breaks.items()}).collect()
    return broken.select(pl.arg_where(pl.any_horizontal(pl.all()))).to_series().to_list()


def by_pandera(rows: pl.DataFrame) -> list[int]:
    """A schema, validated lazily: every rule is asked, and every failure is told with its row."""
    import pandera.polars as pa

    def mean_within(name: str, low: float, high: float) -> Any:
        return pa.Check(lambda data: data.lazyframe.select(pl.col(name).mean().is_between(low, high)))

    among = {"target": PAYMENTS, "zone": ZONES, "vehicle": VEHICLES}
    columns = {
        "record_id": pa.Column(str, unique=True),
        "group": pa.Column(str, pa.Check.str_matches(RIDER), nullable=True),
        **{name: pa.Column(str, pa.Check.isin(values), nullable=name != "target") for name, values in among.items()},
        **{name: pa.Column(float, pa.Check.in_range(*BOUNDS[name]), nullable=name != "fare") for name in BOUNDS},
    }
    tip_within_fare = pa.Check(lambda data: data.lazyframe.select(pl.col("fare") >= pl.col("tip")))
    of_table = [tip_within_fare, *(mean_within(name, *bounds) for name, bounds in MEANS.items())]
    try:
        pa.DataFrameSchema(columns, checks=of_table).validate(rows, lazy=True)
    except pa.errors.SchemaErrors as failures:
        return sorted({int(index) for index in failures.failure_cases["index"] if index is not None})
    return []


if __name__ == "__main__":
    how, table, kept = sys.argv[1:]
    check = {"by-hand": by_hand, "pandera": by_pandera}[how]
    rides = pl.read_parquet(table)
    check(rides.head(1_000))  # imports what it has not imported yet
    before = time.process_time()
    rides[check(rides)].write_parquet(kept)
    print(time.process_time() - before)
