"""Turns whose stages did not run, but whose outputs are real objects of DVC's cache."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.recorded_turns import W, leave_results, started

from gristmill.adapters.dvc import read_lock, write_lock
from gristmill.adapters.objects import object_path, store
from gristmill.ground.files import read_json
from gristmill.ground.pipeline import STAGES, stage_definition
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.record import Outcome, record_run
from gristmill.runs.repository import Repository


def cached(cache: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Put a folder into a cache as DVC does; its md5, size and nfiles."""
    entries = [{"md5": _cached(cache, content), "relpath": name} for name, content in sorted(files.items())]
    content = json.dumps(entries, sort_keys=True).encode()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir"
    store(cache, md5, [content], "a test")
    return {"md5": md5, "size": sum(map(len, files.values())), "nfiles": len(files)}


def turned_with_data(
    repository: Repository, model: str, verdict: str = "PROMOTE", workload: str = W, size: int = 1000
) -> Outcome:
    """A whole turn that leaves batches, tensors, a model of `size` bytes, a package and a report in the cache."""
    landing = repository.mill.read(f"data/{workload}/landing.dvc")
    assert landing is not None
    with started(repository, workload) as ws:
        leave_results(ws, model, verdict, recipe="0" * 32, data=landing_md5(landing), note=model)
        inputs = {"ingest": landing, "validate": landing, "prepare": landing}
        lock = ws.root / "dvc.lock"
        stages = read_lock(lock.read_bytes())
        for stage in STAGES:
            outs: list[dict[str, Any]] = []
            for path in stage_definition(stage, ws.workload).outs:
                content = path.encode() + inputs.get(stage, model.encode())
                if path.endswith((".json", ".html")):
                    outs.append(
                        {"path": path, "hash": "md5", "md5": _cached(repository.cache, content), "size": len(content)}
                    )
                    continue
                files = {"content": content}
                if stage == "train":
                    files = {"model.safetensors": model_of(model, size)}
                if stage == "package":
                    files = {"package.json": (ws.workload.package / "package.json").read_bytes()}
                outs.append({"path": path, "hash": "md5", **cached(repository.cache, files)})
            stages[f"{stage}@{workload}"] = {**stages[f"{stage}@{workload}"], "outs": outs}
        assert read_json(ws.workload.reports / "gate.json")["verdict"] == verdict
        lock.write_bytes(write_lock(stages))
        return record_run(ws, "a test", "Ada")


def landed_and_turned(repository: Repository, folder: Path, *models: str, workload: str = W) -> None:
    """For each model a batch of its own, and a turn that promotes it."""
    folder.mkdir(exist_ok=True)
    for model in models:
        (folder / f"{model}.csv").write_text(f"x\n{model}\n", "utf-8")
        land(repository, repository.workload(workload), [folder / f"{model}.csv"])
        assert turned_with_data(repository, model, workload=workload).name == "Promoted"


def damage(path: Path, content: bytes = b"other bytes") -> None:
    """Write through into a file, and so into all hard links of it."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.truncate()
        file.write(content)


def object_of(repository: Repository, content: bytes) -> Path:
    """Where the cache has these bytes."""
    return object_path(repository.cache, hashlib.md5(content, usedforsecurity=False).hexdigest())


def model_of(model: str, size: int = 1000) -> bytes:
    """The bytes of the model of a turn."""
    return (model.encode() * (size // len(model) + 1))[:size]


def _cached(cache: Path, content: bytes) -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    store(cache, md5, [content], "a test")
    return md5
