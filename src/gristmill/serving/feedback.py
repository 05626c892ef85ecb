"""True labels that come later: each once for an item of an answer, from any process, kept in one SQLite file.

What was taken is on the disk's side of `kill -9` when its answer goes out; a second and different label for the same item is
refused, the same one again is not.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from gristmill.ground.errors import GristmillError
from gristmill.serving.ids import Ids

_TABLE = """
CREATE TABLE IF NOT EXISTS feedback(
    request_id TEXT NOT NULL, item INTEGER NOT NULL, label TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY(request_id, item)
) WITHOUT ROWID
"""
_PATIENCE_S = 5.0
_FIELDS = {"request_id", "item", "label"}


class FeedbackError(GristmillError):
    """Feedback that cannot be taken; the sentence goes to the caller."""

    status = 400


class ContradictionError(FeedbackError):
    """Another label came before."""

    status = 409


class UnknownItemError(FeedbackError):
    """The answer had no such item."""

    status = 404


class NoPlaceError(FeedbackError):
    """Nothing can be kept."""

    status = 503


class Feedback:
    """Takes true labels."""

    def __init__(self, root: Path | None, ids: Ids) -> None:
        """Open nothing yet; `root` is the workload's serving folder, or None where nothing is kept."""
        self._path = root / "feedback.sqlite" if root else None
        self._ids = ids

    def take(self, body: Any, contract: dict[str, Any]) -> dict[str, Any]:
        """Keep one label.

        Args:
            body: `{"request_id": ..., "item": 0, "label": ...}`; the item may be left out where it is the first.
            contract: of the model that answers; its classes are what a label may be.

        Returns:
            What was kept, with `result`: `taken`, or `known` where it had come before.

        Raises:
            FeedbackError: a field is missing or wrong, or it contradicts what came before.
        UnknownItemError: the answer had no such item.
            UnknownIdError: the request id was not given out here.
        """
        if unknown := [str(field) for field in body if field not in _FIELDS]:
            raise FeedbackError(f"unknown field {unknown[0][:40]!r}; there are request_id, item and label.")
        request_id, item, label = body.get("request_id"), body.get("item", 0), body.get("label")
        if isinstance(item, float) and item.is_integer():  # to JSON Schema 1.0 is a whole number
            item = int(item)
        if not isinstance(request_id, str):
            raise FeedbackError("the field request_id is needed: the text that came with the answer.")
        known = self._ids.read(request_id)
        if type(item) is not int or item < 0:
            raise FeedbackError("item has to be a whole number from 0 on: the place in the answer's list.")
        if item >= known.n_items:
            raise UnknownItemError(f"the answer had {known.n_items} items, and none at {item}; the first is at 0.")
        text = _label(label, contract)
        result = self._keep(request_id, item, text)
        return {"request_id": request_id, "item": item, "label": label, "result": result}

    def _keep(self, request_id: str, item: int, label: str) -> Literal["taken", "known"]:
        if self._path is None:
            raise NoPlaceError("this service keeps no feedback: it was started without a serving folder.")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE_S)) as base, base:
                base.execute("PRAGMA journal_mode = WAL")
                base.execute(_TABLE)
                done = base.execute(
                    "INSERT OR IGNORE INTO feedback VALUES (?, ?, ?, ?)", (request_id, item, label, now)
                )
                before = base.execute(
                    "SELECT label FROM feedback WHERE request_id = ? AND item = ?", (request_id, item)
                ).fetchone()[0]
        except sqlite3.Error as error:
            raise NoPlaceError(f"the label could not be kept ({error}); send it again later.") from error
        if before != label:
            raise ContradictionError(f"this item has the label {before!r} already; a label is given once.")
        return "taken" if done.rowcount else "known"


def _label(label: Any, contract: dict[str, Any]) -> str:
    if contract["task"] == "regression":
        if type(label) not in (int, float):
            raise FeedbackError("label has to be a number.")
        return repr(float(label))
    classes = contract["classes"]
    if label not in classes:
        named = ", ".join(repr(name) for name in classes[:12])
        raise FeedbackError(f"label has to be a class of the model: {named}{', ...' if len(classes) > 12 else ''}.")
    return str(label)
