"""The request log of a workload: finished segments become Parquet, old days go, and single requests are found again.

    .gristmill/serving/<w>/requests/<yyyy-mm-dd>/<segment>.parquet    one row for each item that was answered
    .gristmill/serving/<w>/requests/totals.json                       of processes that have ended: answers offered to the
                                                                      log, written, dropped, lost by a sudden end

Both forms are read alike, so nobody needs to know which request lies where.
"""

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import Field

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file, read_json, write_json
from gristmill.ground.locks import locked
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload
from gristmill.runs.repository import Repository
from gristmill.serving.request_log import COUNTS

_DAY = "????-??-??"
_TOTALS = ("offered", "written", "dropped", "lost")


class ServingSettings(Settings):
    """What is kept of what was asked."""

    log_days: int = Field(default=90, ge=1)
    """Days for which requests, answers and true labels are kept."""


class UnknownRequestError(GristmillError):
    """A request that no log holds."""

    def __str__(self) -> str:
        request_id, n_logs = self.args
        looked = (
            f"none of the {n_logs:,} logs under .gristmill/serving/ holds it"
            if n_logs
            else "there is no log of requests under .gristmill/serving/"
        )
        return (
            f"no answered request is called '{str(request_id)[:64]}': {looked}. Take `request_id` from the answer, and ask "
            "in the repository that served it; what is older than serving.log_days of params/<w>.yaml is gone."
        )


class FeedbackError(GristmillError):
    """True labels that cannot be read."""

    def __str__(self) -> str:
        path, words = self.args
        return f"{path} cannot be read as feedback ({words}). Put back a copy of it; the service makes no second one."


class Asked(NamedTuple):
    """One answer to one request."""

    workload: str
    request_id: str
    at: str
    """ISO 8601, UTC."""
    version: str | None
    model_sha256: str
    role: str
    """`champion` or `canary`, whose answer was given, or `shadow`, which was asked beside it."""
    predictions: list[dict[str, Any]]
    """One for each item."""
    features: dict[str, list[Any]]
    """One value for each item, by column; hashes of what tells of a person, pictures as base64."""
    latency_ms: float


class Label(NamedTuple):
    """A true label that came later."""

    item: int
    label: str
    at: str


def answers_of(repository: Repository, workload: str, since: str = "") -> Iterator[Asked]:
    """Every answer that is kept, in no order; those at or after `since` (ISO 8601, UTC)."""
    folder = repository.serving(workload) / "requests"
    for path in sorted(folder.glob(f"{_DAY}/*.parquet")):
        if path.parent.name >= since[:10]:
            yield from (asked for asked in _from_parquet(path, workload) if asked.at >= since)
    for path in sorted(folder.glob("*.jsonl")):
        yield from (asked for asked in _from_lines(path, workload) if asked.at >= since)


def find_request(repository: Repository, request_id: str) -> Asked:
    """The answer to a request of any workload; of several, the one that the caller got.

    Raises:
        UnknownRequestError: no log holds it.
    """
    root = repository.state / "serving"
    lines, tables = sorted(root.glob("*/requests/*.jsonl")), sorted(root.glob(f"*/requests/{_DAY}/*.parquet"))
    found = [
        asked
        for path in lines
        for asked in _from_lines(path, path.parents[1].name, request_id)
        if asked.request_id == request_id
    ]
    for path in tables if not found else ():
        found += _from_parquet(path, path.parents[2].name, request_id)
    if not found:
        raise UnknownRequestError(request_id, len(lines) + len(tables))
    return min(found, key=lambda asked: asked.role == "shadow")


def find_labels(repository: Repository, asked: Asked) -> list[Label]:
    """The true labels of a request's items, in their order.

    Raises:
        FeedbackError: the file is none, or damaged.
    """
    return _labels(repository, asked.workload, asked.request_id).get(asked.request_id, [])


def _labels(repository: Repository, workload: str, request_id: str | None = None) -> dict[str, list[Label]]:
    """True labels by request id; of one request where it is named."""
    path = repository.serving(workload) / "feedback.sqlite"
    found: dict[str, list[Label]] = {}
    if not path.is_file():
        return found
    query = "SELECT request_id, item, label, at FROM feedback WHERE ?1 IS NULL OR request_id = ?1 ORDER BY item"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            for name, item, label, at in base.execute(query, (request_id,)):
                found.setdefault(name, []).append(Label(item, label, at))
    except sqlite3.Error as error:
        raise FeedbackError(path, error) from error
    return found


def roll(repository: Repository, workload: Workload, today: date | None = None) -> dict[str, int]:
    """Turn finished segments into Parquet, and remove what is older than `serving.log_days`.

    Returns:
        The totals: answers offered to the log, written, dropped, and lost by a sudden end.

    Raises:
        SettingsError: the section `serving` does not fit.
    """
    root = repository.serving(workload.name)
    folder = root / "requests"
    oldest = (today or datetime.now(UTC).date()) - timedelta(ServingSettings.read(workload.params, "serving").log_days)
    with locked(repository.state / "locks" / f"requests.{workload.name}.lock"):
        for path in sorted(folder.glob("*.jsonl")):
            if _is_finished(path):
                _to_parquet(path, workload.name)
        totals = _add_up(folder)
        for day in folder.glob(_DAY):
            if date.fromisoformat(day.name) < oldest:
                shutil.rmtree(day)
        _forget_labels(root / "feedback.sqlite", oldest)
    return totals


