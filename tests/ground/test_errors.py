"""What of the system's own faults a person can mend."""

import errno

import pytest

from gristmill.ground.errors import mendable


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_full_disk_or_a_missing_right_is_a_sentence_with_the_file(number: int) -> None:
    told = mendable(OSError(number, "it is full", "data/x.csv"))
    assert told == "data/x.csv cannot be written or read: it is full."
    assert mendable(OSError(number, "it is full")) == "a file cannot be written or read: it is full."


def test_any_other_fault_keeps_its_traceback() -> None:
    assert mendable(OSError(errno.EBADF, "bad file descriptor")) is None
