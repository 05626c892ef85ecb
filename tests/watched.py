"""The inboxes of a repository, watched in a time that passes only when it is told to."""

import threading
from pathlib import Path

from gristmill.registry.history import Event, read_history
from gristmill.runs import inbox
from gristmill.runs.inbox import SETTLED_S, inbox_notes
from gristmill.runs.repository import Repository
from gristmill.runs.voice import Voice


class Watched:
    """Inboxes, and whoever looks at them."""

    def __init__(self, repository: Repository) -> None:
        self.repository, self.said, self.now = repository, list[str](), 1000.0
        self._settling = inbox._Settling(repository, Voice(self.said.append), threading.Event())

    def drop(self, name: str, text: str = "x\n1\n", workload: str = "credit-risk") -> Path:
        path = self.repository.here / "data" / workload / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def look(self, after_s: float = 0.0) -> None:
        self.now += after_s
        self._settling.look(self.now)

    def rest(self) -> None:
        """See what there is, and see it again when it has come to rest."""
        self.look(0.25)
        self.look(SETTLED_S)

    def is_gathering(self, workload: str = "credit-risk") -> bool:
        return self._settling.is_gathering(workload, self.now)

    @property
    def landed(self) -> list[str]:
        """The names of all landings, oldest first."""
        return [event.subject.partition(": ")[2] for event in self.landings]

    @property
    def landings(self) -> list[Event]:
        """Their commits."""
        events = read_history(self.repository.mill) if self.repository.mill.tip() else []
        return [event for event in reversed(events) if "Batch" in event.trailers]

    @property
    def notes(self) -> list[str]:
        return inbox_notes(self.repository)

    def is_empty(self, workload: str = "credit-risk") -> bool:
        return list((self.repository.here / "data" / workload / "inbox").iterdir()) == []
