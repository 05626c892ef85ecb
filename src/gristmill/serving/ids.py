"""Request ids: who has one can be told apart from who made one up, without a search.

    4 bytes  when, seconds since 1970        2 bytes  how many items were answered
    6 bytes  chance                          4 bytes  keyed hash of all that

All workers of a workload share the key, which lies beside its bundles: so feedback comes to any of them, at any time, and an
id that nobody gave out is refused. The key also blinds what the request log must not show.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gristmill.ground.errors import GristmillError

_KEY_BYTES = 32
_MOST_ITEMS = 2**16 - 1

_logger = logging.getLogger("gristmill.serving")


class UnknownIdError(GristmillError):
    """An id that was never given out here."""

    def __str__(self) -> str:
        return "this request_id was not given out here; take the one that came with the answer, whole."


class Known(NamedTuple):
    """What an id says of its request."""

    asked: datetime
    """To the second, UTC."""
    n_items: int


class Ids:
    """Gives ids out and knows them again."""

    def __init__(self, root: Path | None) -> None:
        """Take the workload's key, or make it.

        Args:
            root: the workload's serving folder; None where there is none: then ids are known in this process only.
        """
        self._key = secrets.token_bytes(_KEY_BYTES)
        if root is not None:
            try:
                self._key = _shared_key(root / "ids.key")
            except OSError as error:  # a folder that is only read, as in a container
                _logger.warning("ids are known in this process only: %s cannot be written (%s)", root, error.strerror)

    def new(self, n_items: int) -> str:
        """A new id, 32 hexadecimal digits; at most 65,535 items."""
        head = int(time.time()).to_bytes(4) + min(n_items, _MOST_ITEMS).to_bytes(2) + os.urandom(6)
        return (head + self._mark(head)).hex()

    def read(self, request_id: str) -> Known:
        """What an id says.

        Raises:
            UnknownIdError: nobody gave it out.
        """
        try:
            content = bytes.fromhex(request_id)
        except ValueError as error:
            raise UnknownIdError from error
        head, mark = content[:12], content[12:]
        if len(request_id) != 32 or not hmac.compare_digest(mark, self._mark(head)):
            raise UnknownIdError
        return Known(datetime.fromtimestamp(int.from_bytes(head[:4]), UTC), int.from_bytes(head[4:6]))

    def blind(self, value: bytes) -> str:
        """A hash that tells equal values from others, to nobody without the key."""
        return hashlib.blake2b(value, key=self._key, digest_size=16).hexdigest()

    def _mark(self, head: bytes) -> bytes:
        return hashlib.blake2s(head, key=self._key, digest_size=4).digest()


def share_of(request_id: str) -> float:
    """Where an id lies between 0 and 1, evenly: what decides which model answers it."""
    return int(request_id[12:20], 16) / 2**32


def _shared_key(path: Path) -> bytes:
    """The key of the file; of several workers that start at once, one makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)  # whole, and never over another's
        new.unlink()
    return path.read_bytes()
