"""Decisions of a person about what landed: files beside the batch and one commit on `mill`, in force from the next turn on.

Nothing that landed is changed, and nothing that was decided is taken back: the newest decision stands. Whoever loses a race
decides again on the new tip, where the same question may have another answer.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.adapters.dvc import Dvc, DvcError
from gristmill.data.batches import read_batch
from gristmill.data.manifest import Decision
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import write_json
from gristmill.ground.workload import Workload
from gristmill.quality.decisions import Standing, read_decisions
from gristmill.quality.statuses import Status
from gristmill.registry.mill import Change
from gristmill.runs.landed import Landing, LastTurn, Tables
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import NoDataError, sweep, worktree

Verb = Literal["release", "drop", "revert"]

Chosen = npt.NDArray[np.bool_]
"""Which rows of a batch."""

_ANY_ROW = pa.chunked_array([[""]])
_NAMED = 5
"""Records that a sentence names."""
_LEAST_PREFIX = 8
"""Digits from which on the beginning of a record_id names a row; shorter ones may be ids of their own."""


class DecisionError(GristmillError):
    """A decision that means nothing, or about rows that are not there; nothing was changed."""


class Decided(NamedTuple):
    """What was decided."""

    batches: tuple[str, ...]
    n_rows: int | None
    """Rows that the decision names; None where it is about whole batches."""
    notes: tuple[str, ...]
    """What else a person should know."""


def decide(
    repository: Repository,
    workload: Workload,
    asked: str,
    verb: Verb,
    reason: str,
    rows: Sequence[str] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Decided:
    """Release, drop or take out a batch or some of its rows.

    Args:
        repository: whose mill.
        workload: whose batch.
        asked: the batch's id, or its beginning.
        verb: what is decided. `revert` takes out what was admitted, and is about a whole batch.
        reason: why; it stands in the history.
        rows: record_ids, or at least 8 of their first digits; None for the whole batch.
        now: the clock.

    Raises:
        NoDataError, BatchNameError: there is no such batch.
        DecisionError: the decision means nothing.
        CacheMissError: the cache lacks what says which rows there are.
    """
    notes: tuple[str, ...] = ()

    def choose(tip: str) -> dict[str, Decision]:
        nonlocal notes
        landing, turn = Landing(repository, workload.name, tip), LastTurn(repository, workload.name, tip)
        batch = landing.find(asked)
        named, notes = _Question(workload, landing, turn, batch).answer(verb, rows)
        decision = Decision(decision=verb, actor=repository.git.actor(), reason=reason, at=now(), rows=named)
        return {batch: decision}

    made = commit_decisions(repository, workload.name, choose)
    (batch, decision) = next(iter(made.items()))
    return Decided((batch,), None if decision.rows is None else len(decision.rows), notes)


def commit_decisions(
    repository: Repository, workload: str, choose: Callable[[str], Mapping[str, Decision]]
) -> Mapping[str, Decision]:
    """Put decisions beside their batches, in one commit.

    Args:
        repository: whose mill.
        workload: whose batches.
        choose: given the tip of `mill`, what is decided there, by batch; it is asked again on a new tip after a lost race.

    Returns:
        What was decided.

    Raises:
        NoDataError: nothing has landed.
        GristmillError: what `choose` raises, or DVC or git refused; nothing was changed.
    """
    sweep(repository)
    made: Mapping[str, Decision] = {}
    if (tip := repository.mill.tip()) is None:
        raise NoDataError(workload)
    choose(tip)  # what means nothing is refused before anything is made
    with worktree(repository, f"decide-{workload}-{secrets.token_hex(4)}", tip, is_kept=False) as tree:
        dvc = Dvc(tree, repository.cache)

        def build(tip: str | None) -> list[Change]:
            nonlocal made
            assert tip is not None
            made = choose(tip)
            return [_change(repository, workload, dvc, made, tip)]

        try:
            repository.mill.commit(build)
        except (OSError, DvcError) as error:
            raise DecisionError(f"nothing was decided: {error}") from error
    return made


def _change(repository: Repository, workload: str, dvc: Dvc, decisions: Mapping[str, Decision], tip: str) -> Change:
    landing = Landing(repository, workload, tip)
    pointer = f"data/{workload}/landing.dvc"
    (dvc.root / pointer).write_bytes(repository.mill.read(pointer, tip) or b"")
    paths = []
    for batch, decision in decisions.items():
        number = max((int(name[:4]) for name in landing.decision_names(batch)), default=0) + 1
        path = f"{landing.folder(batch)}/{number:04}-{decision.decision}.json"
        write_json(dvc.root / path, decision.model_dump(mode="json", exclude_none=True))
        paths.append(path)
    dvc.add(*paths)  # granular: what else has landed need not be here
    first = next(iter(decisions.values()))
    n_rows = sum(len(decision.rows or decision.targets or ()) for decision in decisions.values())
    about = f"{len(decisions):,} batches" if len(decisions) > 1 else f"batch {next(iter(decisions))}"
    trailers = {
        "Workload": workload,
        "Actor": first.actor,
        "Reason": first.reason,
        "Decision": first.decision,
        "Batch": " ".join(decisions),
        "Rows": str(n_rows) if n_rows else "",
    }
    return Change(f"{first.decision} {workload}: {about}", {pointer: (dvc.root / pointer).read_bytes()}, trailers)


class _Question:
    """What may be decided about one batch, from how its rows stand now."""

    def __init__(self, workload: Workload, landing: Landing, turn: LastTurn, batch: str) -> None:
        self.workload, self.batch, self._turn = workload.name, batch, turn
        self._tables = Tables(workload, landing, turn)
        self._decisions = landing.decisions(batch)
        self._entry = turn.judged.get(batch)

    def answer(self, verb: Verb, asked: Sequence[str] | None) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        """The rows to name (None: all of the batch), and what else is to be said.

        Raises:
            DecisionError: it means nothing, or a row is not there.
        """
        # While no decision names rows, all of them stand alike, and one stands for all.
        by_row = asked is not None or any(decision.rows for decision in self._decisions.values())
        ids = self._tables.read(self.batch, ["record_id"]).rows.column("record_id") if by_row else _ANY_ROW
        standing = read_decisions(list(self._decisions.values()), ids)
        named = None if asked is None else self._find(asked, ids)
        chosen = _are_named(ids, named)
        check = {"release": self._check_release, "drop": self._check_drop, "revert": self._check_revert}[verb]
        check(standing, chosen, ids if asked is not None else None)
        if asked is not None or verb == "drop":
            return named, ()
        # What was dropped stays dropped, and what is out already stays out for the reason that it has.
        others = standing.kept_out == Status.DROPPED if verb == "release" else standing.kept_out != Status.ADMITTED
        if others.all() or not others.any():
            return None, ()
        n = int(others.sum())
        rows = "1 row that a decision keeps out stays" if n == 1 else f"{n:,} rows that decisions keep out stay"
        note = f"{rows} as {'it is' if n == 1 else 'they are'}; `--row ID` names a row of its own"
        return tuple(dict.fromkeys(ids.filter(pa.array(~others)).to_pylist())), (note,)

    def _check_drop(self, standing: Standing, chosen: Chosen, ids: pa.ChunkedArray | None) -> None:
        if (standing.kept_out[chosen] == Status.DROPPED).all():
            raise DecisionError(f"{self._told(ids)} dropped already ({self._newest('drop')}).")

    def _check_revert(self, standing: Standing, chosen: Chosen, ids: pa.ChunkedArray | None) -> None:
        drop = f'`gristmill quarantine drop {self.workload} {self.batch} --reason "..."`'
        if (standing.kept_out != Status.ADMITTED).all():
            told = self._newest("drop", "withhold", "revert")
            raise DecisionError(f"{self._told(None)} out already ({told}). {self._back()} lets it in again.")
        if self._entry is None:
            raise DecisionError(
                f"batch {self.batch} has not been judged yet, so nothing of it is in. {drop} keeps it out."
            )
        rows = self._entry["rows"]
        if not rows["admitted"] + rows["collapsed"] and not self._is_decided_since("release"):
            raise DecisionError(
                f"nothing of batch {self.batch} is in: it is {self._entry['status']}. {drop} ends its waiting."
            )

    def _check_release(self, standing: Standing, chosen: Chosen, ids: pa.ChunkedArray | None) -> None:
        out = standing.kept_out != Status.ADMITTED
        waits = out | (self._quarantined(len(out), ids is not None) & ~standing.released)
        idle = chosen & ~waits
        if not idle.any() or (ids is None and waits.any()):
            return
        run = f"`gristmill run {self.workload}`"
        if self._entry is None:
            raise DecisionError(f"nothing keeps {self._told(ids, '')} out: the next turn judges it ({run}).")
        if not self._entry["n_rows"]:
            raise DecisionError(f"batch {self.batch} holds no rows, so there is nothing to release. Land it anew.")
        if standing.released[idle].all() and self._is_decided_since("release"):
            done = f"{self._told(ids)} released already ({self._newest('release')})"
            raise DecisionError(f"{done}; the next turn takes it in: {run}.")
        if standing.released[idle].all() and self._entry["rows"]["quarantined"]:
            why = next(line["reason"] for line in self._entry["reasons"] if line["severity"] == "critical")
            raise DecisionError(
                f"{self._told(ids)} released already ({self._newest('release')}), and waits all the same: {why}. "
                f"Correct it (`gristmill data correct {self.workload} ...`), or drop it."
            )
        if ids is None:
            raise DecisionError(f"nothing keeps batch {self.batch} out: it is {self._entry['status']}.")
        raise DecisionError(f"nothing keeps {_listed(ids.filter(pa.array(idle)).to_pylist())} out.")

    def _quarantined(self, n_rows: int, by_row: bool) -> Chosen:
        """The rows that the last turn quarantined; all of them or none, unless `by_row`."""
        n_quarantined = self._entry["rows"]["quarantined"] if self._entry else 0
        if not by_row or not n_quarantined or self._turn.is_whole(self.batch):
            return np.full(n_rows, n_quarantined > 0)
        found = np.zeros(n_rows, np.bool_)
        if path := self._turn.row_reasons(self.batch):
            found[read_batch(path, ["position"]).rows.column("position").to_numpy()] = True
        return found

    def _find(self, asked: Sequence[str], ids: pa.ChunkedArray) -> tuple[str, ...]:
        """The record_ids that are meant."""
        known = set(ids.to_pylist())
        found, unknown = [], []
        for row in dict.fromkeys(asked):
            longer = [one for one in known if one.startswith(row)] if len(row) >= _LEAST_PREFIX else []
            if row in known or len(longer) == 1:
                found.append(row if row in known else longer[0])
            else:
                unknown.append(row)
        if unknown:
            raise DecisionError(
                f"batch {self.batch} of {self.workload} has no row {_listed(unknown)} among its {len(ids):,}. "
                f"`gristmill quarantine show {self.workload} {self.batch}` shows the rows that wait."
            )
        return tuple(found)

    def _is_decided_since(self, decision: str) -> bool:
        """Whether it was decided after the last turn had begun."""
        known = self._turn.decision_names(self.batch)
        return any(one.decision == decision for name, one in self._decisions.items() if name not in known)

    def _newest(self, *decisions: str) -> str:
        made = [one for one in self._decisions.values() if one.decision in decisions]
        return f"{made[-1].actor}: {made[-1].reason}"

    def _told(self, ids: pa.ChunkedArray | None, verb: str = " is") -> str:
        return f"batch {self.batch}{verb}" if ids is None else f"what you name of batch {self.batch}{verb}"

    def _back(self) -> str:
        return f'`gristmill quarantine release {self.workload} {self.batch} --reason "..."`'


def _are_named(ids: pa.ChunkedArray, named: Sequence[str] | None) -> Chosen:
    if named is None:
        return np.ones(len(ids), np.bool_)
    is_in: Chosen = pc.is_in(ids, value_set=pa.array(named, pa.string())).to_numpy()
    return is_in


def _listed(records: Sequence[str]) -> str:
    more = f" and {len(records) - _NAMED:,} more" if len(records) > _NAMED else ""
    return ", ".join(f"'{record}'" for record in records[:_NAMED]) + more