def _is_finished(path: Path) -> bool:
    """Whether no process writes to it any more."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _to_parquet(path: Path, workload: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    answers = _from_lines(path, workload)
    if answers:
        rows = [
            {
                "request_id": asked.request_id,
                "item": item,
                "at": asked.at,
                "version": asked.version,
                "model_sha256": asked.model_sha256,
                "role": asked.role,
                "latency_ms": asked.latency_ms,
                "prediction": prediction,
                "features": {name: values[item] for name, values in asked.features.items()},
            }
            for asked in answers
            for item, prediction in enumerate(asked.predictions)
        ]
        with new_file(path.parent / answers[0].at[:10] / f"{path.stem}.parquet") as temporary:
            pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd", write_page_checksum=True)
    path.unlink()


def _from_lines(path: Path, workload: str, containing: str = "") -> list[Asked]:
    """The answers of a segment, or its lines that hold a text; not the last one where it is torn by a sudden end."""
    answers, needle = [], containing.encode()
    for line in path.read_bytes().splitlines():
        if needle in line:
            with suppress(orjson.JSONDecodeError, TypeError):
                answers.append(Asked(workload=workload, **orjson.loads(line)))
    return answers


def _from_parquet(path: Path, workload: str, request_id: str | None = None) -> Iterator[Asked]:
    import pyarrow.parquet as pq

    wanted = [("request_id", "==", request_id)] if request_id is not None else None
    together: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in pq.read_table(path, filters=wanted, page_checksum_verification=True, partitioning=None).to_pylist():
        together.setdefault((row["request_id"], row["role"]), []).append(row)
    for items in together.values():
        first = items[0]
        features = {name: [row["features"][name] for row in items] for name in first["features"]}
        told = {name: first[name] for name in ("request_id", "at", "version", "model_sha256", "role", "latency_ms")}
        yield Asked(workload=workload, predictions=[row["prediction"] for row in items], features=features, **told)


def _add_up(folder: Path) -> dict[str, int]:
    path = folder / "totals.json"
    totals: dict[str, int] = read_json(path) if path.exists() else dict.fromkeys(_TOTALS, 0)
    for counts in folder.glob("*.count"):
        if not _is_finished(counts) or counts.stat().st_size < COUNTS.size:
            continue
        offered, dropped, written = COUNTS.unpack(counts.read_bytes())
        ended = {
            "offered": offered,
            "written": written,
            "dropped": dropped,
            "lost": max(0, offered - dropped - written),
        }
        totals = {name: totals[name] + ended[name] for name in _TOTALS}
        write_json(path, totals)
        counts.unlink()
    return totals


def _forget_labels(path: Path, oldest: date) -> None:
    if path.exists():
        with closing(sqlite3.connect(path)) as base, base:
            base.execute("DELETE FROM feedback WHERE at < ?", (oldest.isoformat(),))


class Day(NamedTuple):
    """What one version answered on one day."""

    day: str
    version: str
    n_answers: int
    n_items: int
    n_labelled: int
    """Items whose true label came."""
    accuracy: float | None
    """Share of these that were right; None for numbers, or where no label came."""
    mean_error: float | None
    """Of numbers: how far off on average, without sign."""
    latency_ms: float
    """Mean."""


def days(repository: Repository, workload: str) -> list[Day]:
    """What was answered, by day and version, the newest first."""
    labels = _labels(repository, workload)
    groups: dict[tuple[str, str], list[Asked]] = {}
    for asked in answers_of(repository, workload):
        if asked.role != "shadow":
            groups.setdefault((asked.at[:10], asked.version or "-"), []).append(asked)
    return [_day(*key, groups[key], labels) for key in sorted(groups, reverse=True)]


def _day(day: str, version: str, answers: list[Asked], labels: dict[str, list[Label]]) -> Day:
    known = [
        (asked.predictions[one.item], one.label)
        for asked in answers
        for one in labels.get(asked.request_id, ())
        if one.item < len(asked.predictions)
    ]
    right = [prediction["label"] == label for prediction, label in known if "label" in prediction]
    errors = [abs(prediction["prediction"] - float(label)) for prediction, label in known if "prediction" in prediction]
    return Day(
        day,
        version,
        n_answers=len(answers),
        n_items=sum(len(asked.predictions) for asked in answers),
        n_labelled=len(known),
        accuracy=sum(right) / len(right) if right else None,
        mean_error=sum(errors) / len(errors) if errors else None,
        latency_ms=sum(asked.latency_ms for asked in answers) / len(answers),
    )


def to_json(told: list[Day], totals: dict[str, int]) -> str:
    """The days for a program."""
    return json.dumps({"days": [day._asdict() for day in told], "totals": totals}, indent=1)
