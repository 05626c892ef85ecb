"""A process that is kept: its lines, its end, and that it cannot be left behind."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flows.child import Child

from flows import child


def started(tmp_path: Path, code: str, lines: list[str] | None = None) -> Child:
    one = Child(
        "the child",
        [sys.executable, "-uc", code],
        {"GREETING": "hello"},
        tmp_path / "logs" / "child.log",
        pipe=None if lines is None else lines.append,
    )
    one.start()
    return one


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_it_prints_is_in_its_log_and_told_line_by_line(tmp_path: Path) -> None:
    lines: list[str] = []
    one = started(tmp_path, "import os, sys; print(os.environ['GREETING']); print('oh', file=sys.stderr)", lines)
    assert one.process is not None and one.process.wait(30) == 0
    until(lambda: lines == ["hello"])
    until(lambda: sorted(one.log.read_text("utf-8").split()) == ["hello", "oh"])
    assert one.is_dead


def test_it_can_be_started_again_and_a_log_goes_on(tmp_path: Path) -> None:
    one = started(tmp_path, "print('here')")
    assert one.process is not None and one.process.wait(30) == 0
    one.start()
    assert one.process.wait(30) == 0
    assert one.log.read_text("utf-8") == "here\nhere\n"


def test_it_is_asked_to_end_and_then_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_END_LIMIT_S", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    one = started(tmp_path, deaf)
    until(lambda: "deaf" in one.log.read_text("utf-8"))
    process = one.process
    one.end()
    assert process is not None and process.returncode == -9
    assert one.process is None and not one.is_dead
    one.end()
