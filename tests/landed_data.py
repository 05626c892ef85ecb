"""Small landings and admissions, as `land` and `validate` would leave them."""

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gristmill.data.batches import read_batch
from gristmill.data.manifest import Manifest, Part, Role, batch_id
from gristmill.ground.files import file_sha256, write_json
from gristmill.ground.workload import Workload

TABLE_PARAMS: dict[str, Any] = {
    "ingest": {"columns": {"amount": "numeric", "purpose": "categorical"}, "target": "class"},
    "prepare": {
        "classes": ["Bad", "Good"],
        "columns": {"amount": "numeric", "purpose": ["car", "house"]},
        "holdout_fraction": 0.25,
        "validation_fraction": 0.1,
    },
}
IMAGE_PARAMS: dict[str, Any] = {
    "ingest": {},
    "prepare": {"classes": ["dark", "light"], "height": 4, "width": 4, "holdout_fraction": 0.25},
}


def workload(root: Path, kind: str, params: dict[str, Any] | None = None) -> Workload:
    """A workload with parameters under a root of its own, and nothing landed."""
    made = Workload("small", kind, root)
    made.params.parent.mkdir(parents=True, exist_ok=True)
    made.params.write_text(yaml.safe_dump(params or (IMAGE_PARAMS if kind == "images" else TABLE_PARAMS)), "utf-8")
    made.landing.mkdir(parents=True, exist_ok=True)
    return made


def land(to: Workload, *contents: bytes, role: Role = "train", month: str = "2026-01") -> str:
    """Put a batch into the landing; its id."""
    return land_files(to, _named(contents), role, month)


def land_files(to: Workload, files: dict[str, bytes], role: Role = "train", month: str = "2026-01") -> str:
    """The same, under names of one's own."""
    batch = batch_id(role, _parts(files))
    folder = to.landing / month / batch
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    manifest = Manifest(batch=batch, role=role, parts=tuple(_parts(files)), origin="a test")
    write_json(folder / "manifest.json", manifest.model_dump(mode="json"))
    return batch


def batch_name(*contents: bytes, role: Role = "train") -> str:
    """The id of a batch of these parts."""
    return batch_id(role, _parts(_named(contents)))


def _named(contents: tuple[bytes, ...]) -> dict[str, bytes]:
    return {f"part-{number}": content for number, content in enumerate(contents)}


def _parts(files: dict[str, bytes]) -> list[Part]:
    return [
        Part(name=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in files.items()
    ]


def csv(n: int, seed: int) -> bytes:
    """`n` different rows of a table."""
    rng = np.random.default_rng(seed)
    lines = [f"{rng.integers(0, 10**9)},{rng.choice(['car', 'house'])},{rng.choice(['Bad', 'Good'])}" for _ in range(n)]
    return "\n".join(["amount,purpose,class", *lines, ""]).encode()


def pictures(n: int, seed: int) -> tuple[bytes, bytes]:
    """`n` different pictures and their labels, as IDX."""
    rng = np.random.default_rng(seed)
    return idx(rng.integers(0, 256, (n, 4, 4))), idx(rng.integers(0, 2, n))


def idx(items: np.ndarray[Any, Any]) -> bytes:
    """An IDX file of bytes."""
    return struct.pack(f">HBB{items.ndim}I", 0, 8, items.ndim, *items.shape) + items.astype(np.uint8).tobytes()


def admit(to: Workload, batches: dict[str, dict[str, Any]]) -> None:
    """Write admitted.json: by batch id, what differs from the role `train` and all rows admitted as they are."""
    entries = []
    for batch, entry in sorted(batches.items()):
        path = to.batches / f"{batch}.parquet"
        n_rows = len(read_batch(path).rows)
        whole = {"role": "train", "sha256": file_sha256(path), "n_rows": n_rows, "rows": [[0, n_rows]], "targets": {}}
        entries.append({"batch": batch, **whole, **entry})
    write_json(to.admitted, {"batches": entries})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
