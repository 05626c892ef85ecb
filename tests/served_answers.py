"""Real answers of a champion, logged as the service logs them."""

import json
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
    answer = serving.answer({"rows": rows})
    entry = {**answer, "at": AT, "role": "champion", "latency_ms": 1.5, "features": rows, **changed}
    log(repository, json.dumps(entry) + "\n")
    return entry


def log(repository: Repository, text: str, name: str = "0001.jsonl") -> None:
    path = repository.serving(W) / "requests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
