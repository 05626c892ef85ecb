"""The text of a file, a piece at a time, and the one bound on what a row may be.

A file may be larger than memory, and one broken quote makes a single row of all that follows it. So nobody holds a file
as a whole, and a row that does not end within MOST_CHARACTERS is the last one that is read of its file.
"""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

MOST_CHARACTERS = 16_777_216
"""In one row, its line end included (JSON lines: bytes)."""
BLOCK_SIZE = 4_194_304
"""Bytes that are read at once."""


class OverlongRowError(Exception):
    """A row that does not end; for this package alone, which makes it a problem of the file."""


def byte_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, in order."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_SIZE):
            yield block


def text_blocks(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, in order. Bytes that are no text in UTF-8 come as lone surrogates, in others as U+FFFD."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for block in byte_blocks(path):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


class Lines:
    """Lines of a text with their ends, whichever these are (LF, CRLF, CR)."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self._blocks = blocks
        self.n_characters = 0
        """Given since whoever takes them last set it to 0, which is to be done at the end of each row."""

    def __iter__(self) -> Iterator[str]:
        """Each line.

        Raises:
            OverlongRowError: `n_characters` would exceed MOST_CHARACTERS.
        """
        rest = ""
        for block in self._blocks:
            text = rest + block
            end = 1 + max(text.rfind("\n"), text.rfind("\r", 0, -1))  # a CR at the very end may be half of a CRLF
            rest = text[end:]
            yield from self._counted(io.StringIO(text[:end], newline=""))
            if self.n_characters + len(rest) > MOST_CHARACTERS:
                raise OverlongRowError
        yield from self._counted(io.StringIO(rest, newline=""))

    def _counted(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.n_characters += len(line)
            if self.n_characters > MOST_CHARACTERS:
                raise OverlongRowError
            yield line
