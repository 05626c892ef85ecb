"""gc: what is kept stays whole, what goes is said first, and nobody at work loses anything."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cached_turns import landed_and_turned, model_of, object_of
from tests.conftest import SEED, commit_all, dvc, gristmill
from tests.recorded_turns import W

from gristmill.adapters.objects import cached_objects, object_path
from gristmill.ground.locks import if_free, locked
from gristmill.registry.named import members
from gristmill.registry.promotion import rollback
from gristmill.runs.carrying import bring_version, push
from gristmill.runs.collection import BusyError, ListMissingError, SharedCacheError, collect
from gristmill.runs.integrity import check, remotes_to_check
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.needed import needed
from gristmill.runs.progress import note_progress, turn_lock
from gristmill.runs.pulling import pull
from gristmill.runs.remoting import add_remote
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import trees_lock, worktree


def is_whole(repository: Repository) -> bool:
    survey = check(repository, remotes_to_check(repository, None))
    return not survey.troubles


def is_there(repository: Repository, model: str) -> bool:
    return object_of(repository, model_of(model)).exists()


# What goes and what stays


def test_unless_told_to_it_only_says_what_would_go(many: Repository) -> None:
    before = cached_objects(many.cache)
    done = gristmill(many.root, "gc", "--keep", "2")
    assert done.returncode == 0
    assert f"{W}: train: 6 files" in done.stdout, done.stdout
    assert (
        "no longer whole in the cache: credit-risk v1.0.3, credit-risk v1.0.4; their tags and figures stay"
        in done.stdout
    )
    assert "nothing was removed, `gristmill gc --yes` does it" in done.stdout
    assert cached_objects(many.cache) == before


def test_what_was_in_production_is_newest_or_has_landed_stays_and_the_rest_goes(many: Repository) -> None:
    done = gristmill(many.root, "gc", "--keep", "2", "--yes")
    assert done.returncode == 0 and "removed: " in done.stdout
    kept = [model for model in ("m1", "m2", "m3", "held2", "held3") if is_there(many, model)]
    assert kept == ["m1", "m2", "m3", "held2", "held3"]
    assert not any(is_there(many, model) for model in ("held0", "held1", "rejected0"))
    assert is_there(many, "rejected1"), "the present state names the last challenger"
    assert all(object_of(many, f"x\n{model}\n".encode()).exists() for model in ("m1", "m2", "m3"))
    assert is_whole(many)
    assert "nothing to remove" in gristmill(many.root, "gc", "--keep", "2", "--yes").stdout
    assert f"{W}: data, models and reports of its last run" in pull(many)
    _, target = rollback(many.mill, W, "a test", "Ada", "2026-01-01")
    bring_version(many, target)
    collect(many, keep=20, is_dry=False)
    assert is_whole(many), "a later gc that would keep more does not miss what is gone"


def test_a_collected_version_comes_back_from_a_remote_or_is_not_promoted(many: Repository, tmp_path: Path) -> None:
    collect(many, keep=1, is_dry=False)
    done = gristmill(many.root, "promote", W, "v1.0.4", "--reason", "a test")
    assert done.returncode == 1 and "lacks models/credit-risk/challenger" in done.stdout
    assert many.mill.read(f"models/{W}/champion.dvc") and "v1.0.4" not in gristmill(many.root, "status").stdout


def test_what_people_have_in_their_trees_and_branches_stays(many: Repository, tmp_path: Path) -> None:
    (many.root / "draft.txt").write_text("on a branch")
    dvc(many.root, "add", "draft.txt")
    subprocess.run(["git", "switch", "-qc", "draft"], cwd=many.root, check=True)
    commit_all(many.root, "a draft")
    subprocess.run(["git", "switch", "-q", "main"], cwd=many.root, check=True)
    (many.root / "notes.txt").write_text("in the tree")
    dvc(many.root, "add", "notes.txt")
    time.sleep(0.01)
    collect(many, keep=1, is_dry=False)
    assert object_of(many, b"in the tree").exists() and object_of(many, b"on a branch").exists()


def test_stale_entries_of_the_run_cache_old_checkpoints_bundles_and_dead_trees_go(many: Repository) -> None:
    def run(key: str, content: bytes) -> Path:
        path = many.cache / "runs" / key[:2] / key / ("1" * 64)
        path.parent.mkdir(parents=True)
        md5 = object_of(many, content).relative_to(many.cache / "files" / "md5").as_posix().replace("/", "")
        path.write_text(f"cmd: exec python -m gristmill.stages train {W}\nouts:\n- path: x\n  md5: {md5}\n")
        return path

    fresh, stale = run("a" * 64, model_of("m1")), run("b" * 64, model_of("held0"))
    checkpoints = many.state / "checkpoints" / W
    checkpoints.mkdir(parents=True)
    for name, at in (("old", 1), ("new", time.time() + 60)):
        (checkpoints / f"{name}.checkpoint").write_text("x")
        os.utime(checkpoints / f"{name}.checkpoint", (at, at))
    bundles = many.serving(W) / "bundles"
    for name, version in (("now", "v1.0.2"), ("before", "v1.0.1"), ("long-ago", "v1.0.0")):
        (bundles / name).mkdir(parents=True)
        (bundles / name / "deployment.json").write_text(f'{{"version": "{version}"}}')
    (many.serving(W) / "current.json").write_text('{"bundle": "now"}')
    trees = many.state / "worktrees"
    for name in (f"{W}-aaaaaaaa", f"{W}-bbbbbbbb", f"{W}-cccccccc"):
        (trees / name).mkdir(parents=True)
    for number, name in enumerate((f"{W}-aaaaaaaa.failed", f"{W}-bbbbbbbb.failed")):
        (trees / name).touch()
        os.utime(trees / name, (number, number))
    time.sleep(0.01)
    collect(many, keep=1, is_dry=False)
    assert (fresh.exists(), stale.exists()) == (True, False)
    assert [path.stem for path in checkpoints.iterdir()] == ["new"]
    assert sorted(path.name for path in bundles.iterdir()) == ["before", "now"]
    assert [path.name for path in trees.iterdir() if path.is_dir()] == [f"{W}-bbbbbbbb"], "the newest failure is kept"


def test_a_list_that_is_missing_comes_from_a_remote_or_nothing_goes(many: Repository, tmp_path: Path) -> None:
    landing = many.mill.read(f"data/{W}/landing.dvc")
    assert landing is not None
    path = object_path(many.cache, landing_md5(landing))
    content = path.read_bytes()
    path.unlink()
    before = cached_objects(many.cache)
    with pytest.raises(ListMissingError, match=r"data/credit-risk/landing .*gristmill fsck"):
        collect(many, keep=1, is_dry=False)
    assert cached_objects(many.cache) == before
    path.write_bytes(content)
    add_remote(many, "store", str(tmp_path / "store"))
    push(many, None)
    path.unlink()
    collect(many, keep=1, is_dry=False)
    assert path.read_bytes() == content and is_whole(many)


# Whoever is at work


@contextmanager
def a_process(code: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has said `ready` and waits."""
    with subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def refused(repository: Repository, sentence: str) -> None:
    before = cached_objects(repository.cache)
    with pytest.raises(BusyError, match=sentence):
        collect(repository, keep=1, is_dry=False)
    assert cached_objects(repository.cache) == before


