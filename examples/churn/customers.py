"""Customers and whether they left: numbers, categories, dates, empty cells, and a signal that is known.

A customer leaves with a chance that grows with calls to support and falls with tenure; a monthly plan adds to it. The
best possible model is right about 85 of 100 times in each class, for the rest is chance.
"""

import csv
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

COLUMNS = ["customer_id", "signed_up", "plan", "country", "monthly_spend", "support_calls", "tenure_months", "churned"]
_PLANS, _PLAN_SHARES = ("monthly", "yearly", "family"), (0.5, 0.35, 0.15)
_COUNTRIES, _COUNTRY_SHARES = ("DE", "FR", "PL", "IT"), (0.4, 0.3, 0.2, 0.1)
_LAST_DAY = date(2026, 6, 30)


def customers(n_rows: int, seed: int, first_id: int = 1) -> list[list[str]]:
    """Rows of COLUMNS as a CSV holds them; every twentieth spend and every fiftieth country is empty, by chance."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(0, 72, n_rows)
    calls = rng.poisson(2.0, n_rows)
    plan = rng.choice(len(_PLANS), n_rows, p=_PLAN_SHARES)
    country = rng.choice(len(_COUNTRIES), n_rows, p=_COUNTRY_SHARES)
    spend = rng.gamma(4.0, 12.0, n_rows)
    logit = 1.9 * (calls - 2.0) - 0.09 * (tenure - 36.0) + 1.2 * (plan == 0) - 1.0
    leaves = rng.random(n_rows) < 1 / (1 + np.exp(-logit))
    no_spend, no_country = rng.random(n_rows) < 0.05, rng.random(n_rows) < 0.02
    return [
        [
            f"C{first_id + i:06d}",
            (_LAST_DAY - timedelta(days=int(tenure[i]) * 30 + int(rng.integers(0, 30)))).isoformat(),
            _PLANS[plan[i]],
            "" if no_country[i] else _COUNTRIES[country[i]],
            "" if no_spend[i] else f"{spend[i]:.2f}",
            str(calls[i]),
            str(tenure[i]),
            "yes" if leaves[i] else "no",
        ]
        for i in range(n_rows)
    ]


def with_bad_rows(rows: list[list[str]], share: float) -> list[list[str]]:
    """The rows, a share of them (evenly spread) with a spend that is no number."""
    every = round(1 / share)
    spend = COLUMNS.index("monthly_spend")
    return [[*row[:spend], "unknown", *row[spend + 1 :]] if i % every == 0 else row for i, row in enumerate(rows)]


def poisoned(rows: list[list[str]]) -> list[list[str]]:
    """The rows as a broken export writes them: spend in cents, and 1 and 0 where yes and no were meant."""
    spend, target = COLUMNS.index("monthly_spend"), COLUMNS.index("churned")
    out = []
    for row in rows:
        cents = str(round(float(row[spend]) * 100)) if row[spend] else ""
        out.append([*row[:spend], cents, *row[spend + 1 : target], "1" if row[target] == "yes" else "0"])
    return out


def write_csv(path: Path, rows: Iterable[list[str]]) -> Path:
    """A CSV with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return path
