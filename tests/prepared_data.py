"""Small prepared data that a network learns in a second: what `prepare` would leave, and a workload around it."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

from gristmill.ground.files import write_json
from gristmill.ground.workload import Workload

IMAGES: dict[str, Any] = {
    "kind": "images",
    "task": "classification",
    "classes": ["upright", "level", "blank"],
    "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", 8, 8]}],
    "image": {"height": 8, "width": 8},
}
TABLE: dict[str, Any] = {
    "kind": "tabular",
    "task": "classification",
    "classes": ["Bad", "Good"],
    "inputs": [
        {"name": "numeric", "dtype": "float32", "shape": ["N", 2]},
        {"name": "categorical", "dtype": "int64", "shape": ["N", 1]},
    ],
    "columns": [
        {"name": "Amount", "type": "numeric"},
        {"name": "Age", "type": "numeric"},
        {"name": "Purpose", "type": "categorical", "categories": ["car", "house", "other"]},
    ],
}
PRICES: dict[str, Any] = {**{key: value for key, value in TABLE.items() if key != "classes"}, "task": "regression"}

SETTINGS: dict[str, dict[str, Any]] = {
    "images": {"epochs": 3, "batch_size": 32, "network": {"width": 4, "shift_pixels": 1, "flip": True}},
    "tabular": {"epochs": 6, "batch_size": 32, "learning_rate": 0.02, "network": {"hidden": [8], "dropout": 0.2}},
}


def images(n: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Noisy 8x8 images of an upright line, a level line, or nothing."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, n)
    pixels = rng.integers(0, 90, (n, 8, 8))
    for i, place in enumerate(rng.integers(1, 7, n)):
        if target[i] == 0:
            pixels[i, :, place] += 150
        elif target[i] == 1:
            pixels[i, place, :] += 150
    return {"images": pixels.astype(np.uint8), "target": target}


def table(n: int, seed: int, rare: float = 0.5) -> dict[str, np.ndarray[Any, Any]]:
    """Rows whose class is written in an amount and a purpose, with some numbers missing."""
    rng = np.random.default_rng(seed)
    target = (rng.random(n) >= rare).astype(np.int64)
    numeric = np.stack([rng.normal(5000 + 3000 * target, 2000), rng.normal(40, 10, n)], 1).astype(np.float32)
    numeric[rng.random(n) < 0.1, 1] = np.nan
    categorical = np.where(rng.random(n) < 0.7, 1 + target, rng.integers(0, 4, n))[:, None]
    return {"numeric": numeric, "categorical": categorical, "target": target}


def prices(n: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Rows whose target, in the hundred thousands, follows from them."""
    rows = table(n, seed)
    target = 200_000 + 12.0 * rows["numeric"][:, 0] + 40_000 * (rows["categorical"][:, 0] == 2)
    return {**rows, "target": target.astype(np.float32)}


def prepared_workload(root: Path, kind: str, contract: dict[str, Any] | None = None, **settings: Any) -> Workload:
    """A workload with prepared data and parameters under a root of its own."""
    workload = Workload("small", kind, root)
    contract = contract or (IMAGES if kind == "images" else TABLE)
    make = images if kind == "images" else prices if contract["task"] == "regression" else table
    workload.prepared.mkdir(parents=True)
    for split, n, seed in (("train", 288, 1), ("validation", 96, 2)):
        rows = make(n, seed)
        save_file(rows, workload.prepared / f"{split}.safetensors")
        names = "".join(f"{split}-{i}\n" for i in range(n))
        (workload.prepared / f"{split}.txt").write_text(names, "utf-8")
    write_json(workload.prepared / "contract.json", contract)
    write_settings(workload, **settings)
    return workload


def write_settings(workload: Workload, **settings: Any) -> None:
    """Write the workload's `train` section: small defaults, changed by the arguments."""
    workload.params.parent.mkdir(parents=True, exist_ok=True)
    workload.params.write_text(yaml.safe_dump({"train": {**SETTINGS[workload.kind], **settings}}), "utf-8")
