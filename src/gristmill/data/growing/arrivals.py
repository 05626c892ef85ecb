"""What a look at a growing source finds: arrivals, each of which lands as one batch, and what waits or is amiss."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gristmill.data.growing.ledger import Ledger, Taken
from gristmill.data.mirrors import Report
from gristmill.ground.errors import GristmillError

_TEMPORARY = (".part", ".partial", ".tmp", ".crdownload", ".download", ".filepart", ".swp", "~")


class Arrival(NamedTuple):
    """One batch to be landed."""

    what: str
    """In words, for the line about it and for the manifest's origin."""
    bring: Callable[[Path, Report], list[Path]]
    """Brings its files, into a folder that is given where they are not on this machine."""
    move: Callable[[Ledger], Taken]
    """The source's entry once this has landed, from the ledger as it is then; raises where it must not land."""


class Found(NamedTuple):
    """The result of one look."""

    arrivals: list[Arrival]
    waiting: list[str]
    """Sentences about what is not whole yet; a later look takes it."""
    amiss: list[str]
    """Sentences about what cannot land as it is."""
    is_all: bool = True
    """False where there is more, which only the next look finds."""


class SourceUnreachableError(GristmillError):
    """A source does not answer, or refuses; the text says why, and holds no secret."""

    def __str__(self) -> str:
        return str(self.args[0])


def is_temporary(name: str) -> bool:
    """Whether a file of that name is still being written: a leading dot, .part, .tmp and their like."""
    return name.startswith(".") or name.lower().endswith(_TEMPORARY)


def without(secrets: list[str | None], text: str) -> str:
    """A text in one line in which no secret stands, whoever wrote it there."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return " ".join(text.split())
