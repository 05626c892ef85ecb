"""Landing what is new in sources that grow, each arrival in one commit with the ledger that says so.

A kill at any moment leaves either both or neither, and the ledger is the compare-and-set of two machines: who comes second
finds it moved, lands nothing, and looks again. On one machine a lock keeps the second one waiting.
"""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from gristmill.data.growing.arrivals import Arrival, Found
from gristmill.data.growing.bucket import look_into_bucket
from gristmill.data.growing.folder import StillWrittenError, look_into_folder
from gristmill.data.growing.ledger import Ledger, OvertakenError
from gristmill.data.growing.query import look_into_query
from gristmill.data.growing.settings import BucketSource, FolderSource, GrowingSource, QuerySource
from gristmill.data.mirrors import Report, quiet
from gristmill.ground.errors import GristmillError
from gristmill.ground.locks import locked
from gristmill.ground.workload import Workload
from gristmill.runs.checks import check_lines
from gristmill.runs.landing import Landed, land
from gristmill.runs.repository import Repository


@dataclass
class Visit:
    """One visit to a source: who looks where, and what has come of it so far."""

    repository: Repository
    workload: Workload
    source: GrowingSource
    say: Callable[[str], None]
    """Told of each batch, a line each."""
    report: Report = quiet
    """Told of the progress."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends the visit after the batch at hand."""
    warnings: list[str] = field(default_factory=list)
    """Sentences about what will soon be amiss."""
    landed: list[Landed] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Sentences about what is not whole yet."""
    amiss: list[str] = field(default_factory=list)
    """Sentences about what could not land."""

    def take_new(self) -> None:
        """Land all that is new in the source; what could not land is in `amiss`, and what has landed stays."""
        try:
            if told := self.source.check_right(f"source.growing.{self.source.name}", today()):
                self.warnings.append(told)
            with locked(self._note("lock"), lambda: self._tell("another process is looking there; waiting for it")):
                is_all = False
                while not (is_all or self.stop.is_set()):
                    found = self._look(self._ledger(self.repository.mill.tip()))
                    self.waiting, self.amiss = list(found.waiting), list(found.amiss)
                    is_all = self._land_all(found)
        except (GristmillError, OSError) as error:
            self.amiss.append(_words(error))

    def _look(self, ledger: Ledger) -> Found:
        match self.source:
            case FolderSource():
                notes, root = self._note("json"), self.repository.here
                return look_into_folder(self.source, root, ledger, notes, self.stop.wait)
            case BucketSource():
                return look_into_bucket(self.source, ledger)
            case QuerySource():
                now = datetime.now(UTC)
                return look_into_query(self.source, self.repository.here, ledger, now, self.report)
        raise AssertionError(self.source)

    def _land_all(self, found: Found) -> bool:
        """Whether nothing is left that another look would find."""
        for arrival in found.arrivals:
            if self.stop.is_set():
                return True
            try:
                landed = self._land(arrival)
            except OvertakenError:
                return False
            except StillWrittenError as error:
                self.waiting.append(str(error))
            except (GristmillError, OSError) as error:
                self.amiss.append(_words(error))
            else:
                self.landed.append(landed)
                what = "landed" if landed.is_new else "had landed before:"
                self._tell(f"{what} batch {landed.manifest.batch} ({arrival.what})")
                for line in check_lines(landed.check):
                    self._tell(line)
        return found.is_all or bool(self.amiss)

    def _land(self, arrival: Arrival) -> Landed:
        def alongside(tip: str | None) -> Mapping[str, bytes]:
            ledger = self._ledger(tip)
            return {ledger_path(self.workload.name): ledger.to_file({self.source.name: arrival.move(ledger)})}

        work = self._note("work")
        shutil.rmtree(work, ignore_errors=True)  # a killed process may have left something
        work.mkdir(parents=True)
        try:
            return land(
                self.repository,
                self.workload,
                arrival.bring(work, self.report),
                origin=f"{self.source.name}: {arrival.what}",
                licence=self.source.licence,
                terms=self.source.terms,
                alongside=alongside,
            )
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _ledger(self, tip: str | None) -> Ledger:
        return Ledger.of(self.repository.mill.read(ledger_path(self.workload.name), tip))

    def _note(self, suffix: str) -> Path:
        name = f"{self.workload.name}.{self.source.name}.{suffix}"  # neither name holds a dot
        return self.repository.state / "growing" / name

    def _tell(self, line: str) -> None:
        self.say(f"{self.workload.name}: {self.source.name}: {line}")


def _words(error: GristmillError | OSError) -> str:
    if isinstance(error, GristmillError):
        return str(error)
    return f"{error.filename or 'this machine'}: {error.strerror or error}"


def ledger_path(workload: str) -> str:
    """Where the ledger of a workload lies on `mill`."""
    return f"data/{workload}/ledger.json"


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()
