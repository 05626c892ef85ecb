"""Real answers of a champion, logged as the service logs them."""

import json
import uuid
from typing import Any

from tests.applications import applications

from gristmill.runs.deployment import champion_bundle
from gristmill.runs.repository import Repository
from gristmill.serving.live import load_serving

W = "credit-risk"
AT = "2026-03-01T12:00:00+00:00"


def answered(repository: Repository, **changed: Any) -> dict[str, Any]:
    """A real answer of the champion to two applications, logged."""
    serving = load_serving(champion_bundle(repository, W, lambda _: None) / "src")
    rows = [{name: row[name] for name in row if name != "Class"} for row in applications(2, 9)]
    entry = {
        "request_id": uuid.uuid4().hex,
        "version": serving.version,
        "model_sha256": serving.package["model_sha256"],
        "predictions": serving.predictor.predict({"rows": rows}),
        "at": AT,
        "role": "champion",
        "latency_ms": 1.5,
        "features": {name: [row[name] for row in rows] for name in rows[0]},
        **changed,
    }
    log(repository, json.dumps(entry) + "\n")
    return entry


def log(repository: Repository, text: str, name: str = "0001.jsonl") -> None:
    path = repository.serving(W) / "requests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
