"""The status of a row: every row that landed has exactly one."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Status(IntEnum):
    """What became of a row."""

    ADMITTED = 0
    QUARANTINED = 1
    """Kept with reasons, until a person releases, corrects or drops it."""
    DROPPED = 2
    WITHHELD = 3
    REVERTED = 4
    COLLAPSED = 5
    """Another row is the same record with the same target."""
    UNJUDGED = 6
    """Its batch met a fault of the platform; the run fails, and the next one judges it."""


Statuses = npt.NDArray[np.int8]
"""One Status for each row of a batch."""


def count(statuses: Statuses) -> dict[str, int]:
    """Rows by status, every status named."""
    counts = np.bincount(statuses, minlength=len(Status))
    return {status.name.lower(): int(counts[status]) for status in Status}


def ranges(statuses: Statuses) -> list[list[int]]:
    """The admitted rows as half-open ranges [start, stop) of positions, rising."""
    admitted = np.concatenate([[False], statuses == Status.ADMITTED, [False]])
    edges = np.flatnonzero(admitted[1:] != admitted[:-1])
    return [[int(start), int(stop)] for start, stop in zip(edges[::2], edges[1::2], strict=True)]
