"""Requests that a service answered, and what was said of them later.

.gristmill/serving/<w>/requests/*.jsonl     one object for each answered request
.gristmill/serving/<w>/feedback.sqlite      the true label of an item, where somebody gave it
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.ground.errors import GristmillError
from gristmill.runs.repository import Repository


class UnknownRequestError(GristmillError):
    """No answered request is called so."""

    def __init__(self, request_id: str, n_segments: int) -> None:
        super().__init__(request_id, n_segments)

    def __str__(self) -> str:
        request_id, n_segments = self.args
        looked = (
            f"none of the {n_segments:,} logs under .gristmill/serving/ holds it"
            if n_segments
            else "there is no log of requests under .gristmill/serving/"
        )
        return (
            f"no answered request is called '{request_id}': {looked}. Take `request_id` from the answer, and ask in the "
            "repository that served it."
        )


class FeedbackError(GristmillError):
    """What was said of requests cannot be read."""

    def __str__(self) -> str:
        path, words = self.args
        return f"{path} cannot be read as feedback ({words}). Put back a copy of it; the service makes no second one."


class Asked(NamedTuple):
    """One answered request."""

    workload: str
    request_id: str
    at: str
    """ISO 8601, UTC."""
    version: str | None
    model_sha256: str
    role: str
    """champion, canary or shadow."""
    predictions: list[dict[str, Any]]
    features: Any | None
    latency_ms: float


class Label(NamedTuple):
    """What an item of a request truly was."""

    item: int
    label: str
    at: str


def find_request(repository: Repository, request_id: str) -> Asked:
    """The request of that id; of several answers to it, the one that the caller got.

    Raises:
        UnknownRequestError: none of the logs holds it.
    """
    segments = sorted(repository.serving("*").parent.glob("*/requests/*.jsonl"), reverse=True)
    found = [asked for path in segments for asked in _answers(path, request_id)]
    if not found:
        raise UnknownRequestError(request_id, len(segments))
    return min(found, key=lambda asked: asked.role == "shadow")


def find_labels(repository: Repository, asked: Asked) -> list[Label]:
    """What was said of a request's items, in their order.

    Raises:
        FeedbackError: the file is none, or damaged.
    """
    path = repository.serving(asked.workload) / "feedback.sqlite"
    if not path.is_file():
        return []
    query = "SELECT item, label, at FROM feedback WHERE request_id = ? ORDER BY item"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return [Label(*row) for row in database.execute(query, (asked.request_id,))]
    except sqlite3.Error as error:
        raise FeedbackError(path, error) from error


def _answers(path: Path, request_id: str) -> Iterator[Asked]:
    needle = json.dumps(request_id).encode()
    with path.open("rb") as file:
        for line in file:
            if needle in line and (entry := _entry(line)) and entry["request_id"] == request_id:
                facts = {name: entry[name] for name in Asked._fields if name != "workload"}
                yield Asked(workload=path.parents[1].name, **facts)


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None for the last one of a service that was killed while it wrote."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
