"""JSON lines and Parquet as they land: the same rows as of a CSV, and every way in which a file can be broken."""

import datetime
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.data.batches import BatchTable
from gristmill.kinds.tabular.records import IngestSettings, count_rows, parquet_rows, read
from gristmill.kinds.tabular.records.cells import MISSING
from gristmill.kinds.tabular.records.text import MOST_CHARACTERS

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = IngestSettings(columns={"amount": "numeric", "purpose": "categorical"}, target="class")
DATED = IngestSettings(columns={"on": "date"}, target="class")
NAMED = IngestSettings(columns={"amount": "numeric"}, target="class", id="loan", group="customer")
CSV = b"amount,purpose,class\n1200,car,Good\n-0.5,,Bad\n,house,Good\n"
LINES = (
    b'{"amount": 1200, "purpose": "car", "class": "Good"}\n{"class": "Bad", "amount": -5e-1, "purpose": null}\n'
    b'{"purpose": "house", "class": "Good"}\n'
)


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def sound(n: int = 3, **others: Any) -> dict[str, Any]:
    return {"amount": pa.array(np.arange(n) * 1.5), "purpose": ["car"] * n, "class": ["Good"] * n, **others}


TABLE = parquet({"amount": [1200, -0.5, None], "purpose": ["car", None, "house"], "class": ["Good", "Bad", "Good"]})


def read_files(folder: Path, settings: IngestSettings = SETTINGS, **contents: bytes) -> BatchTable:
    """Read parts that are called like the arguments, `_` for a dot."""
    parts = [folder / name.replace("_", ".") for name in contents]
    for part, content in zip(parts, contents.values(), strict=True):
        part.write_bytes(content)
    table = read(parts, settings, "b1")
    assert len(table.rows) == count_rows(parts, settings), "a row was lost or made"
    assert table.rows.schema == read([], settings, "b1").rows.schema, "columns depend on the data"
    return table


def column(table: BatchTable, name: str) -> list[Any]:
    values: list[Any] = table.rows[name].to_pylist()
    return values


def row_problems(table: BatchTable) -> list[str]:
    return [problem for problems in column(table, "problems") for problem in problems]


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf\n" + LINES.replace(b"\n", b"\n \n"),
        LINES.rstrip(),
        LINES.replace(b'":', b'"\t :'),
        TABLE,
    ],
    ids=["JSON lines", "CRLF", "BOM and empty lines", "no last line end", "spaces before colons", "Parquet"],
)
def test_the_same_table_in_another_format_is_the_same_rows_whatever_the_file_is_called(
    tmp_path: Path, content: bytes
) -> None:
    table = read_files(tmp_path, part=content)
    assert table.rows == read_files(tmp_path, t_csv=CSV).rows
    assert (table.problems, row_problems(table)) == ([], [])


def test_parts_of_several_formats_follow_each_other(tmp_path: Path) -> None:
    table = read_files(tmp_path, a_parquet=TABLE, b_csv=CSV, c_jsonl=LINES)
    assert column(table, "amount") == [1200.0, -0.5, None] * 3
    assert len(set(column(table, "record_id"))) == 9, "equal rows are different events, across parts too"
    assert column(table, "split_key")[:3] == column(table, "split_key")[3:6]


