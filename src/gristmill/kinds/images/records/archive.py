"""Zip archives of pictures: read entry by entry, in memory, never unpacked to the disk.

An archive that means harm, or that no two programs would read alike, is refused whole, before anything in it is decoded:
no entry of it becomes a row. What is wrong with one entry alone is a problem of its row.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unicodedata import category

from gristmill.ground.errors import GristmillError
from gristmill.kinds.images.records.directory import DirectoryError, entry_names

MAX_RATIO = 100
"""Bytes out of one byte of the archive. PNG and JPEG are compressed already and hardly yield; what yields more is a bomb."""
MAX_TOTAL_BYTES = 8 * 2**30
"""Of all entries, unpacked."""
_MIN_BYTES = 2**20  # a smaller archive of anything unpacks to little
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others claim memory at their own choice
_NESTED = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst")
_ENCRYPTED = 0x1
_UNPRINTABLE = ("Cc", "Zl", "Zp")  # control characters and line ends

_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What Python's reader raises on broken bytes."""


class ArchiveError(GristmillError):
    """An archive that is not read; its text is what follows its name in a sentence."""


class EntryError(GristmillError):
    """A file that is not read; its text is what follows its name in a sentence."""


class Archive(NamedTuple):
    """An archive that was found safe to read."""

    file: zipfile.ZipFile
    entries: dict[PurePosixPath, zipfile.ZipInfo]
    """Files, in the order of their names."""

    def read(self, entry: zipfile.ZipInfo) -> bytes:
        """The bytes of an entry, checked; never more than its declared size.

        Raises:
            EntryError: they are damaged.
        """
        try:
            return self.file.read(entry)
        except _FAULTS as error:
            raise EntryError("is damaged in its archive") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive once it is found safe.

    Raises:
        ArchiveError: it is damaged or cut short, encrypted, holds too much, links or archives, or its names are unsafe.
    """
    names = archived_names(path)
    try:
        file = zipfile.ZipFile(path)
    except _FAULTS as error:
        raise ArchiveError("is damaged") from error
    with file:
        entries = file.infolist()
        if len(entries) != len(names):
            raise ArchiveError("is damaged")
        _check_entries(entries, path.stat().st_size)
        found = [(name, entry) for name, entry in zip(names, entries, strict=True) if not name.endswith("/")]
        yield Archive(file, {PurePosixPath(name): entry for name, entry in sorted(found, key=lambda one: one[0])})


def archived_names(path: Path) -> list[str]:
    """The names in an archive, folders with a slash at the end, none of which could lead out of it.

    Raises:
        ArchiveError: there is no whole directory, or a name is unsafe.
    """
    try:
        names = [_text(name) for name in entry_names(path)]
    except DirectoryError as error:
        raise ArchiveError(str(error)) from error
    seen = set()
    for name in names:
        if "\\" in name or name[1:2] == ":" or {"", ".."} & set(name.removesuffix("/").split("/")):
            raise ArchiveError(
                f"holds the name {name!a}, which may lead out of it: names are to be as in shirts/0001.png"
            )
        if any(category(character) in _UNPRINTABLE for character in name):
            raise ArchiveError(f"holds the name {name!a}, which is no line of text")
        if (place := PurePosixPath(name)) in seen:
            raise ArchiveError(f"holds '{place}' twice")
        seen.add(place)
    return names


def _text(name: bytes) -> str:
    """Programs write UTF-8 whether they say so or not; what is none is the old code page of the format."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise ArchiveError("is encrypted")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ArchiveError("holds links or other things that are no files")
        if entry.compress_type not in _METHODS:
            raise ArchiveError(f"is packed by method {entry.compress_type}: pack it as plain zip (deflate)")
        if entry.filename.lower().endswith(_NESTED):
            raise ArchiveError("holds another archive: pack the pictures themselves")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        raise ArchiveError(f"unpacks to more than {MAX_TOTAL_BYTES // 2**30} GiB: split it")
    if total > max(_MIN_BYTES, MAX_RATIO * size):
        raise ArchiveError(f"unpacks to {total // size} times its size, as pictures never do")
