"""What an answer rests on: its version and verdict, the data with every batch, and the code, each from where it is kept.

Nothing is guessed. What cannot be told (a tag that was removed, lists that the cache lacks) is a sentence among the gaps,
and the rest of the trace stands.
"""

import json
from dataclasses import dataclass
from typing import Any

from gristmill.adapters.dvc import CacheMissError, read_lock
from gristmill.data.manifest import Decision, LandedFileError, Manifest
from gristmill.ground.errors import GristmillError
from gristmill.registry.history import Event, read_history
from gristmill.registry.versions import Version, read_versions
from gristmill.runs.landed import Landing
from gristmill.runs.repository import Repository
from gristmill.runs.requests import Asked, Label, find_labels, find_request
from gristmill.runs.waiting import milled_version
from gristmill.runs.workspace import NoDataError


@dataclass(frozen=True)
class Batch:
    """One batch, as the turn that made the model judged it."""

    batch: str
    role: str
    status: str
    n_rows: int
    rows: dict[str, int]
    """By status, of those that occur."""
    landed: str | None
    """When, ISO 8601."""
    manifest: Manifest | None = None
    """None where the cache lacks it."""
    decisions: tuple[Decision, ...] = ()
    """Oldest first."""


@dataclass(frozen=True)
class Source:
    """Where a version's facts are read: its tag, or the record of its turn on `mill` where the tag is gone."""

    rev: str
    version: str
    """The one whose turn trained the model."""
    verdict: str
    sentence: str
    data: str | None
    """md5 of the landing: the data version."""
    code: str
    base: str
    """The commit on `mill` that the turn started from."""
    is_tagged: bool


@dataclass(frozen=True)
class Trace:
    """An answer, and what it rests on as far as it is known."""

    asked: Asked
    labels: tuple[Label, ...]
    version: str | None
    source: Source | None
    promotions: tuple[Event, ...]
    """When and why the version came into production, newest first."""
    batches: tuple[Batch, ...]
    restore: tuple[str, ...]
    """Commands that bring data, code and model back into a working tree."""
    gaps: tuple[str, ...]


def trace(repository: Repository, request_id: str) -> Trace:
    """Follow an answer back.

    Raises:
        UnknownRequestError: no answered request is called so.
    """
    asked = find_request(repository, request_id)
    gaps: list[str] = []
    try:
        labels = find_labels(repository, asked)
    except GristmillError as error:
        labels = []
        gaps.append(str(error))
    events = read_history(repository.mill, asked.workload)
    version, source = _source(repository, asked, events, gaps)
    return Trace(
        asked=asked,
        labels=tuple(labels),
        version=version,
        source=source,
        promotions=tuple(event for event in events if version and _promotes(event, version)),
        batches=tuple(_batches(repository, asked.workload, source, events, gaps)) if source else (),
        restore=_restore(asked.workload, source) if source else (),
        gaps=tuple(gaps),
    )


def _source(
    repository: Repository, asked: Asked, events: list[Event], gaps: list[str]
) -> tuple[str | None, Source | None]:
    """The version that answered, and where the facts of its model are."""
    workload = asked.workload
    alike = [one for one in read_versions(repository.git, workload) if one.model_sha256 == asked.model_sha256]
    named = [one for one in alike if asked.version in (one.version, None)]
    if named:
        return named[-1].version, _tagged(named[-1], alike[0])
    if asked.version is None:
        gaps.append(f"no version of {workload} has the model {asked.model_sha256[:12]}: it was served from elsewhere")
        return None, None
    gaps.append(
        f"the tag {workload}@{asked.version} is gone, or names another model than the one that answered. Where git's origin "
        f"has it: `git fetch origin tag {workload}@{asked.version}`. What follows is from the branch 'mill'"
    )
    turns = [event for event in events if event.trailers.get("Version") == asked.version and "Base" in event.trailers]
    return asked.version, _recorded(repository, workload, turns[-1]) if turns else None


