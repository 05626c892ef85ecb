"""Corrections: a person's file of record_ids and right targets becomes a decision beside each batch that holds them.

All of the file or nothing: whatever is wrong with it is said at once, row by row, as a person finds it in the file.
"""

import importlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.data.manifest import Decision
from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import Workload
from gristmill.kinds.tabular.records.dialect import Dialect, find_dialect
from gristmill.kinds.tabular.records.text import OverlongRowError
from gristmill.quality.decisions import fitted, read_decisions
from gristmill.runs.deciding import Decided, commit_decisions
from gristmill.runs.landed import Landing, LastTurn, Tables
from gristmill.runs.repository import Repository

_RECORD, _TARGET = "record_id", "target"
_SHOWN = 20
"""Problems that are spelt out; of a file of another workload, each row would be one."""
_MOST_CLASSES = 12

Target = str | int | float


class CorrectionsError(GristmillError):
    """A file of corrections that cannot be taken in as a whole; nothing was changed."""

    def __init__(self, file: Path, problems: list[str]) -> None:
        super().__init__(file, problems)

    def __str__(self) -> str:
        file, problems = self.args
        shown = "\n".join(f"  {problem}" for problem in problems[:_SHOWN])
        more = f"\n  ... and {len(problems) - _SHOWN:,} more like these" if len(problems) > _SHOWN else ""
        return f"{file.name} was not taken in, and nothing was changed:\n{shown}{more}"


class _Line(NamedTuple):
    """One row of the file."""

    number: int
    """Counted from 1, below the header."""
    record: str
    target: str


