"""The directory at the end of a zip archive, read by its bytes (PKWARE APPNOTE.TXT, 4.3.12 to 4.3.16).

It is walked before the archive is opened, so that neither its length nor what it claims can fill the memory, and it is the
other way of counting what an archive holds.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from gristmill.ground.errors import GristmillError

MAX_ENTRIES = 250_000
"""Files in one archive: each costs about a kilobyte of memory before any is read."""
_MAX_BYTES = 64 * 2**20
"""Of the directory."""

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LONGEST_COMMENT = 2**16 - 1
_COUNTED = 2**16
"""Where the count begins anew in archives that should be of 64 bits and are not."""


class DirectoryError(GristmillError):
    """No directory that can be walked; its text is what follows the archive's name in a sentence."""


def entry_names(path: Path) -> list[bytes]:
    """The names in an archive, as they are written.

    Raises:
        DirectoryError: there is no whole directory, or it is too long.
    """
    with path.open("rb") as file:
        directory, n_names = _directory(file, path.stat().st_size)
    names, at = list[bytes](), 0
    while at < len(directory):
        if len(names) == MAX_ENTRIES:
            raise DirectoryError(f"holds more than {MAX_ENTRIES:,} files: split it")
        if len(directory) - at < _ENTRY.size or directory[at : at + 4] != b"PK\x01\x02":
            raise _damaged()
        n_name, n_extra, n_comment = _ENTRY.unpack_from(directory, at)[10:13]
        start = at + _ENTRY.size
        names.append(directory[start : start + n_name])
        at = start + n_name + n_extra + n_comment
    if at != len(directory) or (len(names) - n_names) % _COUNTED:
        raise _damaged()
    return names


def _directory(file: BinaryIO, size: int) -> tuple[bytes, int]:
    """The directory's bytes, and how many names it claims to hold."""
    tail_at = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise _damaged()
    n_names, n_bytes = _END.unpack_from(tail, at)[4:6]
    end = tail_at + at
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size :].startswith(b"PK\x06\x07"):
        end -= _LOCATOR.size + _END_64.size
        file.seek(max(0, end))
        record = file.read(_END_64.size)
        if len(record) < _END_64.size or not record.startswith(b"PK\x06\x06"):
            raise _damaged()
        n_names, n_bytes = _END_64.unpack(record)[7:9]
    if n_bytes > _MAX_BYTES:
        raise DirectoryError(f"holds more than {MAX_ENTRIES:,} files, or names without end: split it")
    if n_bytes > end:
        raise _damaged()
    file.seek(end - n_bytes)
    return file.read(n_bytes), n_names


def _damaged() -> DirectoryError:
    return DirectoryError("is no zip archive, is damaged or cut short")
