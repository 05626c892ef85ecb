"""A process must not outlive who needs it.

Killing `dvc` orphans its stage, and a rerun would then be a second writer (measured). So each process of the mill asks the
kernel to be ended with its parent: our own by prctl(2), others through setpriv(1).
"""

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path

from gristmill.ground.errors import GristmillError

_PR_SET_PDEATHSIG = 1  # prctl(2)


class OrphanedError(GristmillError):
    """The parent ended before this process could ask to be ended with it."""

    def __str__(self) -> str:
        return "dvc ended before its stage began. Start it again."


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends (Linux).

    Raises:
        OrphanedError: it has ended already, in a stage that dvc started.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if "DVC_STAGE" in os.environ and os.getppid() == 1 and not _is_dvc(1):
        raise OrphanedError


def _is_dvc(pid: int) -> bool:  # in a container, `dvc repro` itself may be process 1
    return b"dvc" in Path(f"/proc/{pid}/cmdline").read_bytes()


def dying_with_caller() -> list[str]:
    """A command prefix under which the kernel ends a program when its caller ends (util-linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