def test_while_a_turn_is_alive_nothing_goes(many: Repository) -> None:
    with locked(turn_lock(many, W)):
        note_progress(many, W, "train")
        refused(many, rf"a turn of {W} is going on in .* \(stage train\)\. Nothing was removed")
    with locked(turn_lock(many, "mnist")):
        refused(many, "a turn of mnist")
    collect(many, keep=1, is_dry=False)


def test_beside_a_landing_nothing_goes_and_a_landing_waits_for_it(many: Repository) -> None:
    tip = many.mill.tip()
    assert tip is not None
    with worktree(many, "land-credit-risk-12345678", tip):
        refused(many, r"somebody is at work \(land-credit-risk-12345678\)")
    (many.root.parent / "m9.csv").write_text("x\n9\n")
    with ThreadPoolExecutor() as pool:
        with if_free(trees_lock(many)) as is_alone:  # as gc does while it works
            assert is_alone
            landing = pool.submit(land, many, many.workload(W), [many.root.parent / "m9.csv"])
            with pytest.raises(TimeoutError):
                landing.result(1)
        assert landing.result(120).is_new


def test_while_dvc_works_in_a_persons_tree_nothing_goes(many: Repository) -> None:
    code = (
        "import sys, time, zc.lockfile\n"
        "lock = zc.lockfile.LockFile(sys.argv[1])\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    (many.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with a_process(code, str(many.root / ".dvc" / "tmp" / "lock")):
        refused(many, "DVC is at work in")
    rwlock = many.root / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(f'{{"data": {{"write": {{"pid": {os.getpid()}, "cmd": "dvc repro"}}, "read": []}}}}')
    refused(many, "`dvc repro` is at work")
    rwlock.write_text('{"data": {"write": {"pid": 999999999, "cmd": "dvc repro"}}}')
    collect(many, keep=1, is_dry=False)


# A shared cache


def test_a_cache_outside_the_repository_needs_its_clones_named_and_keeps_what_they_need(
    many: Repository, tmp_path: Path
) -> None:
    shutil.move(many.cache, tmp_path / "shared")
    shutil.copytree(many.root, tmp_path / "other")
    for root in (many.root, tmp_path / "other"):
        (root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    ours, theirs = Repository(many.root), Repository(tmp_path / "other")
    landed_and_turned(theirs, tmp_path / "files", "theirs")
    time.sleep(0.01)
    with pytest.raises(SharedCacheError, match="--shared-with PATH"):
        collect(ours, keep=1, is_dry=False)
    with locked(turn_lock(theirs, W)):
        refused_in = pytest.raises(BusyError, match=f"a turn of {W} is going on in {theirs.root}")
        with refused_in:
            collect(ours, keep=1, shared_with=[theirs.root], is_dry=False)
    collect(ours, keep=1, shared_with=[theirs.root], is_dry=False)
    assert is_there(theirs, "theirs") and is_there(ours, "m1") and not is_there(ours, "held0")
    assert is_whole(ours) and is_whole(theirs)
    collect(ours, keep=1, shared_with=[ours.root], is_dry=False)
    assert not is_there(theirs, "theirs"), "who says that there is no other is believed"


# kill -9


def test_killed_at_any_moment_nothing_needed_is_gone_and_told_again_it_finishes(many: Repository) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport gristmill.runs.collection as c\n"
        "from gristmill.runs.repository import Repository\n"
        "import os, signal\nleft = int(sys.argv[2])\nremove = c._remove\n"
        "def dying(path):\n    global left\n    left -= 1\n"
        "    if left < 0: os.kill(os.getpid(), signal.SIGKILL)\n    remove(path)\n"
        "c._remove = dying\nc.collect(Repository(Path(sys.argv[1])), keep=1, is_dry=False)\n"
    )
    for n_removed in (0, 1 + SEED % 5, 9 + SEED % 7):
        done = subprocess.run([sys.executable, "-c", code, str(many.root), str(n_removed)], check=False)
        assert done.returncode == -signal.SIGKILL
        survey = check(many, [])
        assert survey.troubles == []
        for output in needed(many):
            for md5, path in members(output, many.dvc.listing):
                assert output.in_git or object_path(many.cache, md5).exists(), path
    collect(many, keep=1, is_dry=False)
    assert not is_there(many, "held0") and is_whole(many)
    land(many, many.workload(W), [many.root.parent / "files" / "m1.csv"])


def test_objects_that_came_after_its_beginning_are_left(many: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1.0)
    assert collect(many, keep=1).files == []
