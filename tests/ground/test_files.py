"""Files are whole or absent, and never written through a link into the cache."""

import json
from pathlib import Path

import pytest

from gristmill.ground.files import content_sha256, file_sha256, new_file, new_folder, write_json


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    with new_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "half"


def test_a_fault_in_mid_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="full"), new_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise OSError("full")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old"}


def test_writing_does_not_go_through_a_hard_link(tmp_path: Path) -> None:
    cached = tmp_path / "cached"
    cached.write_text("{}")
    (tmp_path / "a.json").hardlink_to(cached)
    write_json(tmp_path / "a.json", {"x": 1})
    assert cached.read_text() == "{}"


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").touch()
    with new_folder(tmp_path / "f") as temporary:
        (temporary / "new").touch()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["f", "f/new"]


def test_a_fault_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").touch()
    with pytest.raises(OSError, match="full"), new_folder(tmp_path / "f") as temporary:
        (temporary / "new").touch()
        raise OSError("full")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["f", "f/old"]


def test_json_is_the_same_bytes_in_any_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"é": 1, "b": 2})
    write_json(tmp_path / "b", {"b": 2, "é": 1})
    assert file_sha256(tmp_path / "a") == file_sha256(tmp_path / "b")
    assert json.loads((tmp_path / "a").read_text("utf-8")) == {"é": 1, "b": 2}
    assert content_sha256({"x": 1, "y": 2}) == content_sha256({"y": 2, "x": 1})


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a", float("nan"))
    assert not list(tmp_path.iterdir())
