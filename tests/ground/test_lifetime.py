"""A process ends with who needs it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gristmill.ground.lifetime import OrphanedError, die_with_parent, dying_with_caller

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"
OURS = f"from gristmill.ground.lifetime import die_with_parent; die_with_parent(); {SLEEPER}"


def child_of_a_killed_parent(command: list[str]) -> int:
    """Start a program through a parent, kill the parent as soon as the program is up, and return the program's id."""
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    return pid


def ends(pid: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    psutil.Process(pid).kill()
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_our_process_ends_when_its_parent_is_killed() -> None:
    assert ends(child_of_a_killed_parent([sys.executable, "-c", OURS]))


@pytest.mark.skipif(not dying_with_caller(), reason="no setpriv(1) here")
def test_another_program_ends_when_its_caller_is_killed() -> None:
    assert ends(child_of_a_killed_parent([*dying_with_caller(), sys.executable, "-c", SLEEPER]))


def adopted_by(monkeypatch: pytest.MonkeyPatch, cmdline: bytes) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@w")
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(Path, "read_bytes", lambda _: cmdline)


@pytest.fixture
def _no_prctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: type("libc", (), {"prctl": staticmethod(lambda *_: 0)}))


@pytest.mark.usefixtures("_no_prctl")
def test_a_stage_whose_dvc_has_gone_refuses_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    adopted_by(monkeypatch, b"/sbin/init\0")
    with pytest.raises(OrphanedError, match="dvc ended before its stage began"):
        die_with_parent()


@pytest.mark.usefixtures("_no_prctl")
def test_a_stage_begins_in_a_container_whose_first_process_is_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    adopted_by(monkeypatch, b"/usr/bin/python3\0/usr/bin/dvc\0repro\0")
    die_with_parent()
