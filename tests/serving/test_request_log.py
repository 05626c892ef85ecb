"""What was asked and answered is written down out of the request's way; what is not is counted, also after `kill -9`."""

import base64
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from gristmill.serving import request_log
from gristmill.serving.ids import Ids
from gristmill.serving.request_log import COUNTS, Entry, RequestLog, _Segment


def entry(number: int, **changed: Any) -> Entry:
    return Entry(
        request_id=f"{number:032x}",
        at=1_800_000_000.25,
        version="v1.0.0",
        model_sha256="a" * 64,
        role="champion",
        latency_s=0.0015,
        columns={"Age": np.array([40.0, np.nan]), "Name": np.array(["Jane", None], dtype=object)},
        personal=frozenset({"Name"}),
        predictions=[{"label": "Good", "probabilities": {"Bad": 0.25, "Good": 0.75}}],
    )._replace(**changed)


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "requests").glob("*.jsonl"))
    return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


def counts(folder: Path) -> tuple[int, ...]:
    [file] = (folder / "requests").glob("*.count")
    return COUNTS.unpack(file.read_bytes())


@pytest.fixture
def dropped() -> list[int]:
    return []


@pytest.fixture
def log(tmp_path: Path, dropped: list[int]) -> Iterator[RequestLog]:
    log = RequestLog(tmp_path, Ids(tmp_path).blind, lambda: dropped.append(1))
    yield log
    log.stop()


def test_a_line_says_all_and_what_is_personal_as_a_hash(log: RequestLog, tmp_path: Path) -> None:
    log.start()
    log.put(entry(1))
    log.put(entry(2, columns={"pixels": np.arange(12, dtype=np.uint8).reshape(2, 2, 3)}, personal=frozenset()))
    log.put(entry(3, personal=None))
    log.stop()
    first, second, third = lines(tmp_path)
    assert first["features"]["Age"] == [40.0, None]
    assert len(set(first["features"]["Name"])) == 2 and b"Jane" not in orjson.dumps(first)
    assert first["features"]["Name"][0] == third["features"]["Name"][0], "equal values have equal hashes"
    assert third["features"]["Age"] != [40.0, None], "where nobody said what is personal, everything is"
    assert (first["at"], first["latency_ms"]) == ("2027-01-15T08:00:00.250+00:00", 1.5)
    assert (first["version"], first["role"], first["predictions"][0]["label"]) == ("v1.0.0", "champion", "Good")
    assert [base64.b64decode(one) for one in second["features"]["pixels"]] == [bytes(range(6)), bytes(range(6, 12))]
    assert counts(tmp_path) == (3, 0, 3)


def test_where_too_many_wait_they_are_dropped_and_counted(
    log: RequestLog, dropped: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "MAX_WAITING", 5)
    monkeypatch.setattr(request_log, "WRITE_S", 60)
    log.start()
    began = time.monotonic()
    for number in range(8):
        log.put(entry(number))
    assert time.monotonic() - began < 5, "nobody waits for the log"
    assert (log.depth, len(dropped)) == (5, 3)
    log.stop()
    assert len(lines(tmp_path)) == 5
    assert counts(tmp_path) == (8, 3, 5)


def test_a_full_disk_is_said_once_counted_and_left_behind_without_half_a_line(
    log: RequestLog,
    dropped: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(request_log, "WRITE_S", 0.01)
    write, is_full = _Segment.write, True

    def full(segment: _Segment, content: bytes) -> None:
        if is_full:
            segment.is_torn = True
            segment._file.write(content[:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(segment, content)

    monkeypatch.setattr(_Segment, "write", full)
    log.start()
    for number in range(3):
        log.put(entry(number))
        wait_for(lambda: len(dropped) > number)  # noqa: B023 - called at once
    assert "No space left" in (log.fault or "")
    is_full = False
    log.put(entry(9))
    wait_for(lambda: log.fault is None)
    log.stop()
    assert sum("No space left" in record.getMessage() for record in caplog.records) == 1
    whole = [file for file in (tmp_path / "requests").glob("*.jsonl") if file.read_bytes().endswith(b"\n")]
    assert [orjson.loads(file.read_bytes())["request_id"] for file in whole] == [f"{9:032x}"]
    assert counts(tmp_path) == (4, 3, 1)


def test_a_folder_that_cannot_be_made_stops_no_request(tmp_path: Path, dropped: list[int]) -> None:
    (tmp_path / "requests").write_text("in the way")
    log = RequestLog(tmp_path, Ids(None).blind, lambda: dropped.append(1))
    log.start()
    log.put(entry(1))
    log.stop()
    assert log.fault and len(dropped) == 1


def test_a_full_segment_is_followed_by_another(
    log: RequestLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "WRITE_S", 0.01)
    monkeypatch.setattr(request_log, "SEGMENT_BYTES", 1)
    log.start()
    for number in range(3):
        log.put(entry(number))
        wait_for(lambda: not log.depth)
        time.sleep(0.05)
    log.stop()
    assert len(list((tmp_path / "requests").glob("*.jsonl"))) >= 3
    assert sorted(line["request_id"] for line in lines(tmp_path)) == [f"{number:032x}" for number in range(3)]


def test_without_a_folder_nothing_is_kept(dropped: list[int]) -> None:
    log = RequestLog(None, Ids(None).blind, lambda: dropped.append(1))
    log.start()
    log.put(entry(1))
    log.stop()
    assert (log.depth, dropped, log.fault) == (0, [], None)


WRITER = """
import sys, time
from pathlib import Path
from gristmill.serving.ids import Ids
from gristmill.serving.request_log import RequestLog
from tests.serving.test_request_log import entry
folder = Path(sys.argv[1])
log = RequestLog(folder, Ids(folder).blind, lambda: None)
log.start()
for number in range(10**9):
    log.put(entry(number))
    if number % 100 == 0:
        print(number + 1, flush=True)
    time.sleep(0.0005)
"""


def test_after_kill_9_at_most_the_last_second_is_missing_and_the_counts_say_how_many(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        said = 0
        while said < 2000:
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    written = [int(line["request_id"], 16) for line in whole_lines(tmp_path)]
    assert written == list(range(len(written))), "in order, and none missing in between"
    offered, n_dropped, counted = counts(tmp_path)
    assert n_dropped == 0 and offered >= said
    assert counted <= len(written) <= offered
    assert offered - len(written) < 2000, "what a second of this writer can be"


def whole_lines(folder: Path) -> list[dict[str, Any]]:
    [file] = (folder / "requests").glob("*.jsonl")
    content = file.read_bytes()
    return [orjson.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def wait_for(what: Any) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_segment_is_locked_while_its_process_lives(log: RequestLog, tmp_path: Path) -> None:
    import fcntl

    log.start()
    log.put(entry(1))
    wait_for(lambda: list((tmp_path / "requests").glob("*.jsonl")))
    [file] = (tmp_path / "requests").glob("*.jsonl")
    handle = os.open(file, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log.stop()
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
