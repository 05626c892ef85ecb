"""Turns of which only ingest and validate ran, in this process, and whose results are in the cache as DVC would put them."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from tests.applications import applications, write_applications
from tests.recorded_turns import W, leave_results, started

from gristmill.adapters.dvc import read_lock, write_lock
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.record import record_run
from gristmill.runs.repository import Repository
from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate


def land_applications(repository: Repository, name: str, n: int, seed: int, **faults: dict[int, Any]) -> str:
    """Land made applications as one batch; `faults` are values by column and row. Returns its id."""
    rows = applications(n, seed)
    for column, values in faults.items():
        for row, value in values.items():
            rows[row][column] = value
    file = write_applications(repository.root.parent / "files" / name, rows)
    return land(repository, repository.workload(W), [file]).manifest.batch


def judge(repository: Repository, name: str = W) -> None:
    """A turn of the mill that takes in what has landed and was decided, with some model at its end."""
    with started(repository, name) as ws:
        version = landing_md5((ws.workload.data / "landing.dvc").read_bytes())
        repository.dvc.extract(version, ws.workload.landing)
        ingest(ws.workload)
        validate(ws.workload)
        leave_results(ws, "m1", data=version)
        stages = read_lock((ws.root / "dvc.lock").read_bytes())
        outputs = {"ingest": ws.workload.batches, "validate": ws.workload.quarantine}
        for stage, folder in outputs.items():
            out = {"path": str(folder.relative_to(ws.root)), "md5": into_cache(repository, folder)}
            stages[f"{stage}@{name}"] = {**stages[f"{stage}@{name}"], "outs": [out]}
        (ws.root / "dvc.lock").write_bytes(write_lock(stages))
        record_run(ws, "a test", "Ada")


def into_cache(repository: Repository, folder: Path) -> str:
    """Put a folder into DVC's cache; its hash."""
    listing = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        _put(repository.dvc.object_path(md5), file)
        listing.append({"md5": md5, "relpath": str(file.relative_to(folder))})
    text = json.dumps(listing).encode()
    md5 = f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir"
    path = repository.dvc.object_path(md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return md5


def _put(path: Path, file: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, path)