def test_a_part_is_called_by_its_place_in_the_batch(tmp_path: Path) -> None:
    part = tmp_path / "b1" / "march" / "t.jsonl"
    part.parent.mkdir(parents=True)
    part.write_bytes(LINES.replace(b"1200", b'"much"'))
    assert row_problems(read([part], SETTINGS, "b1")) == ["march/t.jsonl, row 1: 'amount' is not a number"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"amount": "much"}', "'amount' is not a number"),
        (b'{"amount": "12"}', "'amount' is not a number"),
        (b'{"amount": true}', "'amount' is not a number"),
        (b'{"amount": NaN}', "'amount' is not a number"),
        (b'{"amount": -Infinity}', "'amount' is not a number"),
        (b'{"amount": 1e39}', "'amount' is not a number"),
        (b'{"amount": 1e400}', "'amount' is not a number"),
        (b'{"amount": ' + b"9" * 5000 + b"}", "'amount' is not a number"),
        (b'{"amount": [1]}', "'amount' is nested, and one value is expected"),
        (b'{"purpose": {"amount": 1}}', "'purpose' is nested, and one value is expected"),
        (b'{"purpose": 2.5}', "'purpose' is not text"),
        (b'{"amount": 1, "amount": 2}', "'amount' is there twice"),
        (b'{"purpose": "a", "purpose" : "a"}', "'purpose' is there twice"),
        (b'{"purpose": "caf\xe9"}', "'purpose' is not UTF-8"),
        (b'{"purpose": "\\ud800"}', "'purpose' is not UTF-8"),
    ],
)
def test_a_value_that_does_not_fit_is_null_and_named_by_row_and_column_without_the_value(
    tmp_path: Path, line: bytes, fault: str
) -> None:
    table = read_files(tmp_path, x_jsonl=LINES + line[:-1] + b', "class": "Bad"}\n' + LINES)
    assert row_problems(table) == [f"x.jsonl, row 4: {fault}"]
    assert (column(table, "amount")[3], column(table, "purpose")[3]) == (None, None)
    assert column(table, "target")[3] == "Bad", "the other cells of the row are believed"
    assert column(table, "amount")[4:] == [1200.0, -0.5, None]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"amount": 1, "purpose"', "is no JSON"),
        (b'{"amount": 01}', "is no JSON"),
        (b"amount,purpose", "is no JSON"),
        (b"\xff\x00", "is no JSON"),
        (b"[" * 5000, "is no JSON"),
        (b'{"a":' * 900 + b"1" + b"}" * 900 + b' {"b": 1}', "is no JSON"),
        (b'{"amount": 1} {"amount": 2}', "is no JSON"),
        (b"[1]", "is no JSON object"),
        (b"null", "is no JSON object"),
        (b'"amount"', "is no JSON object"),
    ],
)
def test_a_line_that_is_no_object_is_a_row_that_says_so(tmp_path: Path, line: bytes, fault: str) -> None:
    table = read_files(tmp_path, x_jsonl=LINES + line + b"\n" + LINES)
    assert row_problems(table) == [f"x.jsonl, row 4: {fault}"]
    assert column(table, "target") == ["Good", "Bad", "Good", None, "Good", "Bad", "Good"]
    assert table.problems == []


def test_whole_numbers_and_booleans_may_name_classes_in_json_and_parquet_alike(tmp_path: Path) -> None:
    values = [1, 0, True, 3.0, None]
    lines = "".join(json.dumps({"amount": 1, "purpose": value, "class": "Good"}) + "\n" for value in values)
    assert column(read_files(tmp_path, x_jsonl=lines.encode()), "purpose") == ["1", "0", "true", "3", None]
    for kind, expected in ((pa.int64(), "1"), (pa.float32(), "1"), (pa.bool_(), "true"), (pa.decimal128(9, 0), "1")):
        one = True if kind == pa.bool_() else Decimal(1) if pa.types.is_decimal(kind) else 1
        content = parquet(sound(2, purpose=pa.array([one, None], kind)))
        assert column(read_files(tmp_path, x_parquet=content), "purpose") == [expected, None]
    halves = read_files(tmp_path, x_parquet=parquet(sound(2, purpose=[1.0, 2.5])))
    assert row_problems(halves) == ["x.parquet, row 2: 'purpose' is not text"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "x.jsonl is empty"),
        (b"\n \r\n", "x.jsonl is empty"),
        (b'{"amount": 1, "class": "Good"}\n', "x.jsonl lacks the column 'purpose'"),
        (LINES.replace(b"{", b'{"age": 3, ', 1), "x.jsonl has a column 'age' that params does not declare"),
        (LINES + b'{"\\u0007": 3}\n', "x.jsonl has a column '?' that params does not declare"),
        (
            b'{"price": 3}\n',
            "x.jsonl holds another table: in no row is there any of the columns that params declares "
            "('amount', 'purpose', 'class')",
        ),
        (
            b'[{"amount": 1, "purpose": "car", "class": "Good"}]',
            "x.jsonl is a JSON array; of JSON, one object a line is read (`jq -c '.[]'` makes it so)",
        ),
    ],
)
def test_what_is_wrong_with_all_lines_is_a_problem_of_the_part(tmp_path: Path, content: bytes, problem: str) -> None:
    assert problem in read_files(tmp_path, x_jsonl=content).problems


def test_names_and_dates_are_read_from_json_as_from_csv(tmp_path: Path) -> None:
    lines = (
        b'{"loan": 7, "customer": "Eve", "amount": 1, "class": "Good"}\n'
        b'{"loan": null, "customer": "a\\nb", "amount": 1, "class": "Good"}\n'
    )
    table = read_files(tmp_path, NAMED, x_jsonl=lines)
    assert column(table, "record_id")[0] == "7"
    assert row_problems(table) == [
        "x.jsonl, row 2: 'loan' is empty or not UTF-8, and it names the record",
        "x.jsonl, row 2: 'customer' holds a line break, and it says which rows belong together",
    ]
    dates = b"".join(
        b'{"on": %s, "class": "Good"}\n' % value for value in (b'"1970-01-02T12:00:00Z"', b"null", b'""', b"20", b'"x"')
    )
    table = read_files(tmp_path, DATED, x_jsonl=dates)
    assert column(table, "on") == [1.5, None, None, None, None]
    assert row_problems(table) == [f"x.jsonl, row {n}: 'on' is not a date" for n in (4, 5)]