def correct(
    repository: Repository,
    workload: Workload,
    file: Path,
    reason: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Decided:
    """Give records other targets, in every batch that holds them.

    Args:
        repository: whose mill.
        workload: whose records; its params say which classes there are.
        file: CSV with the columns `record_id` and `target`, in any dialect that tables are read in; others are passed over.
        reason: why; it stands in the history.
        now: the clock.

    Raises:
        NoDataError: nothing has landed.
        CorrectionsError: a row names no known record, a target that does not fit, or what another row contradicts.
        CacheMissError: the cache lacks a batch.
    """
    lines, dialect = _read(file)
    search = _Search(lines, dialect, classes_of(workload))

    def choose(tip: str) -> dict[str, Decision]:
        nonlocal search
        search = _Search(lines, dialect, search.classes)
        landing, turn = Landing(repository, workload.name, tip), LastTurn(repository, workload.name, tip)
        tables = Tables(workload, landing, turn)
        targets = {
            batch: search.targets(tables.read(batch, [_RECORD, _TARGET]).rows, landing.decisions(batch))
            for batch in landing.batches
        }
        if problems := search.all_problems(workload.name):
            raise CorrectionsError(file, problems)
        if not any(targets.values()):
            raise CorrectionsError(file, ["every record in it has that target already"])
        actor, at = repository.git.actor(), now()
        return {
            batch: Decision(decision="correct", actor=actor, reason=reason, at=at, targets=given)
            for batch, given in targets.items()
            if given
        }

    made = commit_decisions(repository, workload.name, choose)
    n_idle = len(lines) - len(search.changed)
    already = f"{n_idle:,} {'record has' if n_idle == 1 else 'records have'} the target that the file gives already"
    return Decided(tuple(made), len(search.changed), (already,) if n_idle else ())


class _Search:
    """Looks for the records of a file of corrections, batch by batch."""

    def __init__(self, lines: list[_Line], dialect: Dialect, classes: list[str]) -> None:
        self.classes = classes
        self.changed: set[str] = set()
        """Records that get another target than they have, in some batch."""
        self._lines = {line.record: line for line in lines}
        self._wanted = pa.array(self._lines, pa.string())
        self._dialect = dialect
        self._found: set[str] = set()
        self._problems: dict[int, str] = {}

    def targets(self, rows: pa.Table, decisions: Mapping[str, Decision]) -> dict[str, Target]:
        """The new targets of those records that a batch holds (as record_id, target)."""
        column = rows.schema.field(_TARGET).type
        here = np.flatnonzero(pc.is_in(rows.column(_RECORD), self._wanted).to_numpy())
        corrections = read_decisions(list(decisions.values()), rows.column(_RECORD)).corrections if len(here) else {}
        given: dict[str, Target] = {}
        for position, row in zip(here.tolist(), rows.take(pa.array(here)).to_pylist(), strict=True):
            line = self._lines[row[_RECORD]]
            self._found.add(line.record)
            target = _fit(line.target, column, self.classes, self._dialect)
            present = fitted(corrections[position].target, column) if position in corrections else row[_TARGET]
            if target is None:
                self._problems[line.number] = _misfit(line.target, self.classes)
            elif target != present:
                given[line.record] = target
        self.changed |= given.keys()
        return given

    def all_problems(self, workload: str) -> list[str]:
        """What is wrong with the file, in the order of its rows, once every batch was searched."""
        unknown = {
            line.number: f"'{line.record}' is no record of {workload}"
            for line in self._lines.values()
            if line.record not in self._found
        }
        return [f"row {number}: {problem}" for number, problem in sorted({**self._problems, **unknown}.items())]


def _read(file: Path) -> tuple[list[_Line], Dialect]:
    """The rows of the file, one for each record.

    Raises:
        CorrectionsError: it is not such a file, or some of its rows cannot be read.
    """
    try:
        dialect = find_dialect(file, (_RECORD, _TARGET))
        rows = (cells for chunk in list(dialect.chunks(file)) for cells in chunk)
    except OSError as error:
        raise CorrectionsError(file, [f"it cannot be read ({error.strerror})"]) from error
    except OverlongRowError as error:
        raise CorrectionsError(file, ["a row of it does not end"]) from error
    header = [cell.strip() for cell in next(rows, [])]
    if missing := [name for name in (_RECORD, _TARGET) if header.count(name) != 1]:
        raise CorrectionsError(file, [f"its header needs one column {' and one '.join(missing)}"])
    lines: dict[str, _Line] = {}
    problems = []
    for number, cells in enumerate(rows, 1):
        if len(cells) != len(header):
            problems.append(f"row {number}: {len(cells)} cells where the header has {len(header)}")
            continue
        line = _Line(number, cells[header.index(_RECORD)].strip(), cells[header.index(_TARGET)].strip())
        first = lines.setdefault(line.record, line)
        if not line.record or not line.target:
            problems.append(f"row {number}: the {_TARGET if line.record else _RECORD} is empty")
        elif first.target != line.target:
            problems.append(f"row {number}: '{line.record}' has another target here than in row {first.number}")
    if not lines and not problems:
        problems = ["it holds no rows"]
    if problems:
        raise CorrectionsError(file, problems)
    return list(lines.values()), dialect


def classes_of(workload: Workload) -> list[str]:
    """The classes of the workload in the order of their numbers; none where a number is predicted."""
    tensors = importlib.import_module(f"gristmill.kinds.{workload.kind}.tensors")
    contract = tensors.contract(tensors.PrepareSettings.read(workload.params, "prepare"))
    return list(contract.get("classes") or ())


def _fit(text: str, column: pa.DataType, classes: list[str], dialect: Dialect) -> Target | None:
    """A target as the column has it, or None where it does not fit; a class whose number is kept may be named."""
    number = fitted(dialect.number(text), pa.float64())
    if pa.types.is_integer(column):
        if text in classes:
            return classes.index(text)
        return int(number) if number is not None and number in range(len(classes)) else None
    if classes:
        return text if text in classes else None
    return None if number is None else float(number)


def _misfit(text: str, classes: list[str]) -> str:
    if not classes:
        return f"'{text}' is not a number"
    more = f" and {len(classes) - _MOST_CLASSES} more" if len(classes) > _MOST_CLASSES else ""
    return f"'{text}' is none of the classes ({', '.join(classes[:_MOST_CLASSES])}{more})"
