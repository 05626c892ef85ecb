"""Reading in bulk: the same as cell by cell, wherever a file is cut into pieces, and within bounds."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.ground.dates import days_since_1970
from gristmill.kinds.tabular.records import IngestSettings, count_rows, dialect, read, text
from gristmill.kinds.tabular.records.cells import MISSING, finite_number
from gristmill.kinds.tabular.records.dialect import Dialect
from gristmill.kinds.tabular.records.identity import payloads
from gristmill.kinds.tabular.records.text import MOST_CHARACTERS

EVERY = IngestSettings(
    columns={"n": "numeric", "word": "categorical", "on": "date"},
    target="y",
    target_type="number",
    id="id",
    group="of",
    encoding=None,
)
HEADER = ["of", "on", "n", "id", "y", "word"]
CELLS = [
    *("", "1", "-0", "+3", "0.1", ".5", "1.", "1e5", "1E-7", "12345678901.5", "1e16", "-1e22", "123456.789", " 2 "),
    *("NA", "nan", "NAN", "-nan", "nan(x)", "inf", "-Infinity", "1e39", "1e400", "1_0", "0x10", "1,5", "1.234,5", ",5"),
    *("1;2", "1\x00", "١", "café", "€", 'a"b', '"', "x\ny", "x\r\ny", "\u2028", "a\x1cb", "\udce9", "null", " "),
    *(
        "2026-01-31",
        "2026-01-31T12:00:00+02:00",
        "1970-01-01 06:00",
        "2023-02-30",
        "31.12.2023",
        "0001-01-01",
        "20260131",
    ),
]


def by_cell(content: bytes, how: Dialect, batch: str) -> Iterator[dict[str, Any]]:
    """What `read` must make of a sound header: every cell read by itself."""
    text = content.decode(how.encoding, "surrogateescape" if how.encoding.startswith("utf-8") else "replace")
    header, *lines = (cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=how.delimiter) if cells)
    seen: Counter[str] = Counter()
    for n, cells in enumerate(lines, 1):
        row, faults = dict(zip(header, cells, strict=False)), dict[str, None]()
        if len(cells) != len(header):
            row = {}
            faults[f"{len(cells)} cells where the header has {len(header)}"] = None

        def word(name: str, row: dict[str, str] = row, faults: dict[str, None] = faults) -> str | None:
            cell = row.get(name, "")
            if any("\ud800" <= character <= "\udfff" for character in cell):
                faults[f"'{name}' is not UTF-8"] = None
                return None
            return cell or None

        def other(name: str, kind: str, faults: dict[str, None] = faults, word: Any = word) -> float | None:
            cell = word(name)
            if cell is None or cell.strip() in MISSING:
                return None
            value = finite_number(how.number(cell)) if kind == "number" else days_since_1970(cell)
            if value is None:
                faults[f"'{name}' is not a {kind}"] = None
            return value

        def name(
            name: str, what: str, row: Any = row, faults: dict[str, None] = faults, word: Any = word
        ) -> str | None:
            cell: str | None = word(name)
            if row and (cell is None or cell.splitlines() != [cell]):
                fault = "is empty or not UTF-8" if cell is None else "holds a line break"
                faults[f"'{name}' {fault}, and it {what}"] = None
                return None
            return cell

        features = {"n": other("n", "number"), "word": word("word"), "on": other("on", "date")}
        target = other("y", "number")
        record, group = name("id", "names the record"), name("of", "says which rows belong together")
        payload = json.dumps(features, sort_keys=True)
        seen[payload] += 1
        hashed = [
            hashlib.sha256(t.encode()).hexdigest()[:32] for t in (f"{payload}\n{batch}\n{seen[payload]}", payload)
        ]
        yield {
            "record_id": record or hashed[0],
            "split_key": hashlib.sha256(group.encode()).hexdigest()[:32] if group else hashed[1],
            "target": target,
            "group": group,
            **features,
            "problems": [f"t.csv, row {n}: {fault}" for fault in faults],
        }


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV with a sound header: any mix of quotes, delimiters, line ends, ragged rows and encodings."""
    delimiter = draw(st.sampled_from(",;\t|"))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    cell = st.sampled_from(CELLS) | st.text(max_size=4)
    row = st.lists(cell, min_size=6, max_size=6) | st.lists(cell, max_size=8)
    lines = [HEADER, *draw(st.lists(row, max_size=12) | st.lists(row, max_size=3).map(lambda rows: rows * 3))]
    bare = draw(st.floats(0, 1)) < 0.2

    def written(cell: str) -> str:
        must = not bare and any(character in cell for character in f'{delimiter}"\r\n')
        return '"' + cell.replace('"', '""') + '"' if must or draw(st.integers(0, 5)) == 0 else cell

    content = end.join(delimiter.join(map(written, cells)) for cells in lines) + draw(
        st.sampled_from(["", end, end * 2])
    )
    encoding, errors = draw(
        st.sampled_from([("utf-8", "surrogateescape"), ("utf-8-sig", "surrogateescape"), ("cp1252", "replace")])
        | st.just(("utf-16", "replace"))
    )
    return content.encode(encoding, errors) if errors == "replace" else _bytes(content, encoding)


def _bytes(content: str, encoding: str) -> bytes:
    """Lone surrogates of the upper half are bytes that are no text; the others cannot be written."""
    return "".join(c if not "\ud800" <= c <= "\udfff" or "\udc80" <= c <= "\udcff" else "?" for c in content).encode(
        encoding, "surrogateescape"
    )


