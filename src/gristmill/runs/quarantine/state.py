"""Where each landed batch stands: what the last turn made of it, and what was decided or went wrong since."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gristmill.adapters.dvc import CacheMissError
from gristmill.data.manifest import Decision, Manifest
from gristmill.registry.history import read_history
from gristmill.runs.landed import Landing, LastTurn, files_by_batch
from gristmill.runs.landing import landing_md5
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import NoDataError, fault, kept_failures

WAITING = ("quarantined", "withheld", "dropped", "reverted")
"""Statuses of rows that a person can change."""


@dataclass(frozen=True)
class BatchState:
    """One landed batch."""

    workload: str
    manifest: Manifest
    status: str
    """As the last turn left it; `unjudged` where it landed since, `error` where a turn that would have judged it failed."""
    landed: str | None
    """When, ISO 8601."""
    n_rows: int | None
    """None until it is judged."""
    rows: dict[str, int]
    """Rows by status, of those statuses that occur."""
    reasons: list[dict[str, Any]]
    """As in validation.json: reason, n_rows, severity."""
    decisions: dict[str, Decision]
    """By file name, oldest first."""
    since: tuple[str, ...]
    """The decisions that no turn has taken in yet."""
    fault: str = ""
    """Why the last turn failed, of a batch with the status `error`."""

    @property
    def batch(self) -> str:
        """Its id."""
        return self.manifest.batch


class States:
    """Where the batches of a workload stand at the tip of `mill`."""

    def __init__(self, repository: Repository, workload: str) -> None:
        """Read what there is to know of all of them.

        Raises:
            NoDataError: nothing has landed.
            CacheMissError: the cache lacks the list of what landed.
        """
        tip = repository.mill.tip()
        if tip is None:
            raise NoDataError(workload)
        self._repository, self.workload = repository, workload
        self.landing = Landing(repository, workload, tip)
        self.turn = LastTurn(repository, workload, tip)
        self._landed = {
            event.trailers["Batch"]: event.at
            for event in read_history(repository.mill, workload)
            if event.subject.startswith(f"land {workload}:") and "Batch" in event.trailers
        }
        self._failed, self._fault = self._failure()

    def waiting(self) -> list[BatchState]:
        """The batches that want to be looked at, or that the next turn will look at; the newest first."""
        chosen = [batch for batch in self.landing.batches if self._waits(batch)]
        return [self.of(batch) for batch in self.newest(chosen)]

    def newest(self, batches: Iterable[str]) -> list[str]:
        """These batches in the order of their landing, the newest first."""
        return sorted(batches, key=lambda batch: self._landed.get(batch, ""), reverse=True)

    def of(self, batch: str) -> BatchState:
        """One batch."""
        judged = self.turn.judged.get(batch)
        decisions = self.landing.decisions(batch)
        status = judged["status"] if judged else "error" if batch in self._failed else "unjudged"
        return BatchState(
            workload=self.workload,
            manifest=self.landing.manifest(batch),
            status=status,
            landed=self._landed.get(batch),
            n_rows=judged["n_rows"] if judged else None,
            rows={name: n for name, n in judged["rows"].items() if n} if judged else {},
            reasons=judged["reasons"] if judged else [],
            decisions=decisions,
            since=tuple(name for name in self._since(batch) if decisions[name].decision != "check"),
            fault=self._fault if status == "error" else "",
        )

    def _waits(self, batch: str) -> bool:
        judged = self.turn.judged.get(batch)
        if judged is None or not judged["n_rows"] or any(judged["rows"][status] for status in WAITING):
            return True
        return bool(self._since(batch))

    def _since(self, batch: str) -> list[str]:
        known = self.turn.decision_names(batch)
        return [name for name in self.landing.decision_names(batch) if name not in known]

    def _failure(self) -> tuple[set[str], str]:
        """The batches that the turn which failed last would have judged, and its fault."""
        failures = kept_failures(self._repository, self.workload)
        pointer = failures[-1] / "data" / self.workload / "landing.dvc" if failures else None
        if pointer is None or not pointer.is_file():
            return set(), ""
        try:
            listing = self._repository.dvc.listing(landing_md5(pointer.read_bytes()))
        except CacheMissError:
            return set(), ""
        return set(files_by_batch(listing)), fault(failures[-1])


def to_json(states: list[BatchState]) -> str:
    """The list for a program."""
    return json.dumps(
        [
            {
                "batch": state.batch,
                "role": state.manifest.role,
                "status": state.status,
                "landed": state.landed,
                "n_rows": state.n_rows,
                "rows": state.rows,
                "reasons": state.reasons,
                "decided_since": [
                    state.decisions[name].model_dump(mode="json", include={"decision", "actor", "reason", "at"})
                    for name in state.since
                ],
                "fault": state.fault,
            }
            for state in states
        ],
        indent=1,
        ensure_ascii=False,
    )
