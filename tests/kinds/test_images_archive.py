"""Zip archives: what means harm or is ambiguous is refused whole, in a sentence, before anything is decoded."""

import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.picture_files import encoded, pixels, write_zip

from gristmill.data.batches import BatchTable
from gristmill.kinds.images.records import IngestSettings, count_rows, read
from gristmill.kinds.images.records.directory import MAX_ENTRIES

SETTINGS = IngestSettings(classes=("shirts", "coats"))
PNG = encoded(pixels(1))


def read_archive(path: Path) -> BatchTable:
    table = read([path], SETTINGS, "b1")
    assert len(table.rows) == count_rows([path], SETTINGS), "a row was lost or made"
    return table


def refusal(path: Path) -> str:
    rows, problems, _ = read_archive(path)
    assert len(rows) == 0
    return problems[0]


def entry(name: str, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = method
    return info


@pytest.mark.parametrize(
    "name", ["/shirts/1.png", "../1.png", "shirts/../../1.png", "C:/1.png", "shirts\\..\\1.png", "shirts//1.png", ".."]
)
def test_a_name_that_may_lead_out_of_it(tmp_path: Path, name: str) -> None:
    told = refusal(write_zip(tmp_path / "a.zip", {"shirts/0.png": PNG, name: PNG}))
    assert told.startswith(f"a.zip holds the name {name!a}, which may lead out of it")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zip"], "nothing is ever unpacked to the disk"


@pytest.mark.parametrize("name", ["shirts/1\n.png", "shirts/\x1b[2J.png", "shirts/\u2028.png"])
def test_a_name_that_is_no_line_of_text(tmp_path: Path, name: str) -> None:
    told = refusal(write_zip(tmp_path / "a.zip", {name: PNG}))
    assert "which is no line of text" in told and told.isprintable()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["shirts/1.png", "./shirts/1.png"])
def test_a_name_that_is_there_twice(tmp_path: Path, again: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("shirts/1.png", PNG)
        archive.writestr(again, encoded(pixels(2)))
    assert refusal(tmp_path / "a.zip") == "a.zip holds 'shirts/1.png' twice"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry("shirts/1.png", kind | 0o777), "/etc/passwd")
    assert refusal(tmp_path / "a.zip") == "a.zip holds links or other things that are no files"


def test_encrypted_entries(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / "a.zip", {"shirts/1.png": PNG}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert refusal(tmp_path / "a.zip") == "a.zip is encrypted"


def test_a_way_of_packing_that_claims_memory_as_it_likes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry("shirts/1.png", method=zipfile.ZIP_LZMA), PNG)
    assert refusal(tmp_path / "a.zip") == "a.zip is packed by method 14: pack it as plain zip (deflate)"


def test_archives_in_an_archive(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner", {"1.png": PNG}).read_bytes()
    told = refusal(write_zip(tmp_path / "a.zip", {"shirts/more.zip": inner}))
    assert told == "a.zip holds another archive: pack the pictures themselves"


def test_a_bomb_is_refused_by_what_it_declares_and_costs_no_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("shirts/1.png", bytes(50_000_000))
    tracemalloc.start()
    told = refusal(tmp_path / "a.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told.startswith("a.zip unpacks to 10") and told.endswith("times its size, as pictures never do")
    assert peak < 5_000_000


def patched(tmp_path: Path, patch: Callable[[bytearray, int], None]) -> Path:
    """An archive of one picture, its directory's entry changed."""
    content = bytearray(write_zip(tmp_path / "a.zip", {"shirts/1.png": PNG}).read_bytes())
    patch(content, content.index(b"PK\x01\x02"))
    (tmp_path / "a.zip").write_bytes(content)
    return tmp_path / "a.zip"


def test_a_bomb_that_declares_more_than_any_batch_may_hold(tmp_path: Path) -> None:
    def claim(content: bytearray, at: int) -> None:
        content[at + 24 : at + 28] = struct.pack("<L", 2**32 - 2)

    assert "times its size, as pictures never do" in refusal(patched(tmp_path, claim))


def test_an_entry_that_holds_more_than_it_declares_is_a_damaged_row(tmp_path: Path) -> None:
    def claim(content: bytearray, at: int) -> None:
        content[at + 24 : at + 28] = struct.pack("<L", 20)

    rows, problems, _ = read_archive(patched(tmp_path, claim))
    assert rows["problems"].to_pylist() == [["a.zip/shirts/1.png is damaged in its archive"]] and problems == []


def test_more_files_than_a_batch_may_hold_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    one = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 1, *[0] * 6) + b"a"
    n = MAX_ENTRIES + 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, n % 65536, n % 65536, n * len(one), 0, 0)
    (tmp_path / "a.zip").write_bytes(one * n + end)
    assert refusal(tmp_path / "a.zip") == f"a.zip holds more than {MAX_ENTRIES:,} files: split it"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", encoded(pixels(1)), b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert refusal(tmp_path / "a.zip") == "a.zip is no zip archive, is damaged or cut short"


def test_an_archive_that_is_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "a.zip", {"shirts/1.png": PNG, "coats/2.png": encoded(pixels(2))}).read_bytes()
    for n_bytes in range(len(whole)):
        (tmp_path / "a.zip").write_bytes(whole[:n_bytes])
        assert "cut short" in refusal(tmp_path / "a.zip")


def test_a_directory_that_claims_to_hold_less_than_its_count_is_refused(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / "a.zip", {"shirts/1.png": PNG}).read_bytes())
    content[-10:-6] = bytes(4)  # the directory's length
    (tmp_path / "a.zip").write_bytes(content)
    assert refusal(tmp_path / "a.zip") == "a.zip is no zip archive, is damaged or cut short"


@given(places=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_is_overwritten_no_row_is_lost_or_made_and_nothing_is_raised(
    places: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    content = bytearray(write_zip(path, {f"shirts/{n}.png": encoded(pixels(n)) for n in range(3)}).read_bytes())
    for place, value in places:
        content[-1 - place % len(content)] = value
    path.write_bytes(content)
    rows, problems, _ = read_archive(path)
    assert len(rows) == 3 or problems


def test_names_of_other_programs_are_understood(tmp_path: Path) -> None:
    """UTF-8 that is not declared as such (macOS), the old code page of DOS, and folders with entries of their own."""
    settings = IngestSettings(classes=("chaussée", "röcke"))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("XXXXXXXXX/1.png", PNG)
        archive.writestr("YYYYY/2.png", encoded(pixels(2)))
        archive.writestr("YYYYY/", b"")
    content = file.getvalue().replace(b"X" * 9, "chaussée".encode()).replace(b"YYYYY", "röcke".encode("cp437"))
    (tmp_path / "a.zip").write_bytes(content)
    rows, problems, _ = read([tmp_path / "a.zip"], settings, "b1")
    assert (problems, rows["target"].to_pylist()) == ([], [0, 1])
