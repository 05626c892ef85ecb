"""Run an outside tool that downloads into a folder, and tell how far it is.

What it has written is its progress, the same for every tool; and a tool that writes nothing for a minute is stuck, as
behind a firewall that drops packets, whatever its own time-outs are.
"""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from gristmill.data.mirrors import MirrorError, Report

STALL_S = 60.0
_POLL_S = 0.05
_FULL = 1 << 20  # so little room left tells why a tool failed that could not even say so


class ToolError(MirrorError):
    """An outside tool failed; with its own last words."""

    def __init__(self, sentence: str, complaints: str = "") -> None:
        super().__init__(sentence, complaints)
        self.complaints = complaints

    def __str__(self) -> str:
        return str(self.args[0])


class Said(NamedTuple):
    """What a tool printed."""

    output: str
    complaints: str


def run_tool(command: list[str], folder: Path, part: str, doing: str, total: int | None, report: Report) -> Said:
    """Run a command in a folder, where its temporary files go too.

    Raises:
        ToolError: it failed, or wrote nothing for a minute.
        OSError: ENOSPC, the disk is full.
    """
    scratch = folder / ".scratch"
    scratch.mkdir(exist_ok=True)
    environment = os.environ | {"LC_ALL": "C", "TMPDIR": str(scratch)}
    size, room, grown_at = 0, shutil.disk_usage(folder).free, time.monotonic()
    report(part, doing, 0, total)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            while True:
                try:
                    said = Said(*process.communicate(timeout=_POLL_S))
                    break
                except subprocess.TimeoutExpired:
                    room = min(room, shutil.disk_usage(folder).free)
                    if (now_size := _size(folder)) != size:
                        size, grown_at = now_size, time.monotonic()
                        report(part, doing, size, total)
                    elif time.monotonic() - grown_at > STALL_S:
                        raise ToolError(f"{_name(command)} received nothing for {STALL_S:g} seconds") from None
        finally:
            process.kill()
            shutil.rmtree(scratch, ignore_errors=True)
    if process.returncode:
        if "No space left on device" in said.complaints or min(room, shutil.disk_usage(folder).free) < _FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        raise ToolError(f"{_name(command)} says: {last_words(said.complaints)}", said.complaints)
    return said


def last_words(complaints: str) -> str:
    """The errors among what a tool complained of, else its warnings, else its last lines; on one line, not too long."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    for rule in (r"(E|ERROR|error): ?", r"(W|WARNING|warning): ?", r""):
        if chosen := [re.sub(rule, "", line, count=1) for line in lines if re.match(rule, line)]:
            return "; ".join(dict.fromkeys(chosen[-3:]))[:400]
    return "nothing"


def _name(command: list[str]) -> str:
    return "pip" if command[1:3] == ["-m", "pip"] else command[0]


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):  # unlike rglob, silent about a folder that goes while we look
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(parent) / name).lstat().st_size
    return size
