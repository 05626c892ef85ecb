"""Locks that the kernel frees: whoever dies holds nothing any more."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gristmill.ground.locks import first_free, is_owned, locked, owned

HOLD = """
import sys, time
from pathlib import Path
from gristmill.ground import locks
with locks.{how}:
    print("held", flush=True)
    time.sleep(60)
"""


def holder(how: str) -> subprocess.Popen[str]:
    """Another process that holds a lock until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD.format(how=how)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def nobody_waits() -> None:
    raise AssertionError("there is nobody to wait for")


def test_a_second_one_waits_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "lock", lambda: said.append("waiting")):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "lock", nobody_waits):
        thread.start()
        while not said:
            pass
        order.append("first")
    thread.join()
    assert (order, said) == (["first", "second"], ["waiting"])


def test_a_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    kill(holder(f"locked(Path({str(path)!r}))"))
    with locked(path, nobody_waits):
        pass


def test_a_lock_is_free_after_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a fault"), locked(tmp_path / "lock", nobody_waits):
        raise ValueError("a fault")
    with locked(tmp_path / "lock", nobody_waits):
        pass


def test_owning_lasts_as_long_as_the_block_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "tree.lock"
    assert not is_owned(path)
    with owned(path):
        assert is_owned(path)
    assert not is_owned(path)
    assert not list(tmp_path.iterdir())


def test_a_killed_owner_owns_nothing_though_its_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "tree.lock"
    process = holder(f"owned(Path({str(path)!r}))")
    assert is_owned(path)
    kill(process)
    assert path.exists() and not is_owned(path)


def test_asking_does_not_take_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    assert not is_owned(path)
    with locked(path, nobody_waits):
        assert is_owned(path)


def test_the_first_slot_that_nobody_alive_holds_is_taken(tmp_path: Path) -> None:
    slots = [tmp_path / f"slot-{n}" for n in range(3)]
    process = holder(f"first_free([Path({str(slots[0])!r})])")
    with first_free(slots) as second, first_free(slots) as third:
        assert (second, third) == (slots[1], slots[2])
    kill(process)
    with first_free(slots) as first:
        assert first == slots[0]
