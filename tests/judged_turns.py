"""Turns of which only ingest and validate ran, in this process, and whose results are in the cache as DVC would put them."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tests.applications import applications, write_applications
from tests.conftest import check_nothing, commit_all, copy_of_todays_code
from tests.recorded_turns import W, leave_results, started

from gristmill.adapters.dvc import read_lock, write_lock
from gristmill.ground.files import read_json, write_json
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.record import record_run
from gristmill.runs.repository import Repository
from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate


class House(NamedTuple):
    """A repository whose last turn judged three batches, and one that has landed since."""

    repository: Repository
    good: str
    partial: str
    """Row 6 has an age and a purpose that nobody has."""
    whole: str
    """Rows 0 (age) and 1 (an amount that is no number) of 40."""
    unjudged: str


def judged_house(folder: Path) -> House:
    """Make one, with a suite that is quickly asked."""
    repository = Repository(copy_of_todays_code(folder))
    suite = read_json(repository.workload(W).expectations)
    asked: tuple[dict[str, str], ...] = ({}, {"column": "target"}, {"column": "Age"}, {"column": "Purpose"})
    suite["expectations"] = [
        next(e for e in suite["expectations"] if columns.items() <= e["kwargs"].items() and "null" not in e["type"])
        for columns in asked
    ]
    write_json(repository.workload(W).expectations, suite)
    check_nothing(repository, W, "fashion-mnist")
    commit_all(repository.root, "ask less")
    good = land_applications(repository, "good.csv", 60, 1)
    partial = land_applications(repository, "partial.csv", 200, 2, Age={6: 212}, Purpose={6: "<b>Yacht</b>"})
    whole = land_applications(repository, "whole.csv", 40, 3, Age={0: -3}, Amount={1: "n/a?"})
    judge(repository)
    return House(repository, good, partial, whole, land_applications(repository, "late.csv", 30, 4))


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
