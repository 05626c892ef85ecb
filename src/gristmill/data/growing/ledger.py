"""The ledger: what has been taken from each growing source of a workload, on `mill` beside the data.

    data/<w>/ledger.json    by the source's name: files with what was taken of each, or a mark with the rows beyond doubt

It moves in the same commit as the landing that it is about, so the two never disagree, and it is the compare-and-set of two
machines that look at one source: who comes second finds it moved, lands nothing, and looks again.
"""

import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill.ground.errors import GristmillError

JsonMark = int | float | str
Identity = JsonMark | tuple[JsonMark, str]
"""What a row is known by: its mark, and a hash of its key where it has one."""


class OvertakenError(GristmillError):
    """Somebody else has taken it meanwhile."""

    def __str__(self) -> str:
        return f"another process has just taken {self.args[0]}. Look again."


class LedgerError(GristmillError):
    """A ledger that does not fit the source."""

    def __str__(self) -> str:
        return f"the ledger on `mill` does not fit: {self.args[0]}"


class FilesTaken(BaseModel):
    """Of a folder or a bucket."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    files: dict[str, str]
    """Name below the source to what was taken: the batch that it became (folder), or its ETag (bucket)."""

    def take(self, name: str, before: str | None, now: str) -> "FilesTaken":
        """With one more file taken.

        Raises:
            OvertakenError: what had been taken of it is no longer what it was.
        """
        if self.files.get(name) != before:
            raise OvertakenError(name)
        return FilesTaken(files={**self.files, name: now})


class RowsTaken(BaseModel):
    """Of a query."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    mark: JsonMark
    """The newest mark; a time stamp in ISO 8601."""
    rows: tuple[JsonMark | tuple[JsonMark, tuple[str, ...]], ...]
    """The rows taken that the next look will meet again: their marks, each with the hashes of its keys where it has any."""

    @classmethod
    def of(cls, mark: JsonMark, rows: set[Identity]) -> "RowsTaken":
        """The entry of these rows; the same for the same rows, whatever their order."""
        keys: dict[JsonMark, set[str]] = {}
        for row in rows:
            at, key = row if isinstance(row, tuple) else (row, None)
            keys.setdefault(at, set()).update([key] if key else [])
        marks = sorted(keys, key=lambda at: (isinstance(at, str), at))
        return cls(mark=mark, rows=tuple((at, tuple(sorted(keys[at]))) if keys[at] else at for at in marks))

    @property
    def identities(self) -> set[Identity]:
        """What the rows are known by."""
        alone = {row for row in self.rows if not isinstance(row, tuple)}
        return alone | {(row[0], key) for row in self.rows if isinstance(row, tuple) for key in row[1]}


Taken = FilesTaken | RowsTaken


class Ledger(BaseModel):
    """What has been taken, by the name of the source."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sources: dict[str, Taken] = {}

    @classmethod
    def of(cls, content: bytes | None) -> "Ledger":
        """Read a ledger; where there is none, nothing has been taken.

        Raises:
            LedgerError: it cannot be read.
        """
        try:
            return cls(sources=json.loads(content) if content else {})
        except (ValueError, ValidationError) as error:
            raise LedgerError(f"it cannot be read ({' '.join(str(error).split())})") from error

    def files(self, source: str) -> FilesTaken:
        """What has been taken from a folder or a bucket."""
        taken = self.sources.get(source, FilesTaken(files={}))
        if not isinstance(taken, FilesTaken):
            raise LedgerError(f"'{source}' was a query before. Give the new source a name of its own.")
        return taken

    def rows(self, source: str) -> RowsTaken | None:
        """What has been taken from a query; None before the first row."""
        taken = self.sources.get(source)
        if isinstance(taken, FilesTaken):
            raise LedgerError(f"'{source}' was a folder or a bucket before. Give the new source a name of its own.")
        return taken

    def to_file(self, moved: Mapping[str, Taken]) -> bytes:
        """The bytes with some sources' entries replaced: the same for the same content, an entry a line."""
        sources: Mapping[str, Taken] = {**self.sources, **moved}
        content = {name: taken.model_dump(mode="json") for name, taken in sources.items()}
        return (json.dumps(content, indent=0, sort_keys=True, ensure_ascii=False) + "\n").encode()
