"""The objects of DVC's cache: files whose name is the MD5 of their bytes, and lists (`.dir`) of a folder's files.

<cache>/files/md5/ab/cdef...        an object; hard links of it lie in working trees
<cache>/runs/ab/<key>/<value>       the run cache: what a stage made of which inputs
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file

CHUNK = 8 * 2**20
_OBJECT = re.compile(r"(?:.*/)?([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)")


class DamagedObjectError(GristmillError):
    """Bytes that are not what their name says."""

    def __str__(self) -> str:
        md5, where = self.args
        return f"the object {md5} is damaged in {where}. `gristmill fsck` says what it belongs to, and what mends it."


def md5_of(chunks: Iterable[bytes]) -> str:
    """The hash of bytes, by which DVC names an object."""
    found = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def file_chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes, a few at a time."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def object_name(path: str) -> str | None:
    """The MD5 (with `.dir` for a list) that a path in a cache or remote stands for; None for any other file."""
    parts = _OBJECT.fullmatch(path)
    return "".join(parts.groups()) if parts else None


def object_path(cache: Path, md5: str) -> Path:
    """Where the cache keeps an object."""
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def cached_objects(cache: Path) -> dict[str, Path]:
    """Every object of a cache, by name."""
    found = {}
    for path in (cache / "files" / "md5").glob("??/*"):
        if md5 := object_name(str(path)):
            found[md5] = path
    return found


def is_list(md5: str) -> bool:
    """Whether an object is the list of a folder's files."""
    return md5.endswith(".dir")


def is_object(md5: str, chunks: Iterable[bytes]) -> bool:
    """Whether bytes are those of the object of this name."""
    return md5_of(chunks) == md5.removesuffix(".dir")


def read_list(cache: Path, md5: str) -> dict[str, str] | None:
    """The files of a folder, relative path to md5; None where the cache lacks the list, or holds a damaged one."""
    try:
        content = object_path(cache, md5).read_bytes()
    except FileNotFoundError:
        return None
    if not is_object(md5, [content]):
        return None
    return parse_list(content)


def parse_list(content: bytes) -> dict[str, str]:
    """The files of a folder from its list's bytes."""
    return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}


def store(cache: Path, md5: str, chunks: Iterable[bytes], where: str) -> None:
    """Write an object into the cache, read-only as DVC has it, whole and right or not at all.

    Raises:
        DamagedObjectError: the bytes, which come from `where`, are others.
    """
    with new_file(object_path(cache, md5)) as temporary:
        found = hashlib.md5(usedforsecurity=False)
        with temporary.open("wb") as file:
            for chunk in chunks:
                found.update(chunk)
                file.write(chunk)
        if found.hexdigest() != md5.removesuffix(".dir"):
            raise DamagedObjectError(md5, where)
    object_path(cache, md5).chmod(0o444)
