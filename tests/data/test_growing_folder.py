"""A folder's files are taken when they are at rest, once, and again when they are replaced; nothing in it is touched."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill.data.growing import folder as growing_folder
from gristmill.data.growing.arrivals import Found, SourceUnreachableError
from gristmill.data.growing.folder import RESTED_S, StillWrittenError, look_into_folder
from gristmill.data.growing.ledger import Ledger, LedgerError, OvertakenError, RowsTaken
from gristmill.data.growing.settings import FolderSource
from gristmill.data.mirrors import quiet


class Exports:
    """A folder, and whoever takes what is new in it."""

    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        self.path, self.ledger, self.notes = tmp_path / "exports", Ledger(), tmp_path / "notes.json"
        self.path.mkdir()
        self.source = FolderSource.model_validate({"name": "exports", "folder": "exports", **settings})
        self.rested: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def write(self, name: str, text: str = "x\n1\n") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def look(self) -> Found:
        def rest(seconds: float) -> None:
            self.rested.append(seconds)
            self.meanwhile()

        return look_into_folder(self.source, self.path.parent, self.ledger, self.notes, rest)

    def take(self) -> list[str]:
        """What arrived, in words."""
        found = self.look()
        for arrival in found.arrivals:
            self.ledger = Ledger.of(self.ledger.to_file({"exports": arrival.move(self.ledger)}))
        return [arrival.what for arrival in found.arrivals]


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


def test_each_new_file_is_a_batch_below_folders_too_and_is_taken_once(exports: Exports) -> None:
    a, b = exports.write("a.csv"), exports.write("2026/01/b c.csv", "x\n2\n")
    arrivals = exports.look().arrivals
    assert [arrival.bring(exports.path, quiet) for arrival in arrivals] == [[b], [a]]
    assert exports.take() == ["2026/01/b c.csv", "a.csv"]
    assert exports.take() == [] and a.exists() and b.exists()


def test_where_nothing_is_new_nothing_rests_and_nothing_is_read(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports.write("a.csv")
    exports.take()
    assert exports.rested == [RESTED_S]
    monkeypatch.setattr(growing_folder, "file_sha256", lambda path: pytest.fail(f"{path} is read again"))
    assert exports.take() == [] and exports.rested == [RESTED_S]


def test_without_its_notes_it_reads_again_and_takes_nothing_twice(exports: Exports) -> None:
    exports.write("a.csv")
    exports.take()
    exports.notes.write_text("no JSON")
    assert exports.take() == []
    exports.notes.unlink()
    assert exports.take() == []


def test_a_file_that_is_replaced_under_its_name_is_a_new_batch_and_that_is_said(exports: Exports) -> None:
    path = exports.write("a.csv")
    exports.take()
    before, stat = exports.ledger.files("exports").files["a.csv"], path.stat()
    path.unlink()
    exports.write("a.csv", "y\n2\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size and time: rsync and cp -p keep them
    assert exports.take() == [f"a.csv, in the place of what landed as batch {before}"]
    path.touch()
    assert exports.take() == []


def test_a_file_that_is_still_written_waits(exports: Exports) -> None:
    path = exports.write("a.csv")
    exports.meanwhile = lambda: path.write_text("x\n1\n2\n")
    found = exports.look()
    assert found.arrivals == [] and found.waiting == [
        "a.csv is still being written: it is taken when it has come to rest"
    ]
    exports.meanwhile = lambda: None
    assert exports.take() == ["a.csv"]


def test_a_file_that_changes_between_look_and_commit_does_not_land(exports: Exports) -> None:
    path = exports.write("a.csv")
    [arrival] = exports.look().arrivals
    path.write_text("x\n1\n2\n")
    with pytest.raises(StillWrittenError, match=r"a\.csv"):
        arrival.move(exports.ledger)


def test_who_comes_second_is_overtaken(exports: Exports) -> None:
    exports.write("a.csv")
    [arrival] = exports.look().arrivals
    exports.take()
    with pytest.raises(OvertakenError):
        arrival.move(exports.ledger)


@pytest.mark.parametrize("name", [".a.csv", "a.csv.part", "a.csv.tmp", ".hidden/a.csv", "sending.part/a.csv"])
def test_a_temporary_name_is_left_alone(name: str, exports: Exports) -> None:
    exports.write(name)
    assert exports.look() == Found([], [], [])


def test_a_glob_chooses(tmp_path: Path) -> None:
    exports = Exports(tmp_path, glob="2026/*.csv")
    for name in ("a.csv", "2026/b.csv", "2026/01/c.csv", "2026/d.json"):
        exports.write(name)
    assert exports.take() == ["2026/01/c.csv", "2026/b.csv"]


def test_a_folder_is_a_batch_where_it_is_declared_so(tmp_path: Path) -> None:
    exports = Exports(tmp_path, batch="folder", glob="march*")
    for name in ("march/images", "march/labels", "april/images", "alone.csv"):
        exports.write(name)
    [arrival] = exports.look().arrivals
    assert arrival.bring(exports.path, quiet) == [exports.path / "march"] and exports.take() == ["march"]
    exports.write("march/more.part")
    assert exports.look().waiting == ["march waits: more.part is a temporary name"]
    (exports.path / "march" / "more.part").rename(exports.path / "march" / "more")
    [what] = exports.take()
    assert what.startswith("march, in the place of what landed as batch ")


def test_what_cannot_be_taken_is_named_and_keeps_nothing_else(exports: Exports, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("not to be had\n")
    (exports.path / "a.csv").symlink_to(secret)
    os.mkfifo(exports.path / "b.csv")
    exports.write("c.csv", "")
    exports.write("line\nend.csv")
    Path(os.fsdecode(bytes(exports.path) + b"/\xff.csv")).write_text("x\n")
    exports.write("ü 'z\".csv")
    found = exports.look()
    assert [arrival.what for arrival in found.arrivals] == ["ü 'z\".csv"]
    assert found.waiting == ["c.csv waits: it is empty"]
    assert sorted(found.amiss) == [
        "'\\udcff.csv' is no name that can be written in a line of UTF-8: rename it",
        "'line\\nend.csv' is no name that can be written in a line of UTF-8: rename it",
        "a.csv is a link, and links are not followed: put the file itself there",
        "b.csv is no file: take it out",
    ]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    exports = Exports(tmp_path)
    exports.path.rmdir()
    with pytest.raises(SourceUnreachableError, match=r"exports cannot be read \(No such file.*Mount it"):
        exports.look()


def test_the_name_of_another_sort_of_source_is_refused(exports: Exports) -> None:
    exports.ledger = Ledger(sources={"exports": RowsTaken(mark=1, rows=())})
    with pytest.raises(LedgerError, match=r"'exports' was a query before\. Give the new source a name of its own"):
        exports.look()


def test_a_writer_at_work_is_never_caught_half_way(exports: Exports) -> None:
    """A file that grows all the while, looked at with real rests: only whole states arrive."""
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.01):
            with (exports.path / "a.csv").open("a") as file:
                file.write("1\n")

    exports.write("a.csv")
    exports.meanwhile = lambda: time.sleep(0.1)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert exports.take() == []
    finally:
        stop.set()
        writer.join()
    assert exports.take() == ["a.csv"]
