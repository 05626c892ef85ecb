"""Growing sources, looked into again and again while `gristmill up` runs; the inbox never waits for one of them.

Each source has a thread of its own, so that a database that hangs keeps nobody else waiting. What is polled is what the
last commit declares, as in a run: a source whose name is half typed must not begin to land. What lands is asked about by
the watcher of the inboxes, which sees all data that waits.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gristmill.data.growing.settings import GrowingSource
from gristmill.data.sources import SourceSettings
from gristmill.ground.files import read_json, write_json
from gristmill.ground.workload import Workload
from gristmill.runs.growing import Visit
from gristmill.runs.repository import Repository
from gristmill.runs.voice import Voice
from gristmill.runs.workspace import workloads_at

_LOOK_S = 5.0
_END_S = 5.0
_SHOWN = 3


def poll_sources(repository: Repository, say: Callable[[str], None], stop: threading.Event) -> None:
    """Land what is new in the growing sources of every workload, each every `poll_s`, until told to stop.

    What is amiss is said once, and kept for `gristmill status`; a source that could not be read is asked again in its time.
    """
    polling = _Polling(repository, Voice(say), stop)
    while not stop.is_set():
        with polling.voice.faults("sources"):
            polling.look_around(time.monotonic())
        stop.wait(_LOOK_S)
    polling.end()


def source_notes(repository: Repository) -> list[str]:
    """What the watcher last said of sources that cannot be used, a sentence each."""
    try:
        notes: dict[str, str] = read_json(_notes(repository))
    except (OSError, ValueError):
        return []
    return list(notes.values())


class _Polling:
    def __init__(self, repository: Repository, voice: Voice, stop: threading.Event) -> None:
        self.repository, self.voice, self.stop = repository, voice, stop
        self._threads: dict[tuple[str, str], threading.Thread] = {}
        self._due: dict[tuple[str, str], float] = {}
        self._kept: dict[str, str] | None = None

    def look_around(self, now: float) -> None:
        """Begin to look into each source whose time has come."""
        declared = {(workload.name, source.name): (workload, source) for workload, source in self._declared()}
        for key, (workload, source) in declared.items():
            if now >= self._due.get(key, now) and not (key in self._threads and self._threads[key].is_alive()):
                self._due[key] = now + source.poll_s
                self._threads[key] = threading.Thread(target=self._visit, args=(workload, source), daemon=True)
                self._threads[key].start()
        for workload_name, source_name in self._threads.keys() - declared.keys():
            self.voice.tell(_about(workload_name, source_name), None)
        self._keep_notes()

    def end(self) -> None:
        """Wait a little for whoever lands at the moment; who takes longer is ended as by a kill, and loses nothing."""
        deadline = time.monotonic() + _END_S
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        _notes(self.repository).unlink(missing_ok=True)

    def _declared(self) -> Iterator[tuple[Workload, GrowingSource]]:
        code = self.repository.git.commit_of("HEAD")
        known = workloads_at(self.repository, code)
        for workload in self.repository.workloads():
            if workload.name not in known:
                continue
            with self.voice.faults(f"{workload.name}: source"):
                content = self.repository.git.read(code, f"params/{workload.name}.yaml") or b""
                for source in SourceSettings.of(workload.params, content).growing:
                    yield workload, source

    def _visit(self, workload: Workload, source: GrowingSource) -> None:
        about = _about(workload.name, source.name)
        visit = Visit(Repository(self.repository.here), workload, source, self.voice.say, stop=self.stop)
        visit.take_new()
        told = [*visit.warnings, *visit.amiss, *visit.waiting]
        more = f" And {len(told) - _SHOWN} more." if len(told) > _SHOWN else ""
        self.voice.tell(about, f"{about}: {'; '.join(told[:_SHOWN])}{more}" if told else None)

    def _keep_notes(self) -> None:
        told = dict(self.voice.told)
        if told != self._kept:
            write_json(_notes(self.repository), told)
            self._kept = told


def _about(workload: str, source: str) -> str:
    return f"{workload}: {source}"


def _notes(repository: Repository) -> Path:
    return repository.state / "sources.json"