DAY = datetime.datetime(1970, 1, 2, 12)
ZONE = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("values", "days"),
    [
        (pa.array([DAY.date(), None]), 1.0),
        (pa.array([DAY.date(), None], pa.date64()), 1.0),
        (pa.array([DAY, None], pa.timestamp("ms")), 1.5),
        (pa.array([DAY, None], pa.timestamp("ns")), 1.5),
        (pa.array([DAY.replace(tzinfo=ZONE), None], pa.timestamp("us", "+02:00")), 1.5 - 2 / 24),
        (pa.array(["1970-01-02 12:00", "NA"]), 1.5),
    ],
    ids=["date32", "date64", "timestamp", "nanoseconds", "with a zone", "text"],
)
def test_a_date_in_parquet_is_days_since_1970_in_utc(tmp_path: Path, values: pa.Array, days: float) -> None:
    table = read_files(tmp_path, DATED, x_parquet=parquet({"on": values, "class": ["Good", "Bad"]}))
    assert column(table, "on") == [days, None]
    assert (table.problems, row_problems(table)) == ([], [])


@pytest.mark.parametrize(
    "amounts",
    [
        pa.array([12, None, 7], pa.int64()),
        pa.array([12, None, 7], pa.uint8()),
        pa.array(np.array([12, np.nan, 7], np.float16)),
        pa.array([12, None, 7], pa.float32()),
        pa.array([Decimal("12.00"), None, Decimal(7)], pa.decimal128(12, 2)),
        pa.array([Decimal("12.00"), None, Decimal(7)], pa.decimal256(60, 5)),
        pa.array([12.0, None, 7.0]).dictionary_encode(),
    ],
    ids=lambda amounts: str(amounts.type).split("<")[0],
)
def test_whatever_type_numbers_have_in_parquet_they_are_the_same(tmp_path: Path, amounts: pa.Array) -> None:
    table = read_files(tmp_path, x_parquet=parquet(sound(amount=amounts)))
    assert column(table, "amount") == [12.0, None, 7.0]
    assert (table.problems, row_problems(table)) == ([], [])


def test_text_in_parquet_may_be_a_dictionary_bytes_or_long(tmp_path: Path) -> None:
    texts = pa.array(["car", "", None])
    for values in (
        texts.dictionary_encode(),
        texts.cast(pa.large_string()),
        texts.cast(pa.binary()),
        texts.cast(pa.string_view()),
    ):
        table = read_files(tmp_path, x_parquet=parquet(sound(purpose=values)))
        assert column(table, "purpose") == ["car", None, None]
        assert (table.problems, row_problems(table)) == ([], [])


def test_infinity_and_bytes_that_are_no_text_spoil_their_own_cell_alone(tmp_path: Path) -> None:
    purposes = pa.array([b"car", b"caf\xe9", b"house"])
    for values in (purposes, purposes.view(pa.string()), purposes.dictionary_encode()):
        content = parquet(sound(amount=[1.0, 2.0, np.inf], purpose=values))
        table = read_files(tmp_path, x_parquet=content)
        assert (column(table, "amount"), column(table, "purpose")) == ([1.0, 2.0, None], ["car", None, "house"])
        assert row_problems(table) == [
            "x.parquet, row 2: 'purpose' is not UTF-8",
            "x.parquet, row 3: 'amount' is not a number",
        ]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (sound(amount=["1", "2", "3"]), "has text in the column 'amount', which is declared as a number"),
        (sound(amount=[True, False, True]), "has booleans in the column 'amount', which is declared as a number"),
        (sound(amount=[DAY, DAY, DAY]), "has moments in the column 'amount', which is declared as a number"),
        (sound(amount=[[1], [2], []]), "has nested values in the column 'amount', which is declared as a number"),
        (sound(purpose=[{"a": 1}] * 3), "has nested values in the column 'purpose', which is declared as text"),
        (
            sound(purpose=pa.array([Decimal("1.5")] * 3)),
            "has decimals in the column 'purpose', which is declared as text",
        ),
        (sound(age=[1, 2, 3]), "has a column 'age' that params does not declare"),
        ({"amount": [1, 2, 3], "class": ["Good"] * 3}, "lacks the column 'purpose'"),
        (
            {"price": [1, 2, 3]},
            "holds another table: it has none of the columns that params declares ('amount', 'purpose', 'class')",
        ),
    ],
)
def test_columns_that_do_not_fit_are_a_problem_of_the_part_and_its_rows_are_kept(
    tmp_path: Path, columns: dict[str, Any], problem: str
) -> None:
    table = read_files(tmp_path, x_parquet=parquet(columns))
    assert table.problems == [f"x.parquet {problem}"]
    assert len(table.rows) == 3


