"""The inbox: what is whole lands once and leaves, whatever happens meanwhile."""

import errno
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.digits import write_digits
from tests.watched import Watched

from gristmill.runs import inbox
from gristmill.runs.dropped import Entry, objection
from gristmill.runs.inbox import GATHERED_S, LONGEST_GATHERED_S, RETRY_S, SETTLED_S, watch
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.repository import Repository


@pytest.fixture
def watched(repository: Repository) -> Watched:
    return Watched(repository)


def disk_is_full(*_: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# What is whole lands, once


def test_a_file_at_rest_lands_under_its_name_and_leaves_the_inbox(watched: Watched) -> None:
    watched.drop("monday.csv")
    watched.rest()
    [landing], dvc = watched.landings, watched.repository.dvc
    listing = dvc.listing(landing_md5(watched.repository.mill.read("data/credit-risk/landing.dvc") or b""))
    [manifest] = [dvc.object_path(md5) for path, md5 in listing.items() if path.endswith("manifest.json")]
    assert landing.subject == "land credit-risk: monday.csv"
    assert json.loads(manifest.read_text())["origin"] == "monday.csv"
    assert watched.is_empty() and watched.notes == []
    assert watched.said[0].startswith(f"credit-risk: monday.csv landed as batch {landing.trailers['Batch']} (at rest ")


def test_a_file_that_is_still_written_is_taken_only_when_it_has_not_changed_for_two_seconds(watched: Watched) -> None:
    path = watched.drop("slow.csv", "x\n")
    for n in range(4):
        watched.look(SETTLED_S - 0.25)
        with path.open("a") as file:
            file.write(f"{n}\n")
    watched.look(0.25)
    watched.look(SETTLED_S - 0.25)
    assert path.exists() and watched.landed == []
    watched.look(0.25)
    assert watched.is_empty() and watched.landed == ["slow.csv"]


def test_a_copy_that_keeps_old_times_is_not_taken_before_it_is_whole(watched: Watched) -> None:
    """`cp -a` of a folder: each part that is there has the time of the original, and the next is still to come."""
    for name in ("a.csv", "b.csv"):
        (watched.repository.here / "data/credit-risk/inbox/copied").mkdir(parents=True, exist_ok=True)
        os.utime(watched.drop(f"copied/{name}", f"x\n{name}\n"), (1, 1))
        watched.look(0.25)
        assert watched.landed == []
    watched.look(SETTLED_S)
    assert watched.landed == ["a.csv, b.csv"]


@pytest.mark.parametrize("name", [".a.csv", "a.csv.part", "a.csv.tmp", "A.CSV.TMP", "a.csv.crdownload", "a.csv~"])
def test_a_temporary_name_is_never_taken_and_renamed_it_is(watched: Watched, name: str) -> None:
    path = watched.drop(name)
    watched.rest()
    assert path.exists() and watched.landed == [] and watched.said == []
    path.rename(path.with_name("a.csv"))
    watched.rest()
    assert watched.is_empty() and watched.landed == ["a.csv"]


def test_a_folder_is_one_batch(watched: Watched) -> None:
    write_digits(watched.repository.workload("mnist").inbox / "march", 0, 20)
    watched.rest()
    assert watched.landed == ["images-0, labels-0"] and watched.is_empty("mnist")


def test_the_same_bytes_under_another_name_are_no_second_batch_and_that_is_said(watched: Watched) -> None:
    watched.drop("a.csv")
    watched.rest()
    watched.drop("again.csv")
    watched.rest()
    assert watched.landed == ["a.csv"] and watched.is_empty()
    assert watched.said[-1].startswith("credit-risk: again.csv had landed before, as batch ")


# Killed, or raced


def test_killed_between_commit_and_removal_a_file_makes_no_second_commit_and_goes(watched: Watched) -> None:
    path = watched.drop("a.csv")
    land(watched.repository, watched.repository.workload("credit-risk"), [path])
    tip = watched.repository.mill.tip()
    watched.rest()
    assert watched.repository.mill.tip() == tip and watched.is_empty()


def test_killed_while_it_left_an_entry_makes_no_second_commit_and_goes(watched: Watched) -> None:
    folder = watched.drop(".landed/0a1b2c3d/a.csv")
    land(watched.repository, watched.repository.workload("credit-risk"), [folder])
    tip = watched.repository.mill.tip()
    watched.rest()
    assert watched.repository.mill.tip() == tip and watched.is_empty()


def test_killed_while_a_folder_was_removed_its_rest_is_no_other_batch(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def remove_one_file_and_be_killed(folder: Path, *args: Any, **kwargs: Any) -> None:
        if not Path(folder).is_relative_to(watched.repository.here / "data"):
            return remove(folder, *args, **kwargs)
        next(Path(folder).rglob("a.csv")).unlink()
        raise KeyboardInterrupt

    watched.drop("week/a.csv", "x\n1\n")
    watched.drop("week/b.csv", "x\n2\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", remove_one_file_and_be_killed)
        watched.rest()
    after = Watched(watched.repository)
    after.drop("next.csv", "x\n3\n")
    after.rest()
    assert after.landed == ["a.csv, b.csv", "next.csv"] and after.is_empty()


@pytest.mark.parametrize("how", ["replaced", "appended"])
def test_what_is_written_under_the_name_of_a_file_that_is_being_taken_is_not_lost(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = watched.drop("a.csv", "x\n1\n")
    stat = path.stat()

    def land_while_somebody_writes(*args: Any) -> Any:
        landed = land(*args)
        monkeypatch.setattr(inbox, "land", land)
        if how == "replaced":  # as `cp -p` and `mv` do: the same size and time, another file
            other = watched.drop(".new", "x\n2\n")
            os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            other.replace(path)
        else:
            with path.open("a") as file:
                file.write("2\n")
        return landed

    monkeypatch.setattr(inbox, "land", land_while_somebody_writes)
    watched.rest()
    watched.rest()
    assert watched.landed == ["a.csv", "a.csv"] and watched.is_empty()


def test_what_is_written_to_while_it_is_judged_is_not_taken_half_written(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.drop("a.csv", "x\n1\n")

    def judge_while_somebody_writes(*_: Any) -> None:
        monkeypatch.undo()
        path.write_text("x\n1\n2\n", "utf-8")

    monkeypatch.setattr(inbox, "objection", judge_while_somebody_writes)
    watched.rest()
    assert watched.landed == [] and path.exists()
    watched.rest()
    assert watched.landed == ["a.csv"]


def test_what_landed_and_cannot_be_taken_out_is_said_and_lands_once(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.drop("a.csv")

    def refuse(*_: Any) -> Any:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    monkeypatch.setattr(inbox, "_move_out", refuse)
    watched.rest()
    watched.look(RETRY_S)
    assert watched.landed == ["a.csv"] and path.exists()
    [told] = watched.said
    assert "inbox/a.csv landed as batch" in told and "(Operation not permitted): remove it by hand" in told


# A full disk


def test_a_full_disk_leaves_files_where_they_are_is_said_once_and_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [watched.drop(f"{n}.csv", f"x\n{n}\n") for n in range(3)]
    monkeypatch.setattr(inbox, "land", disk_is_full)
    watched.rest()
    watched.look(RETRY_S + 1)
    assert all(path.exists() for path in paths)
    [told] = watched.said
    assert "No space left on device" in told and "Nothing is lost" in told
    assert set(watched.notes) == {told}
    monkeypatch.setattr(inbox, "land", land)
    watched.look(RETRY_S - 1)
    assert watched.landed == []
    watched.look(1)
    assert watched.landed == ["0.csv", "1.csv", "2.csv"] and watched.is_empty() and watched.notes == []


# Files that come together make one turn


def test_files_that_come_together_are_gathered_before_a_turn_is_asked_for(watched: Watched) -> None:
    assert not watched.is_gathering()
    watched.drop("0.csv", "x\n0\n")
    watched.look(0.25)
    began = watched.now
    watched.look(GATHERED_S - 0.5)
    assert watched.landed == ["0.csv"] and watched.is_gathering(), "it has landed, and more may come"
    watched.drop("1.csv", "x\n1\n")
    watched.look(0.25)
    watched.look(0.25)
    assert watched.now >= began + GATHERED_S and watched.is_gathering(), "more is being written"
    watched.look(SETTLED_S)
    assert watched.landed == ["0.csv", "1.csv"] and not watched.is_gathering()


def test_a_file_that_never_rests_keeps_nothing_else_from_its_turn(watched: Watched) -> None:
    path = watched.drop("log.csv")
    watched.look(0.25)
    for _ in range(round(LONGEST_GATHERED_S)):
        assert watched.is_gathering() and not watched.is_gathering("mnist")
        with path.open("a") as file:
            file.write("1\n")
        watched.look(1)
    assert not watched.is_gathering()


# Notes


def test_a_note_outlives_the_watcher_and_vanishes_with_its_entry(watched: Watched) -> None:
    path = watched.drop("manifest.json", "{}")
    watched.rest()
    [note] = watched.notes
    assert "this name is the mill's own. Rename the file." in note
    assert list(json.loads((watched.repository.state / "inbox.json").read_text())) == [
        "data/credit-risk/inbox/manifest.json"
    ]
    path.unlink()
    assert watched.notes == [], "though nobody has looked since"
    watched.look(0.25)
    assert json.loads((watched.repository.state / "inbox.json").read_text()) == {}


def test_what_is_taken_out_before_it_lands_is_no_fault(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    path = watched.drop("a.csv")

    def land_what_was_taken_out(*args: Any) -> Any:
        path.unlink()
        return land(*args)

    monkeypatch.setattr(inbox, "land", land_what_was_taken_out)
    watched.rest()
    assert watched.said == [] and watched.landed == []
    assert objection(watched.repository, Entry("credit-risk", path)) is None


# The watch itself: in real time, for asking is all about time


@contextmanager
def watching(watched: Watched, ask: Callable[[str, str], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(watched.repository, ask, watched.said.append, stop))
    thread.start()
    try:
        yield
        assert thread.is_alive(), "nothing ends the watch but being told to"
    finally:
        stop.set()
        thread.join()


def wait_for(get: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not get():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_turn_is_asked_for_after_the_gathering_and_again_as_long_as_data_waits(watched: Watched) -> None:
    asked: list[tuple[str, str, int, float]] = []
    with watching(watched, lambda name, data: asked.append((name, data, len(watched.landed), time.monotonic()))):
        wait_for(watched.repository.workload("credit-risk").inbox.is_dir)
        began = time.monotonic()
        for n in range(3):
            watched.drop(f"{n}.csv", f"x\n{n}\n")
            time.sleep(0.5)
        wait_for(lambda: len(asked) >= 3)
    pointer = watched.repository.mill.read("data/credit-risk/landing.dvc")
    assert pointer is not None
    assert {ask[:3] for ask in asked} == {("credit-risk", landing_md5(pointer), 3)}, "asked when all had landed"
    assert asked[0][3] - began >= GATHERED_S


def test_params_in_mid_edit_and_a_full_disk_are_said_once_and_the_watch_goes_on(
    watched: Watched, make_file: Callable[[str, str], Path]
) -> None:
    params, asked = watched.repository.here / "params.yaml", list[str]()
    good = params.read_text()

    def ask(workload: str, _data: str) -> None:
        asked.append(workload)
        if len(asked) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    land(watched.repository, watched.repository.workload("mnist"), [make_file("a.csv", "x\n1\n")])
    params.write_text("workloads: {")
    with watching(watched, ask):
        wait_for(lambda: watched.said)
        time.sleep(2.5)
        [told] = watched.said
        assert "params.yaml: not readable as YAML" in told and "Correct it there." in told
        assert asked == []
        params.write_text(good.replace("credit-risk:", "newborn: {kind: tabular}\n  credit-risk:"))
        wait_for(lambda: len(asked) >= 3)
        assert watched.repository.workload("newborn").inbox.is_dir(), "made without a restart"
        params.write_text("workloads: {")
        wait_for(lambda: len(watched.said) >= 3)
    assert ["No space left on device" in line for line in watched.said] == [False, True, False]


def test_told_to_stop_it_lands_no_further_file(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def land_and_be_told_to_stop(*args: Any) -> Any:
        stop.set()
        return land(*args)

    for n in range(3):
        watched.drop(f"{n}.csv", f"x\n{n}\n")
    monkeypatch.setattr(inbox, "land", land_and_be_told_to_stop)
    watch(watched.repository, lambda *_: None, watched.said.append, stop)
    assert watched.landed == ["0.csv"]
