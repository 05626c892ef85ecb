"""Landed batches as one commit of `mill` has them, and what the last turn made of them: read from DVC's cache.

Nothing is checked out, so whoever has the cache can ask from any clone.
"""

import importlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.adapters.dvc import locked_output, read_lock
from gristmill.data.batches import BatchTable, read_batch
from gristmill.data.manifest import DECISION_FILES, Content, Decision, Manifest, read_own_file
from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import Workload
from gristmill.runs.landing import landing_md5
from gristmill.runs.repository import Repository
from gristmill.runs.waiting import milled_version
from gristmill.runs.workspace import NoDataError

if TYPE_CHECKING:
    from gristmill.kinds.contract import Records

_NAMED = 5
"""Batches that a sentence offers."""


class BatchNameError(GristmillError):
    """No batch is called so, or more than one."""

    def __init__(self, workload: str, asked: str, found: list[str], landed: int) -> None:
        super().__init__(workload, asked, found, landed)

    def __str__(self) -> str:
        workload, asked, found, n_landed = self.args
        listed = ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else "")
        if n_landed:
            return (
                f"{workload} has no batch '{asked}'. The {n_landed:,} that landed: {listed}. "
                f"`gristmill quarantine list {workload}` says which of them wait."
            )
        return f"'{asked}' could be {listed}, all of {workload}. Type more of its name."


