"""Applications for credit, made by code: the columns of credit-risk, with a known signal in two of them."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent


def applications(n: int, seed: int, signal: float = 2.5) -> list[dict[str, Any]]:
    """Rows whose Class follows from Duration and CheckingAccountStatus, the more surely the stronger the signal."""
    columns = yaml.safe_load((ROOT / "params" / "credit-risk.yaml").read_text("utf-8"))["prepare"]["columns"]
    rng = np.random.default_rng(seed)
    numbers = {"Duration": (4, 72), "Amount": (250, 18_000), "Age": (19, 75), "NumberExistingCredits": (1, 4)}
    flags = {"NumberPeopleMaintenance": (1, 2), "Telephone": (0, 1), "ForeignWorker": (0, 1)}
    scales = {"InstallmentRatePercentage": (1, 4), "ResidenceDuration": (1, 4)}
    bounds = {**numbers, **flags, **scales}
    rows = []
    for _ in range(n):
        row: dict[str, Any] = {
            name: int(rng.integers(bounds[name][0], bounds[name][1] + 1))
            if kind == "numeric"
            else str(rng.choice(kind))
            for name, kind in columns.items()
        }
        if row["Personal"] == "Female.Single":  # a level that the real data does not have, and its suite refuses
            row["Personal"] = "Female.NotSingle"
        if row["Purpose"] == "Vacation":
            row["Purpose"] = "Other"
        good = (40 - row["Duration"]) / 20 + (1 if row["CheckingAccountStatus"] == "none" else -0.5)
        row["Class"] = "Good" if rng.random() < 1 / (1 + np.exp(-signal * good)) else "Bad"
        rows.append(row)
    return rows


def write_applications(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