def _tagged(version: Version, made: Version) -> Source:
    return Source(
        rev=made.tag,
        version=made.version,
        verdict=version.verdict,
        sentence=version.sentence,
        data=made.data,
        code=version.code,
        base=made.base,
        is_tagged=True,
    )


def _recorded(repository: Repository, workload: str, turn: Event) -> Source:
    gate = json.loads(repository.mill.read(f"reports/{workload}/gate.json", turn.commit) or b"{}")
    return Source(
        rev=turn.commit,
        version=turn.trailers["Version"],
        verdict=turn.trailers.get("Verdict", "unknown"),
        sentence=gate.get("sentence", ""),
        data=milled_version(read_lock(repository.mill.read("dvc.lock", turn.commit)), workload),
        code=turn.trailers["Code"],
        base=turn.trailers["Base"],
        is_tagged=False,
    )


def _promotes(event: Event, version: str) -> bool:
    return event.trailers.get("Version") == version and event.subject.startswith(("promote ", "rollback "))


def _batches(
    repository: Repository, workload: str, source: Source, events: list[Event], gaps: list[str]
) -> list[Batch]:
    report = repository.git.read(source.rev, f"reports/{workload}/validation.json")
    if report is None:
        gaps.append(
            f"{source.rev} holds no reports/{workload}/validation.json, so which batches were admitted is not known"
        )
        return []
    landing = None
    try:
        landing = Landing(repository, workload, source.rev)
    except (CacheMissError, NoDataError) as error:
        gaps.append(f"origins, licences and decisions of the batches are not known: {error}")
    landed = {event.trailers["Batch"]: event.at for event in reversed(events) if "Batch" in event.trailers}
    return [_batch(entry, landed.get(entry["batch"]), landing, gaps) for entry in json.loads(report)["batches"]]


def _batch(entry: dict[str, Any], landed: str | None, landing: Landing | None, gaps: list[str]) -> Batch:
    name = entry["batch"]
    manifest, decisions = None, tuple[Decision, ...]()
    try:
        if landing is not None:
            manifest, decisions = landing.manifest(name), tuple(landing.decisions(name).values())
    except (CacheMissError, LandedFileError, KeyError) as error:
        gaps.append(f"what came with batch {name} is not known: {error}")
    rows = {status: n for status, n in entry["rows"].items() if n}
    return Batch(name, entry["role"], entry["status"], entry["n_rows"], rows, landed, manifest, decisions)


def _restore(workload: str, source: Source) -> tuple[str, ...]:
    if source.is_tagged:
        begin = [f"git switch --detach {workload}@{source.version}"]
    else:
        begin = [
            f"git switch --detach {source.code}",
            f"git restore --source={source.rev} --worktree -- data models reports dvc.lock",
        ]
    return (*begin, "dvc checkout --allow-missing", f"dvc repro package@{workload}")


def to_json(traced: Trace) -> dict[str, Any]:
    """For a program."""
    source = traced.source
    return {
        "request": {**traced.asked._asdict(), "labels": [label._asdict() for label in traced.labels]},
        "version": traced.version,
        "trained_by": source.version if source else None,
        "verdict": {"verdict": source.verdict, "sentence": source.sentence} if source else None,
        "promotions": [
            {"commit": event.commit, "at": event.at, **{key.lower(): value for key, value in event.trailers.items()}}
            for event in traced.promotions
        ],
        "data": {"landing_md5": source.data, "mill_commit": source.base} if source else None,
        "batches": [
            {
                "batch": batch.batch,
                "role": batch.role,
                "status": batch.status,
                "n_rows": batch.n_rows,
                "rows": batch.rows,
                "landed": batch.landed,
                "origin": batch.manifest.origin if batch.manifest else None,
                "licence": batch.manifest.licence if batch.manifest else None,
                "decisions": [one.model_dump(mode="json", exclude={"finding"}) for one in batch.decisions],
            }
            for batch in traced.batches
        ],
        "code": source.code if source else None,
        "restore": list(traced.restore),
        "gaps": list(traced.gaps),
    }
