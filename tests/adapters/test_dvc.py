"""DVC by its command line: its cache where DVC itself would look, its refusals as our sentences, no process left over."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.conftest import git

from gristmill.adapters.dvc import (
    CacheMissError,
    Dvc,
    DvcError,
    StageFailedError,
    StageTimeoutError,
    configured_cache,
    locked_output,
    read_lock,
    write_lock,
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small DVC repository, with no settings of this machine."""
    for level in ("SYSTEM", "GLOBAL"):
        (tmp_path / level).mkdir()
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", str(tmp_path / level))
    root = tmp_path / "repo"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    git(root, "init", "-q")
    return root


def stages(root: Path, **commands: str) -> Dvc:
    lines = [f"  {name}:\n    cmd: {command}\n" for name, command in commands.items()]
    (root / "dvc.yaml").write_text("".join(["stages:\n", *lines]))
    return Dvc(root, configured_cache(root))


def reproduce(dvc: Dvc, stage: str, limit_s: float = 60) -> list[str]:
    lines: list[str] = []
    dvc.reproduce(stage, lines.append, limit_s)
    return lines


# The cache


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("repo", ""),
        ("repo", "[cache]\n    dir = ../shared\n"),
        ("repo", '[cache]\n    dir = "/elsewhere/a, b # c"\n'),
        ("local", "[cache]\n    dir = /elsewhere/100%\n"),
        ("local", "[cache]\n    dir = /elsewhere/x  # ours\n"),
        ("local", "[cache]\n    dir = ~/cache\n"),
        ("GLOBAL", "[cache]\n    dir = /elsewhere/global\n"),
        ("SYSTEM", "[cache]\n    dir = /elsewhere/system\n"),
    ],
)
def test_the_cache_lies_where_dvc_looks_for_it(root: Path, level: str, text: str) -> None:
    files = {"repo": root / ".dvc" / "config", "local": root / ".dvc" / "config.local"}
    file = files.get(level, root.parent / level / "config")
    file.write_text((file.read_text() if file.exists() else "") + text)
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    assert configured_cache(root) == (root / told).resolve()


def test_the_nearest_configuration_wins(root: Path) -> None:
    for file, name in ((root.parent / "GLOBAL" / "config", "far"), (root / ".dvc" / "config.local", "near")):
        file.write_text(f"[cache]\n    dir = /elsewhere/{name}\n")
    assert configured_cache(root) == Path("/elsewhere/near").resolve()


def test_a_configuration_that_cannot_be_read_is_one_sentence(root: Path) -> None:
    (root / ".dvc" / "config.local").write_text("[cache\n")
    with pytest.raises(DvcError, match=r"config\.local"):
        configured_cache(root)


def test_a_linked_tree_shares_a_cache_whose_path_needs_quoting(root: Path) -> None:
    cache = root.parent / "a cache, été #1"
    Dvc(root, cache).share_cache()
    assert configured_cache(root) == cache


def test_what_the_cache_lacks_is_one_sentence_with_the_ways_out(root: Path, tmp_path: Path) -> None:
    dvc = Dvc(root, configured_cache(root))
    (root / "data").mkdir()
    (root / "data" / "rows").write_text("1")
    dvc.add("data")
    md5 = next(line.split()[-1] for line in (root / "data.dvc").read_text().splitlines() if "md5: " in line)
    assert set(dvc.listing(md5)) == {"rows"}
    dvc.object_path(dvc.listing(md5)["rows"]).unlink()
    (root / "data" / "rows").unlink()
    sentence = r"lacks .*`dvc cache dir --local PATH`.*`dvc pull`"
    with pytest.raises(CacheMissError, match=sentence):
        dvc.extract(md5, tmp_path / "out")
    with pytest.raises(CacheMissError, match=sentence):
        dvc.checkout("data.dvc")
    dvc.object_path(md5).unlink()
    with pytest.raises(CacheMissError, match=sentence):
        dvc.listing(md5)


# Stages


def test_a_stages_lines_are_handed_on_and_dvcs_advice_is_not(root: Path) -> None:
    lines = reproduce(stages(root, speak="echo one row"), "speak")
    assert "one row" in lines
    assert not any("git add" in line or "dvc push" in line for line in lines)


def test_a_failed_stage_is_told_in_its_own_last_lines(root: Path) -> None:
    with pytest.raises(StageFailedError, match="no grain"):
        reproduce(stages(root, fail="echo no grain && exit 3"), "fail")


def test_what_a_stage_says_a_person_can_mend_is_all_that_is_said() -> None:
    error = StageFailedError("train@w", "a line before\ntrain@w: too few rows.\nERROR: failed to reproduce 'train@w'")
    assert str(error) == "train@w: too few rows."


def sleeper(root: Path) -> Dvc:
    return stages(root, sleep="echo $$ > pid && echo up && exec sleep 60")


def has_ended(root: Path) -> bool:
    pid = int((root / "pid").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    psutil.Process(pid).kill()
    return False


def test_a_stage_that_takes_too_long_is_ended_with_its_children(root: Path) -> None:
    with pytest.raises(StageTimeoutError, match=r"ended after 6 s.*stage_timeout_s"):
        reproduce(sleeper(root), "sleep", limit_s=6)
    assert has_ended(root)


def test_whoever_stops_a_stage_stops_its_children(root: Path) -> None:
    def stop(line: str) -> None:
        if line == "up":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sleeper(root).reproduce("sleep", stop, 60)
    assert has_ended(root)


# dvc.lock


def test_a_lock_file_is_the_same_bytes_in_any_order_of_stages() -> None:
    one, other = {"cmd": "x"}, {"cmd": "é"}
    text = write_lock({"b@w": one, "a@w": other})
    assert text == write_lock({"a@w": other, "b@w": one})
    assert read_lock(text) == {"a@w": other, "b@w": one}
    assert read_lock(None) == {} == read_lock(b"")


WORDS = ["no", "yes", "on", "12:30", "1e5", "0o17", "017", "2026-01-01", "~", "null", "", "1_000", "0x1F", ".5", "é: #"]


def test_words_that_yaml_may_take_for_something_else_stay_words_for_dvc_and_for_us(root: Path) -> None:
    params = {"classes": WORDS, "rate": 1e-05, "flag": True}
    (root / "params.yaml").write_text(json.dumps(params), "utf-8")
    dvc = stages(root, words="touch out\n    params: [classes, rate, flag]\n    outs: [out]")
    reproduce(dvc, "words")
    lock = read_lock((root / "dvc.lock").read_bytes())
    assert lock["words"]["params"]["params.yaml"] == params
    (root / "dvc.lock").write_bytes(write_lock(lock))
    assert dvc.stale("words") == {}, "DVC reads what we have written as what it wrote itself"


def test_an_output_is_found_by_its_stage_and_path() -> None:
    lock = {
        "train@w": {"outs": [{"path": "models/w/challenger", "md5": "1.dir", "size": 2, "nfiles": 3, "hash": "md5"}]}
    }
    assert locked_output(lock, "train@w", "models/w/challenger") == {"md5": "1.dir", "size": 2, "nfiles": 3}
    assert locked_output(lock, "train@w", "models/w/other") is None
    assert locked_output(lock, "train@v", "models/w/challenger") is None