@settings(max_examples=120)
@given(content=tables(), block=st.sampled_from([1, 3, 16, 4_194_304]), chunk=st.sampled_from([1, 40, 8_388_608]))
@example(content=b'of,on,n,id,y,word\n1,2,3,4,5,"a""\n', block=1, chunk=1)
@example(content=b"of,on,n,id,y,word\r\n\xe9,,nan(x),,,\r\n" * 2, block=3, chunk=40)
def test_in_bulk_a_table_is_what_it_is_cell_by_cell_wherever_it_is_cut(
    content: bytes, block: int, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_SIZE", block)
        patch.setattr(dialect, "_CHUNK_CHARACTERS", chunk)
        how = EVERY.dialect(path)
        found = read([path], EVERY, "b1").rows.to_pylist()
        assert count_rows([path], EVERY) == len(found)
    assert how == EVERY.dialect(path), "how it is written does not depend on where it is cut"
    assert found == list(by_cell(content, how, "b1"))


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), max_size=20), words=st.text())
@example(
    numbers=[0.0, 1.0, 1e-4, 9.999e-5, 1e10, 9999999999.9, 1e15, 1e16, 1e17, 5e-324, -1.5, 1e22, 123456789.0], words='"'
)
def test_the_text_that_is_hashed_is_what_json_makes_of_the_row(numbers: list[float | None], words: str) -> None:
    numbers = [None if number is None else number + 0.0 for number in numbers]
    made = payloads(
        {
            "n": pa.array(numbers, pa.float64()),
            'a "w': pa.array([words or None] * len(numbers), pa.string()),
        }
    )
    rows = [{"n": number, 'a "w': words or None} for number in numbers]
    assert made.to_pylist() == [json.dumps(row, sort_keys=True).encode() for row in rows]


@given(content=st.text(alphabet='a{}[]":,1 \r\n\ufeff\ud8ff', max_size=60), block=st.sampled_from([3, 5, 4_194_304]))
def test_whatever_the_lines_are_no_row_is_lost_or_made(
    content: str, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "t.jsonl"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_SIZE", block)
        assert len(read([path], EVERY, "b1").rows) == count_rows([path], EVERY)


SMALL = IngestSettings(columns={"n": "numeric"}, target="y")
LARGE = "x" * MOST_CHARACTERS


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (lambda: 'n,y\n0,a\n1,"' + LARGE, "row 2"),
        (lambda: f"n,y\n0,a\n1,{LARGE}\n2,b\n", "row 2"),
        (lambda: 'n,y\n0,a\n1,"a\n' + '","b\n' * (MOST_CHARACTERS // 5) + "2,b\n", "row 2"),
        (lambda: f"{LARGE},y\n1,a\n", "its header"),
    ],
    ids=["an unclosed quote", "a long line", "many short lines in quotes", "a long header"],
)
def test_a_row_that_does_not_end_is_the_last_one_that_is_read(
    tmp_path: Path, content: Callable[[], str], place: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content(), "utf-8")
    table = read([path], SMALL, "b1")
    assert table.problems == [
        f"t.csv: {place} does not end within 16,777,216 characters (a quote that is never closed?), and nothing behind it "
        "is read"
    ]
    assert table.rows["target"].to_pylist() == (["a", None] if place == "row 2" else [])
    assert count_rows([path], SMALL) == len(table.rows)


@pytest.mark.parametrize("over", [0, 1])
def test_a_row_of_just_so_many_characters_is_read(tmp_path: Path, over: int) -> None:
    lines = tmp_path / "t.jsonl"
    lines.write_text('{"n": 1, "y": "a"}\n'.rjust(MOST_CHARACTERS + over) + '{"n": 2, "y": "b"}\n', "utf-8")
    rows = tmp_path / "t.csv"
    rows.write_text("n,y\n" + "1,a\n".rjust(MOST_CHARACTERS + over) + "2,b\n", "utf-8")
    for path in (lines, rows):
        table = read([path], SMALL, "b1")
        assert table.rows["n"].to_pylist() == ([None] if over else [1.0, 2.0])
        assert count_rows([path], SMALL) == len(table.rows)
        assert bool(table.problems) == bool(over)


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_a_letter_that_is_cut_in_two_still_tells_the_encoding(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_SIZE", block)
    for name, content, encoding in (
        ("both", "1,é".encode() + b"\n2,caf\xe9\n", "utf-8"),
        ("latin", b"1,x\n2,caf\xe9\n", "cp1252"),
        ("good", "1,é€\n2,é".encode(), "utf-8"),
    ):
        (tmp_path / name).write_bytes(b"n,y\n" + content)
        assert SMALL.dialect(tmp_path / name).encoding == encoding


def test_a_hundred_thousand_columns_are_a_problem_and_no_wait(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(["n", "y", *map(str, range(100_000))]) + ("\n1,a" + ",0" * 100_000) * 20, "utf-8")
    table = read([path], SMALL, "b1")
    assert table.problems[-1] == "t.csv ... and 99,995 more like it"
    assert table.rows["n"].to_pylist() == [1.0] * 20


def test_equal_rows_are_counted_on_through_all_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,y\n" + "1,a\n2,a\n1,b\n" * 50, "utf-8")
    whole = read([path], SMALL, "b1").rows
    monkeypatch.setattr(dialect, "_CHUNK_CHARACTERS", 30)
    assert read([path], SMALL, "b1").rows == whole
    assert len(set(whole["record_id"].to_pylist())) == 150 and len(set(whole["split_key"].to_pylist())) == 2
