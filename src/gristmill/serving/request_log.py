"""What was asked and answered, written down out of the request's way.

A request puts an entry into a bounded queue and goes on; a thread of its own writes what has come, every 20 ms, as
JSON lines. Where the queue is full the entry is dropped; where the disk is full it is lost; both are counted, and requests
are answered all the same.

    .gristmill/serving/<w>/requests/<process>.count         entries offered, dropped and written: three numbers of 8 bytes in
                                                            shared memory, which survive `kill -9`; locked while it lives
    .gristmill/serving/<w>/requests/<process>.<n>.jsonl     one line for each answer; locked while it grows

After `kill -9` the lines of the last moment may be missing; the counts say how many.
"""

import base64
import fcntl
import logging
import mmap
import os
import secrets
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson

MAX_WAITING = 4096
"""Entries in the queue."""
WRITE_S = 0.02
"""Small portions: while a large one is encoded no request is answered, and p99 was three times as long (measured)."""
LINES_AT_ONCE = 8
"""Encoded before whoever answers goes first; without it, p99 of one connection was twice as long (measured)."""
SEGMENT_S = 600.0
SEGMENT_BYTES = 64 * 2**20
COUNTS = struct.Struct("<QQQ")
"""Offered, dropped and written."""

_logger = logging.getLogger("gristmill.serving")


class Entry(NamedTuple):
    """One answer, as it was given; nothing is reckoned before the thread writes it."""

    request_id: str
    at: float
    """Seconds since 1970."""
    version: str | None
    model_sha256: str
    role: str
    """`champion` or `canary`, whose answer was given, or `shadow`, which was asked beside it."""
    latency_s: float
    columns: Mapping[str, "np.ndarray[Any, Any]"]
    """What was asked, by column."""
    personal: frozenset[str] | None
    """Columns of which only a hash is kept; None where nobody said which, and all are."""
    predictions: list[dict[str, Any]]


class RequestLog:
    """Takes entries from any thread, and writes them in one of its own."""

    def __init__(self, root: Path | None, blind: Callable[[bytes], str], on_drop: Callable[[], None]) -> None:
        """Write nothing yet.

        Args:
            root: the workload's serving folder, or None where nothing is kept.
            blind: hashes what is personal.
            on_drop: called for each entry that is dropped or lost.
        """
        self._folder = root / "requests" if root else None
        self._blind, self._on_drop = blind, on_drop
        self._waiting: deque[Entry] = deque()
        self._counts: _Counts | None = None
        self._segment: _Segment | None = None
        self._stopped = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="request log", daemon=True)
        self.fault: str | None = None
        """Why nothing can be written just now."""

    @property
    def depth(self) -> int:
        """Entries that wait to be written."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to write."""
        if self._folder is None:
            return
        try:
            self._ready()
        except OSError as error:
            self._tell(error)
        self._writer.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stopped.set()
        if self._writer.ident is not None:
            self._writer.join()

    def put(self, entry: Entry) -> None:
        """Take an entry, or drop it where too many wait; never waits itself."""
        if self._folder is None:
            return
        is_dropped = len(self._waiting) >= MAX_WAITING
        self._count(offered=1, dropped=int(is_dropped))
        if is_dropped:
            self._on_drop()
        else:
            self._waiting.append(entry)

    def _write_on(self) -> None:
        while True:
            is_last = self._stopped.wait(WRITE_S)
            self._write()
            if is_last:
                break
        if self._segment is not None:
            self._segment.close()
        if self._counts is not None:
            self._counts.close()

    def _write(self) -> None:
        entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            segment = self._ready()
            if entries:
                segment.write(b"".join(self._lines(entries)))
                self._count(written=len(entries))
            self.fault = None
        except OSError as error:
            self._tell(error)
            self._count(dropped=len(entries))
            for _ in entries:
                self._on_drop()

    def _ready(self) -> "_Segment":
        """Where lines go now: a new segment where the old one is full or old; that one goes on where none can be made."""
        assert self._folder is not None
        if self._counts is None:
            self._counts = _Counts(self._folder)
        if self._segment is not None and not self._segment.is_full:
            return self._segment
        try:
            new = _Segment(self._counts.next_segment())
        except OSError:
            if self._segment is None or self._segment.is_torn:
                raise
            return self._segment
        if self._segment is not None:
            self._segment.close()
        self._segment = new
        return new

    def _count(self, **more: int) -> None:
        if self._counts is not None:
            self._counts.add(**more)

    def _tell(self, error: OSError) -> None:
        fault = f"requests are answered but not written down: {error.strerror or error}"
        if self.fault != fault:
            _logger.error(fault)
        self.fault = fault

    def _lines(self, entries: list[Entry]) -> Iterator[bytes]:
        for n_encoded, entry in enumerate(entries, 1):
            yield self._line(entry)
            if n_encoded % LINES_AT_ONCE == 0:
                time.sleep(0)  # gives up the interpreter's lock

    def _line(self, entry: Entry) -> bytes:
        told = entry._asdict()
        latency_s, columns, personal = told.pop("latency_s"), told.pop("columns"), told.pop("personal")
        told["at"] = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
        told["latency_ms"] = round(latency_s * 1000, 3)
        told["features"] = {
            name: [self._blind(_bytes(item)) for item in values]
            if personal is None or name in personal
            else _told(values)
            for name, values in columns.items()
        }
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


class _Counts:
    """The numbers of one process, in memory that outlives it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{secrets.token_hex(3)}.count"
        self._file: BinaryIO = self._path.open("x+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(COUNTS.pack(0, 0, 0))
        self._file.flush()
        self._memory = mmap.mmap(self._file.fileno(), COUNTS.size)
        self._lock = threading.Lock()
        self._offered = self._dropped = self._written = self._n_segments = 0

    def add(self, offered: int = 0, dropped: int = 0, written: int = 0) -> None:
        with self._lock:
            self._offered += offered
            self._dropped += dropped
            self._written += written
            if not self._memory.closed:
                COUNTS.pack_into(self._memory, 0, self._offered, self._dropped, self._written)

    def next_segment(self) -> Path:
        self._n_segments += 1
        return self._path.with_suffix(f".{self._n_segments:04d}.jsonl")

    def close(self) -> None:
        with self._lock:
            self._memory.close()
        self._file.close()


class _Segment:
    """A file of lines that this process alone writes."""

    def __init__(self, path: Path) -> None:
        self._opened = time.monotonic()
        self._n_bytes, self.is_torn = 0, False
        self._file: BinaryIO = path.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    @property
    def is_full(self) -> bool:
        """Whether the next line belongs into a new segment."""
        is_old = time.monotonic() - self._opened >= SEGMENT_S
        return self.is_torn or self._n_bytes >= SEGMENT_BYTES or (is_old and self._n_bytes > 0)

    def write(self, lines: bytes) -> None:
        self.is_torn = True  # until all is written: nothing may follow half a line
        rest = memoryview(lines)
        while rest:  # a raw file may take a part
            rest = rest[self._file.write(rest) :]
        self._n_bytes += len(lines)
        self.is_torn = False

    def close(self) -> None:
        self._file.close()


def _told(values: "np.ndarray[Any, Any]") -> Any:
    """Values as JSON has them; pictures as base64, one for each item."""
    if values.ndim > 1 and values.dtype == np.uint8:
        return [base64.b64encode(item.tobytes()).decode() for item in values]
    return values.tolist() if values.dtype == object else np.ascontiguousarray(values)


def _bytes(item: Any) -> bytes:
    return item.tobytes() if isinstance(item, np.ndarray | np.generic) else repr(item).encode()
