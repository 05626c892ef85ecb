"""Room on the disk: a batch that cannot fit is refused before anything is done, and a full disk is seen coming."""

import re
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gristmill.runs.landing import LandingError, land
from gristmill.runs.repository import Repository
from gristmill.runs.room import room_warning
from gristmill.runs.status import where

usage = namedtuple("usage", "total used free")


def test_a_batch_that_cannot_fit_is_refused_before_anything_is_done(
    grown: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = grown.mill.tip()
    (tmp_path / "big.csv").write_bytes(b"x" * 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(LandingError, match=r"needs 1\.1 MB on the disk, and 1\.0 MB are free: nothing landed"):
        land(grown, grown.workload("credit-risk"), [tmp_path / "big.csv"])
    assert grown.mill.tip() == tip
    assert not [path for path in (grown.state / "worktrees").iterdir() if path.is_dir()]


def test_turns_that_would_fill_the_disk_within_a_week_are_warned_about_with_the_day(
    grown: Repository,
) -> None:
    now = datetime.now(UTC)
    warning = room_warning(grown, now, free=2000)
    assert warning is not None
    told = re.search(
        r"full by ([\d-]+): 2\.0 kB are free, and turns like the last ones add ([\d.]+) (kB|bytes) each, 0\.429 a day",
        warning,
    )
    assert told is not None, warning  # three turns in the last seven days
    per_turn = float(told[2]) * (1000 if told[3] == "kB" else 1)
    assert 1000 < per_turn < 4000, "a model of 1000 bytes, and what goes with it"
    days = 2000 / (per_turn * 3 / 7)
    assert abs(datetime.fromisoformat(told[1]).replace(tzinfo=UTC) - now - timedelta(days=days)) < timedelta(days=1.1)
    assert room_warning(grown, now, free=2**40) is None
    assert room_warning(grown, now + timedelta(days=30), free=2000) is None, "nobody turns any more"


def test_status_says_it_under_the_screen(grown: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("will be full" in line for line in where(grown))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 2000, 2000))
    assert any("will be full" in line and "`gristmill gc` says what may go" in line for line in where(grown))
