"""Locks that the kernel frees: whoever holds one and dies, however suddenly, holds it no longer."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file, waiting for whoever has it; `on_wait` is called once if there is somebody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock file together with others who share it, waiting for whoever has it alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file if nobody alive does, and say whether."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Make a lock file that did not exist and hold it from its first moment; it goes when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        Path(name).rename(path)  # visible only once it is locked
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def first_free(paths: Iterable[Path]) -> Iterator[Path]:
    """Hold the first lock file that nobody alive holds, and say which it is."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield path
            return


def is_owned(path: Path) -> bool:
    """Whether somebody alive holds the lock file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(
                file, fcntl.LOCK_SH | fcntl.LOCK_NB
            )  # shared, so that two who ask do not take each other for it
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
