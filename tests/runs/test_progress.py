"""Where a turn stands: true while it is going on, and never believed of a dead one."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gristmill.ground.locks import locked
from gristmill.runs.progress import forget_progress, is_turning, note_progress, read_progress, turn_lock
from gristmill.runs.repository import Repository

W = "credit-risk"


def nobody_waits() -> None:
    raise AssertionError("there is nobody to wait for")


def test_a_turn_tells_its_stage_and_for_how_long(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(turn_lock(repository, W), nobody_waits):
        note_progress(repository, W, "train")
        later = time.time() + 42
        monkeypatch.setattr(time, "time", lambda: later)
        progress = read_progress(repository, W)
    assert progress is not None and (progress.stage, progress.seconds) == ("train", 42)


def test_a_clock_that_is_set_back_makes_no_negative_time(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(turn_lock(repository, W), nobody_waits):
        note_progress(repository, W, "train")
        monkeypatch.setattr(time, "time", lambda: 0.0)
        progress = read_progress(repository, W)
    assert progress is not None and progress.seconds == 0


def test_a_turn_before_its_first_stage_is_beginning(repository: Repository) -> None:
    with locked(turn_lock(repository, W), nobody_waits):
        note_progress(repository, W, "gate")
        forget_progress(repository, W)
        progress = read_progress(repository, W)
    assert progress is not None and (progress.stage, progress.seconds) == ("beginning", 0)


@pytest.mark.parametrize("content", ["", "[]", '{"stage": "train"}', '{"stage": "train", "since": 0, "more": 1}'])
def test_a_note_that_cannot_be_read_stops_nobody(repository: Repository, content: str) -> None:
    with locked(turn_lock(repository, W), nobody_waits):
        note_progress(repository, W, "train")
        (repository.state / "turning" / f"{W}.json").write_text(content)
        progress = read_progress(repository, W)
    assert progress is not None and progress.stage == "beginning"


def test_without_a_turn_there_is_no_progress(repository: Repository) -> None:
    assert not is_turning(repository, W) and read_progress(repository, W) is None
    forget_progress(repository, W)


def test_the_turn_of_one_workload_is_not_that_of_another(repository: Repository) -> None:
    with locked(turn_lock(repository, W), nobody_waits):
        assert is_turning(repository, W) and not is_turning(repository, "mnist")


KILLED = """
import sys, time
from pathlib import Path
from gristmill.ground.locks import locked
from gristmill.runs.progress import note_progress, turn_lock
from gristmill.runs.repository import Repository
repository = Repository(Path(sys.argv[1]))
with locked(turn_lock(repository, sys.argv[2]), print):
    note_progress(repository, sys.argv[2], "train")
    print("turning", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_turn_has_noted_is_not_believed(repository: Repository, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(repository.root), W]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "turning\n"
        progress = read_progress(repository, W)
        assert progress is not None and progress.stage == "train"
        process.kill()
    assert (repository.state / "turning" / f"{W}.json").exists()
    assert read_progress(repository, W) is None
