"""What was given becomes parts called by their path, or is refused by name."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.picture_files import write_folder

from gristmill.runs.parts import PartsError, check_names, files_below, parts_of, told


def listed(folder: Path, *names: str) -> Path:
    write_folder(folder, {name: os.fsencode(name) for name in names})
    return folder


def test_a_part_of_a_folder_is_called_by_its_path_and_a_file_by_its_name(tmp_path: Path) -> None:
    week = listed(tmp_path / "week", "shirts/1.png", "coats/1.png", "a.csv")
    alone = listed(tmp_path, "alone.csv") / "alone.csv"
    parts = parts_of([week, alone])
    assert list(parts) == ["a.csv", "coats/1.png", "shirts/1.png", "alone.csv"]
    assert all(path.read_bytes() == os.fsencode(name) for name, path in parts.items())


@pytest.mark.parametrize(
    "name", ["a b.csv", "'a'\".csv", "-rf", "--", "chaussée/é.png", "e\u0301.png", "👩\u200d🚀.png", "a\\b"]
)
def test_a_name_that_is_only_unusual_is_kept(tmp_path: Path, name: str) -> None:
    assert list(parts_of([listed(tmp_path / "week", name)])) == [name]


@pytest.mark.parametrize("name", ["a\nb.csv", "a\x1b[2J", "a\u2028b", os.fsdecode(b"m\xe4rz.csv"), "x\r/1.png"])
def test_a_name_that_is_no_line_of_text_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PartsError, match="this name is no line of UTF-8") as caught:
        parts_of([listed(tmp_path / "week", name)])
    assert str(caught.value).isascii()


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "a//b", "./a", "", ".."])
def test_a_name_of_a_sender_that_would_lie_outside_the_batch_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PartsError, match="no part can be called"):
        check_names({name: tmp_path / "a"})


@pytest.mark.parametrize("name", ["manifest.json", "x/manifest.json", "0001-drop.json", "x/0001-drop.json"])
def test_a_name_of_the_mills_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PartsError, match="this name is the mill's own"):
        parts_of([listed(tmp_path / "week", name)])


@pytest.mark.parametrize("name", ["x.dvc", "x/dvc.yaml", ".dvcignore", "x/.git/config", ".dvc/a.csv"])
def test_a_name_that_dvc_would_read_as_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PartsError, match="this name is git's or DVC's own"):
        parts_of([listed(tmp_path / "week", name)])


def test_a_name_that_is_a_file_and_a_folder_too_is_refused(tmp_path: Path) -> None:
    week, a = listed(tmp_path / "week", "a/1.csv"), listed(tmp_path, "a") / "a"
    with pytest.raises(PartsError, match=r"'a' is the name of a file .* and of a folder"):
        parts_of([week, a])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PartsError, match=r"two files are called 'a\.csv'"):
        parts_of([listed(tmp_path / "x", "a.csv"), listed(tmp_path / "y", "a.csv")])


def a_link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        listening.bind(path.name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_link_to("nothing"), "is no file (a link to nothing or to a folder, a pipe)"),
        (a_link_to("odd"), "is no file"),
        (a_link_to("../shirts"), "is no file"),
        (a_link_to(".."), "is no file"),
        (a_link_to("/etc/hostname"), "is a link out of its folder"),
        (a_link_to("../../secret"), "is a link out of its folder"),
        (os.mkfifo, "is no file"),
        (a_socket, "is no file"),
    ],
    ids=["link to nothing", "loop", "link to folder", "link upwards", "absolute", "relative", "pipe", "socket"],
)
def test_what_is_no_file_of_its_folder_is_refused_and_never_passed_over(
    tmp_path: Path, make: Callable[[Path], None], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    week = listed(tmp_path / "week", "shirts/1.png", "coats/2.png")
    listed(tmp_path, "secret")
    make(week / "coats" / "odd")
    with pytest.raises(PartsError) as caught:
        parts_of([week])
    assert f"{week}/coats/odd {words}" in str(caught.value)


def test_a_link_within_its_folder_stands_for_the_file(tmp_path: Path) -> None:
    week = listed(tmp_path / "week", "shirts/1.png")
    (week / "2.png").symlink_to("shirts/1.png")
    assert list(parts_of([week])) == ["2.png", "shirts/1.png"]


def test_a_device_given_by_name_is_never_read() -> None:
    with pytest.raises(PartsError, match="/dev/zero is no file"):
        parts_of([Path("/dev/zero")])


def test_a_folder_that_may_not_be_looked_into_is_refused_and_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = listed(tmp_path / "week", "shirts/1.png", "coats/2.png")
    look = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "coats":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr("gristmill.runs.parts.scandir", closed)  # tests may run as root, who may look anywhere
    assert list(files_below(week)) == ["coats", "shirts/1.png"]
    with pytest.raises(PartsError, match="coats may not be looked into by this user"):
        parts_of([week])


def test_folders_without_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "week" / "empty").mkdir(parents=True)
    with pytest.raises(PartsError, match=r"no file in .*/week\. Name the files of the batch"):
        parts_of([tmp_path / "week"])


def test_of_many_parts_the_first_are_told() -> None:
    assert told(["a", "b", "c"]) == "a, b, c"
    assert told([str(n) for n in range(10_000)]) == "0, 1, 2, 3 and 9,996 more"