def test_a_column_that_is_there_twice_is_not_believed(tmp_path: Path) -> None:
    file = io.BytesIO()
    names = ["amount", "amount", "purpose", "class"]
    pq.write_table(pa.table([[1.0], [2.0], ["car"], ["Good"]], names=names), file)
    table = read_files(tmp_path, x_parquet=file.getvalue())
    assert table.problems == ["x.parquet has 2 columns called 'amount'"]
    assert column(table, "amount") == [None]


BIG = parquet(
    {
        "amount": np.random.default_rng(0).normal(size=4000),
        "purpose": [f"p{i}" for i in range(4000)],
        "class": ["Good"] * 4000,
    },
    row_group_size=1000,
    use_dictionary=False,
    compression="zstd",
)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-8] + b"\xff\xff\xff\x7fPAR1",
        lambda content: b"PAR1",
        lambda content: b"",
        lambda content: b"amount,purpose,class\n1,car,Good\n",
    ],
    ids=["one byte short", "half", "a footer of 2 GB", "a head alone", "nothing", "a CSV"],
)
def test_what_is_no_whole_parquet_file_says_so(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    table = read_files(tmp_path, x_parquet=damage(BIG))
    assert table.problems == ["x.parquet is no Parquet file, or not the whole of one: its footer cannot be read"]
    assert len(table.rows) == 0


def test_rows_that_cannot_be_read_are_kept_empty_and_those_around_them_are_read(tmp_path: Path) -> None:
    column_chunk = pq.read_metadata(io.BytesIO(BIG)).row_group(1).column(1)
    start = column_chunk.data_page_offset + column_chunk.total_compressed_size // 2
    table = read_files(tmp_path, x_parquet=BIG[:start] + bytes(200) + BIG[start + 200 :])
    assert table.problems == ["x.parquet is damaged: between row 1,001 and row 2,000 it cannot be read"]
    assert [i for i, target in enumerate(column(table, "target")) if target is None] == list(range(1000, 2000))


def test_a_file_may_promise_only_so_much_as_its_size_lets_one_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "_PLAUSIBLE_ROWS", 1_000)
    content = parquet(sound(100_000, amount=[1.0] * 100_000))
    table = read_files(tmp_path, x_parquet=content)
    assert table.problems == [
        f"x.parquet promises 100,000 rows in {len(content):,} bytes, which is not believed; save it as several files, or as "
        "CSV"
    ]
    assert len(table.rows) == 0


def test_text_may_unfold_only_to_so_much_as_the_size_of_the_file_lets_one_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "_PLAUSIBLE_TEXT_BYTES", 1_000_000)
    table = read_files(tmp_path, x_parquet=parquet(sound(20_000, purpose=["x" * 10_000] * 20_000)))  # 200 MB in all
    assert table.problems == ["x.parquet unfolds to more than 100 times its size; its text is not read to the end"]
    assert column(table, "amount")[-1] == 19_999 * 1.5
    assert table.rows.nbytes < 20_000_000


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_flipped_in_a_parquet_file_no_row_is_lost_or_made_and_nothing_is_raised(
    tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    content = parquet(sound(50, on=[DAY.date()] * 50))
    settings = IngestSettings(columns={"amount": "numeric", "purpose": "categorical", "on": "date"}, target="class")
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        read_files(tmp_path, settings, x_parquet=bytes(damaged))


def test_codes_that_name_no_word_lose_their_rows_and_raise_nothing(tmp_path: Path) -> None:
    columns = {"amount": [1.0] * 96, "purpose": ["car", "house", "boat"] * 32, "class": ["Good"] * 96}
    content = parquet(columns, compression="NONE")
    chunk = pq.read_metadata(io.BytesIO(content)).row_group(0).column(1)
    last = chunk.dictionary_page_offset + chunk.total_compressed_size - 1
    damaged = content[:last] + b"\xff" + content[last + 1 :]  # two bits a code, and there is no word 3
    table = read_files(tmp_path, x_parquet=damaged)
    assert table.problems == ["x.parquet is damaged: between row 1 and row 96 it cannot be read"]


def test_the_page_on_tables_says_what_holds() -> None:
    page = " ".join((ROOT / "docs" / "tables.md").read_text("utf-8").split())
    assert f"within {MOST_CHARACTERS:,} characters" in page
    assert f"may promise {parquet_rows._PLAUSIBLE_ROWS:,} rows, and {parquet_rows._ROWS_PER_BYTE} more for each" in page
    bounds = f"{parquet_rows._PLAUSIBLE_TEXT_BYTES // 2**20} MiB, and {parquet_rows._TEXT_PER_BYTE} times the size"
    assert f"may unfold to {bounds} of the file" in page
    assert all(f"`{name}`" in page for name in MISSING - {""})