class Landing:
    """The batches of a workload at a commit of `mill`."""

    def __init__(self, repository: Repository, workload: str, commit: str | None) -> None:
        """Read which batches there are.

        Raises:
            NoDataError: nothing has landed.
            CacheMissError: the cache lacks the list.
        """
        pointer = repository.mill.read(f"data/{workload}/landing.dvc", commit) if commit else None
        if pointer is None:
            raise NoDataError(workload)
        self._dvc, self.workload = repository.dvc, workload
        self._files = files_by_batch(self._dvc.listing(landing_md5(pointer)))

    @property
    def batches(self) -> list[str]:
        """Their ids, sorted."""
        return sorted(self._files)

    def find(self, asked: str) -> str:
        """The batch of that id, or the only one whose id begins so.

        Raises:
            BatchNameError: there is none, or more than one.
        """
        found = (
            [asked] if asked in self._files else [batch for batch in self.batches if asked and batch.startswith(asked)]
        )
        if not found:
            raise BatchNameError(self.workload, asked, self.batches, len(self._files))
        if len(found) > 1:
            raise BatchNameError(self.workload, asked, found, 0)
        return found[0]

    def folder(self, batch: str) -> str:
        """Where a batch lies, below the working tree."""
        month = next(iter(self._files[batch])).split("/")[0]
        return f"data/{self.workload}/landing/{month}/{batch}"

    def manifest(self, batch: str) -> Manifest:
        """What landed as this batch."""
        return self._own_file(batch, "manifest.json", Manifest)

    def decision_names(self, batch: str) -> list[str]:
        """The decision files beside a batch, oldest first."""
        return decision_names(self._files[batch])

    def decisions(self, batch: str) -> dict[str, Decision]:
        """What was decided about a batch, by file name, oldest first."""
        return {name: self._own_file(batch, name, Decision) for name in self.decision_names(batch)}

    @contextmanager
    def parts(self, batch: str) -> Iterator[list[Path]]:
        """The files of a batch, in the manifest's order, below a folder that is called like it.

        Raises:
            CacheMissError: the cache lacks one.
        """
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for part in self.manifest(batch).parts:
                path = Path(folder, batch, part.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(self._cached(batch, part.name))
                paths.append(path)
            yield paths

    def _own_file(self, batch: str, name: str, content: type[Content]) -> Content:
        return read_own_file(self._cached(batch, name), content, Path(self.folder(batch), name))

    def _cached(self, batch: str, name: str) -> Path:
        files = self._files[batch]
        return self._dvc.cached(next(md5 for path, md5 in files.items() if path.split("/", 2)[2] == name))


class LastTurn:
    """What the last turn of a workload that is recorded at a commit of `mill` made of its batches."""

    def __init__(self, repository: Repository, workload: str, commit: str) -> None:
        self._repository, self._workload, self._commit = repository, workload, commit
        self._lock = read_lock(repository.mill.read("dvc.lock", commit))

    @cached_property
    def judged(self) -> dict[str, dict[str, Any]]:
        """What validation.json says of each batch, by id; empty before a first turn."""
        content = self._repository.mill.read(f"reports/{self._workload}/validation.json", self._commit)
        return {entry["batch"]: entry for entry in json.loads(content)["batches"]} if content else {}

    def decision_names(self, batch: str) -> list[str]:
        """The decision files beside a batch that it took in."""
        return decision_names(self._known_files.get(batch, {}))

    @cached_property
    def _known_files(self) -> dict[str, dict[str, str]]:
        version = milled_version(self._lock, self._workload)
        return files_by_batch(self._repository.dvc.listing(version)) if version else {}

    def table(self, batch: str) -> Path:
        """The table that ingest made of a batch.

        Raises:
            CacheMissError: the cache lacks it.
        """
        return self._repository.dvc.cached(self._files("ingest", "batches")[f"{batch}.parquet"])

    def is_whole(self, batch: str) -> bool:
        """Whether a batch is quarantined as a whole."""
        return f"{batch}/reason.json" in self._files("validate", "quarantine")

    def row_reasons(self, batch: str) -> Path | None:
        """The table that says why single rows of a batch are quarantined; None where no reason names a row.

        Raises:
            CacheMissError: the cache lacks it.
        """
        files = self._files("validate", "quarantine")
        found = [files[path] for name in ("rows", "reasons") if (path := f"{batch}/{name}.parquet") in files]
        return self._repository.dvc.cached(found[0]) if found else None

    def _files(self, stage: str, output: str) -> dict[str, str]:
        out = locked_output(self._lock, f"{stage}@{self._workload}", f"data/{self._workload}/{output}")
        return self._repository.dvc.listing(out["md5"]) if out else {}


class Tables:
    """The rows of landed batches: as the last turn read them, or read now where they landed since."""

    def __init__(self, workload: Workload, landing: Landing, turn: LastTurn) -> None:
        self._workload, self._landing, self._turn = workload, landing, turn
        self._read: dict[str, BatchTable] = {}

    def read(self, batch: str, columns: Sequence[str]) -> BatchTable:
        """These columns of a batch, all rows.

        Raises:
            CacheMissError: the cache lacks its table, or its bytes.
            CorruptBatchError: its table is damaged.
            SettingsError: the section `ingest` of params/<w>.yaml does not fit.
        """
        if batch in self._turn.judged:
            return read_batch(self._turn.table(batch), columns)
        table = self.whole(batch)
        return BatchTable(table.rows.select(list(columns)), table.problems)

    def whole(self, batch: str) -> BatchTable:
        """All of a batch that has not been judged, read from what landed; once, for it may take long."""
        if batch not in self._read:
            records: Records = importlib.import_module(f"gristmill.kinds.{self._workload.kind}.records")
            settings = records.IngestSettings.read(self._workload.params, "ingest")
            with self._landing.parts(batch) as parts:
                self._read[batch] = records.read(parts, settings, batch)
        return self._read[batch]


def decision_names(files: Iterable[str]) -> list[str]:
    """Of the files of one batch, the names of its decisions, oldest first."""
    names = [path.split("/", 2)[2] for path in files]
    return sorted(name for name in names if fnmatchcase(name, DECISION_FILES))


def files_by_batch(listing: dict[str, str]) -> dict[str, dict[str, str]]:
    """The files of a landing (path to md5) by batch."""
    batches: dict[str, dict[str, str]] = {}
    for path, md5 in listing.items():
        batches.setdefault(path.split("/")[1], {})[path] = md5
    return batches
