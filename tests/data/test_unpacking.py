"""Each step gives the bytes that it promises, or says what was wrong with what it got."""

import codecs
import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.data.unpacking import UnpackError, unpack


def _unpacked(step: str, content: bytes, folder: Path) -> bytes:
    (folder / "packed").write_bytes(content)
    unpack(step, folder / "packed", folder / "plain")
    return (folder / "plain").read_bytes()


def test_gunzip_gives_the_bytes_that_were_packed(tmp_path: Path) -> None:
    assert _unpacked("gunzip", gzip.compress(b"one") + gzip.compress(b"two"), tmp_path) == b"onetwo"


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"grist" * 999)[:-9], b"no gzip", gzip.compress(b"x")[:-4] + b"????"],
    ids=["cut short", "another format", "a wrong sum"],  # gzip writes the time, and two workers must agree on names
)
def test_a_damaged_gzip_file_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="not a whole gzip file"):
        _unpacked("gunzip", content, tmp_path)


def test_undummy_puts_one_hot_columns_together_after_the_plain_ones(tmp_path: Path) -> None:
    content = b"Job.None,Age,Job.Self.Employed,Class,Home.Own,Home.Rent,v.1\n"
    content += b"1,30,0,Good,0,1,7\n0,41,0,Bad,1,0,8\n0,5,1,Bad,0,1,9\n"
    assert _unpacked("undummy", content, tmp_path).decode() == (
        "Age,Class,v.1,Job,Home\n30,Good,7,None,Rent\n41,Bad,8,,Own\n5,Bad,9,Self.Employed,Rent\n"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a.x,a.y\n1,1\n", "line 2.*not one-hot"),
        (b"a.x,a.y\n1,0\n0.5,0\n", "line 3.*not one-hot"),
        (b"a.x,a.y\n1\n", "line 2 has 1 fields, expected 2"),
        (b"a.x,a.y,a\n1,0,z\n", "column a is there beside"),
        (b"a,b\n1,0\n", "no two columns share a name"),
        (b"", "no two columns share a name"),
        (b"a.x,a.y\n\xff,0\n", "not UTF-8"),
    ],
)
def test_what_is_not_one_hot_is_refused_with_its_line(content: bytes, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match=complaint):
        _unpacked("undummy", content, tmp_path)


def _rdata(numbers: list[float], levels: list[str], codes: list[int]) -> bytes:
    """A data frame `frame` of a double and a factor column, in R's own format (version 2, XDR), written by hand."""

    def text(value: str) -> bytes:
        return struct.pack(">II", 0x00040009, len(value)) + value.encode()

    def attribute(name: str, value: bytes) -> bytes:
        return struct.pack(">II", 0x402, 1) + text(name) + value

    def strings(values: list[str]) -> bytes:
        return struct.pack(">II", 0x10, len(values)) + b"".join(map(text, values))

    end = struct.pack(">I", 0xFE)
    doubles = struct.pack(f">II{len(numbers)}d", 0x0E, len(numbers), *numbers)
    factor = struct.pack(f">II{len(codes)}i", 0x30D, len(codes), *codes)
    factor += attribute("levels", strings(levels)) + attribute("class", strings(["factor"])) + end
    frame = struct.pack(">II", 0x313, 2) + doubles + factor + attribute("names", strings(["amount", "class"]))
    rows = struct.pack(">IIii", 0x0D, 2, -(2**31), -len(numbers))
    frame += attribute("row.names", rows) + attribute("class", strings(["data.frame"])) + end
    return b"RDX2\nX\n" + struct.pack(">III", 2, 0x030500, 0x020300) + attribute("frame", frame) + end


def test_rdata_becomes_csv_with_whole_numbers_as_integers_and_missing_cells_empty(tmp_path: Path) -> None:
    content = gzip.compress(_rdata([1.0, 2.5, float("nan")], ["Bad", "None"], [2, 1, -(2**31)]))
    assert _unpacked("rdata", content, tmp_path) == b"amount,class\n1,None\n2.5,Bad\n,\n"


def test_what_is_not_rdata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="not a readable RData file"):
        _unpacked("rdata", b"RDX2\nX\nnothing", tmp_path)


def _pairs() -> Any:
    rng = np.random.default_rng(3)
    pixels = [rng.integers(0, 256, (n, 16)) for n in (5, 2, 3)]
    return pixels, tuple(((p / 256).astype(np.float32), np.arange(len(p)) % 10) for p in pixels)


@pytest.mark.parametrize("protocol", [2, 4])
def test_mnist_pickle_gives_back_the_exact_bytes_as_idx(protocol: int, tmp_path: Path) -> None:
    pixels, pairs = _pairs()
    content = pickle.dumps(pairs, protocol=protocol)
    train = np.concatenate(pixels[:2]).astype(np.uint8).tobytes()
    assert _unpacked("mnist-pickle:train-images", content, tmp_path) == struct.pack(">4I", 0x803, 7, 4, 4) + train
    assert _unpacked("mnist-pickle:test-images", content, tmp_path)[16:] == pixels[2].astype(np.uint8).tobytes()
    labels = struct.pack(">2I", 0x801, 7) + bytes([0, 1, 2, 3, 4, 0, 1])
    assert _unpacked("mnist-pickle:train-labels", content, tmp_path) == labels


class _Bomb:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize(
    ("function", "name"), [(os.system, "system"), (eval, "eval"), (getattr, "getattr"), (codecs.lookup, "lookup")]
)
def test_a_pickle_that_names_anything_but_arrays_runs_nothing(function: Any, name: str, tmp_path: Path) -> None:
    _, pairs = _pairs()
    bomb = _Bomb(function, f"open({str(tmp_path / 'ran')!r}, 'w')", "x")
    with pytest.raises(UnpackError, match=rf"names \w+\.{name}.*not run"):
        _unpacked("mnist-pickle:test-images", pickle.dumps((*pairs, bomb)), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_may_ask_for_no_other_codec_than_the_one_of_arrays(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="encoding rot13"):
        _unpacked("mnist-pickle:test-images", pickle.dumps(_Bomb(codecs.encode, "x", "rot13")), tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x80\x02nothing", "not a readable pickle"),
        (pickle.dumps([1, 2]), "expected three pairs"),
        (pickle.dumps([([1], [2])] * 3), "something else than an array"),
        (pickle.dumps([(np.full((2, 4), 0.3), np.zeros(2))] * 3), "no bytes"),
        (pickle.dumps([(np.full((2, 4), np.nan), np.zeros(2))] * 3), "not finite"),
        (pickle.dumps([(np.zeros((2, 5)), np.zeros(2))] * 3), "not square"),
    ],
)
def test_a_pickle_of_another_form_is_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match=complaint):
        _unpacked("mnist-pickle:train-images", content, tmp_path)
