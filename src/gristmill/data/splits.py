"""Which side a record is on: a pure function of its group or payload, and of nothing else.

So a record never changes sides, whatever lands beside it, in whatever order, under whatever target; equal payloads and
all rows of one group stand on the same side; and the holdout grows as the data grows. The holdout comes first in the
range of keys, so another validation_fraction moves no record into it or out of it.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SIDES = ("holdout", "validation", "train")
_DIGITS = 13  # 52 bits of the key: exact in a double


def sides(split_keys: pa.ChunkedArray, holdout_fraction: float, validation_fraction: float) -> NDArray[np.int8]:
    """The side of each record, as an index into SIDES.

    Args:
        split_keys: hexadecimal hashes, evenly distributed.
        holdout_fraction: expected share of the holdout, in (0, 0.5).
        validation_fraction: expected share of the validation side, in (0, 0.5).

    Returns:
        int8 [N].
    """
    place = np.array([int(key[:_DIGITS], 16) for key in split_keys.to_pylist()], np.float64) / 16**_DIGITS
    limits = np.array([holdout_fraction, holdout_fraction + validation_fraction])
    index: NDArray[np.int8] = np.searchsorted(limits, place, side="right").astype(np.int8)
    return index
