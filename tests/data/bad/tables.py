"""Bad tables: what teams really receive, each with the reason that a person must be given."""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.data.bad.case import Case

PARAMS: dict[str, Any] = {
    "ingest": {
        "columns": {"amount": "numeric", "age": "numeric", "purpose": "categorical", "since": "date"},
        "target": "class",
        "id": "id",
    },
    "validate": {"max_bad_rows": 0.1},
}
SUITE: dict[str, Any] = {
    "name": "small",
    "meta": {
        "columns": {
            "target": {"type": "text", "called": "class", "needed": True},
            "amount": {"type": "number"},
            "age": {"type": "number"},
            "purpose": {"type": "text"},
            "since": {"type": "number"},
        }
    },
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 20}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "target", "value_set": ["Bad", "Good"]}},
        {
            "type": "expect_column_distinct_values_to_contain_set",
            "kwargs": {"column": "target", "value_set": ["Bad", "Good"]},
        },
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount"}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "amount", "min_value": 0, "max_value": 1e6},
        },
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 10, "max_value": 1e5}},
        {"type": "expect_column_stdev_to_be_between", "kwargs": {"column": "amount", "min_value": 1}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": 18, "max_value": 110}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "purpose", "value_set": ["car", "house"]}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "since", "min_value": 0, "max_value": 20_800},
            "notes": "days since 1970",
        },
    ],
}
HEADER = "id,amount,age,purpose,since,class"
N_ROWS = 40


def rows(prefix: str, n: int = N_ROWS) -> list[list[str]]:
    """Good rows, no two alike; `prefix` keeps the records of one case apart from those of the others."""
    return [
        [
            f"{prefix}-{i}",
            str(100 + 7 * i),
            str(20 + i),
            ("car", "house")[i % 2],
            f"2024-01-{1 + i % 28:02}",
            ("Bad", "Good")[i % 3 == 0],
        ]
        for i in range(n)
    ]


def csv(table: list[list[str]], header: str = HEADER) -> str:
    return "\n".join([header, *(",".join(row) for row in table), ""])


def cell(name: str, column: str, value: str, position: int = 3) -> bytes:
    """A table with one other cell."""
    table = rows(name)
    table[position][HEADER.split(",").index(column)] = value
    return csv(table).encode()


def column(name: str, column: str, value: Callable[[str], str]) -> bytes:
    """A table with another column."""
    table, index = rows(name), HEADER.split(",").index(column)
    for row in table:
        row[index] = value(row[index])
    return csv(table).encode()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", content)
    return file.getvalue()


def one_row(name: str, column: str, value: str, reason: str) -> Case:
    """One bad row of forty: it is kept out, and the others are in."""
    return Case(name, {"t.csv": cell(name, column, value)}, reason, rows=(3,))


def whole(name: str, content: bytes | str, reason: str) -> Case:
    """A batch that is kept out as a whole."""
    return Case(name, {"t.csv": content.encode() if isinstance(content, str) else content}, reason)


def lines(name: str, **changed: Any) -> bytes:
    """JSON lines with one other row, the fourth; a value of bytes stands there as it is."""
    made = [
        dict(zip(HEADER.split(","), row, strict=True), amount=100 + i, age=20 + i) for i, row in enumerate(rows(name))
    ]
    made[3] |= {key: "@" if isinstance(value, bytes) else value for key, value in changed.items()}
    text = "".join(json.dumps(row) + "\n" for row in made).encode()
    for value in changed.values():
        text = text.replace(b'"@"', value) if isinstance(value, bytes) else text
    return text


def parquet(name: str, **changed: list[Any]) -> bytes:
    """A Parquet file with other columns."""
    table = dict(zip(HEADER.split(","), map(list, zip(*rows(name), strict=True)), strict=True))
    numbers: dict[str, list[Any]] = {key: [int(value) for value in table[key]] for key in ("amount", "age")}
    file = io.BytesIO()
    pq.write_table(pa.table({**table, **numbers, **changed}), file)
    return file.getvalue()


GOOD = csv(rows("good"))
CASES = [
    # no table at all
    whole("nothing", b"", r"t\.csv is empty"),
    whole("line ends alone", "\n\r\n\n", r"t\.csv is empty"),
    whole("header alone", HEADER + "\n", r"the batch holds no rows"),
    whole(
        "a page of an error",
        "<html><body>\n<h1>502, Bad Gateway</h1>\n</body></html>\n",
        r"has no header, or another table's",
    ),
    whole("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, r"has no header, or another table's"),
    whole("a program", b"\x7fELF\x02\x01\x01" + bytes(200), r"has no header, or another table's"),
    whole("packed with gzip", gzip.compress(GOOD.encode(), mtime=0), r"has no header, or another table's"),
    whole("packed with zip", zipped(GOOD.encode()), r"has no header, or another table's"),
    whole("UTF-16 without its mark", GOOD.encode("utf-16-le"), r"has no header, or another table's"),
    whole("nothing but zeros", bytes(4096), r"has no header, or another table's"),
    # columns
    whole(
        "a column is missing",
        csv([row[:2] + row[3:] for row in rows("m")], "id,amount,purpose,since,class"),
        r"lacks the column 'age'",
    ),
    whole(
        "a column too many",
        csv([[*row, "1"] for row in rows("x")], f"{HEADER},score"),
        r"has a column 'score' that params does not declare",
    ),
    whole(
        "a column twice", csv([[*row, "1"] for row in rows("2")], f"{HEADER},amount"), r"has 2 columns called 'amount'"
    ),
    whole("a header in capitals", csv(rows("c"), HEADER.upper()), r"has no header, or another table's"),
    whole("a header with blanks", csv(rows("b"), HEADER.replace(",", " , ")), r"has no header, or another table's"),
    whole("a byte order mark twice", b"\xef\xbb\xbf" * 2 + csv(rows("bom")).encode(), r"lacks the column 'id'"),
    whole("no header", csv(rows("nh")).removeprefix(HEADER + "\n"), r"has no header, or another table's"),
    whole("an unknown delimiter", csv(rows("d")).replace(",", "~"), r"has no header, or another table's"),
    whole(
        "columns moved by one",
        csv([[*row[1:], row[0]] for row in rows("mv")]),
        r"40 rows cannot be read: t\.csv: 'age' is not a number",
    ),
    # rows
    whole("too few rows", csv(rows("few", 5)), r"5 rows, below 20"),
    Case("cut short", {"t.csv": csv(rows("cut")).encode()[:-12]}, r"5 cells where the header has 6", rows=(39,)),
    whole(
        "an unclosed quote", csv(rows("q")).replace("car", '"car', 1), r"cells where the header has 6|rows, below 20"
    ),
    Case(
        "a short row",
        {"t.csv": csv([*rows("s"), ["s-x", "1"]]).encode()},
        r"2 cells where the header has 6",
        rows=(40,),
    ),
    Case(
        "a long row",
        {"t.csv": csv([*rows("l"), [*rows("lx", 1)[0], "1"]]).encode()},
        r"7 cells where the header has 6",
        rows=(40,),
    ),
    Case(
        "the header once more in the middle",
        {"t.csv": csv([*rows("h"), HEADER.split(",")]).encode()},
        r"'amount' is not a number",
        rows=(40,),
    ),
    Case(
        "a note under the table",
        {"t.csv": (csv(rows("n")) + "40 rows exported\n").encode()},
        r"1 cells where the header has 6",
        rows=(40,),
    ),
    # cells
    one_row("text for a number", "amount", "many", r"'amount' is not a number"),
    one_row("an error of a spreadsheet", "amount", "#REF!", r"'amount' is not a number"),
    one_row("a percentage", "amount", "12%", r"'amount' is not a number"),
    one_row("a currency", "amount", "€12", r"'amount' is not a number"),
    one_row("a unit", "amount", "12 kg", r"'amount' is not a number"),
    one_row("a thousand in commas", "amount", '"1,234"', r"'amount' is not a number"),
    one_row("a decimal comma", "amount", '"12,5"', r"'amount' is not a number"),
    one_row("underscores in a number", "amount", "1_000", r"'amount' is not a number"),
    one_row("infinity", "amount", "inf", r"'amount' is not a number"),
    one_row("more than a double holds", "amount", "1e400", r"'amount' is not a number"),
    one_row("more than a float holds", "amount", "1e39", r"'amount' is not a number"),
    one_row("true for a number", "amount", "true", r"'amount' is not a number"),
    one_row("hexadecimal", "amount", "0x1F", r"'amount' is not a number"),
    one_row("a zero byte in a number", "amount", "1\x002", r"'amount' is not a number"),
    one_row("no amount", "amount", "", r"amount: 1 of 40 rows is empty"),
    one_row("NaN", "amount", "NaN", r"amount: 1 of 40 rows is empty"),
    one_row("a negative amount", "amount", "-5", r"amount: 1 of 40 rows is outside 0\.\.1000000"),
    one_row("a huge amount", "amount", "1.1e6", r"amount: 1 of 40 rows is outside 0\.\.1000000"),
    one_row("a sentinel", "age", "999", r"age: 1 of 40 rows is outside 18\.\.110"),
    one_row("a child", "age", "3", r"age: 1 of 40 rows is outside 18\.\.110"),
    one_row("an unknown category", "purpose", "boat", r"purpose: 1 of 40 rows is none of car, house"),
    one_row("a blank behind a category", "purpose", "car ", r"purpose: 1 of 40 rows is none of car, house"),
    one_row("a category in capitals", "purpose", "CAR", r"purpose: 1 of 40 rows is none of car, house"),
    one_row("a letter of another alphabet", "purpose", "c\u0430r", r"purpose: 1 of 40 rows is none of car, house"),
    one_row("a formula", "purpose", "=cmd|'/c calc'!A1", r"purpose: 1 of 40 rows is none of car, house"),
    one_row("a cell of five megabytes", "purpose", "x" * 5_000_000, r"purpose: 1 of 40 rows is none of car, house"),
    one_row("a day that does not exist", "since", "2023-02-30", r"'since' is not a date"),
    one_row("a date in other order", "since", "31.12.2023", r"'since' is not a date"),
    one_row("a date in the future", "since", "2062-01-01", r"since: 1 of 40 rows is outside 0\.\.20800"),
    one_row("an unknown class", "class", "Ugly", r"class: 1 of 40 rows is none of Bad, Good"),
    one_row("no class", "class", "", r"class: 1 of 40 rows is empty"),
    one_row("no id", "id", "", r"'id' is empty or not UTF-8, and it names the record"),
    one_row("a line end in an id", "id", '"a\nb"', r"'id' holds a line break, and it names the record"),
    one_row("a line separator in an id", "id", "a\u2028b", r"'id' holds a line break, and it names the record"),
    Case(
        "a byte that is no text",
        {"t.csv": cell("u8", "purpose", "caf@é").replace(b"@", b"\xff")},
        r"'purpose' is not UTF-8",
        rows=(3,),
    ),
    # JSON lines
    *(
        Case(f"JSON lines: {name}", {"t.jsonl": lines(f"j{n}", **{column: value})}, rf"'{column}' {fault}", rows=(3,))
        for n, (name, column, value, fault) in enumerate(
            [
                ("text for a number", "amount", "many", "is not a number"),
                ("a number in quotes", "amount", "12", "is not a number"),
                ("NaN", "amount", b"NaN", "is not a number"),
                ("a list", "amount", [1, 2], "is nested, and one value is expected"),
                ("an object", "purpose", {"is": "car"}, "is nested, and one value is expected"),
                ("a key twice", "amount", b'1, "amount": 2', "is there twice"),
                ("bytes that are no text", "purpose", b'"caf\xe9"', "is not UTF-8"),
                ("a fraction for a category", "purpose", 1.5, "is not text"),
                ("a number for a date", "since", 19_000, "is not a date"),
            ]
        )
    ),
    Case("JSON lines: cut short", {"t.jsonl": lines("jcut")[:-12]}, r"t\.jsonl: is no JSON$", rows=(39,)),
    Case("JSON lines: a list among them", {"t.jsonl": lines("jlist") + b"[1]\n"}, r"is no JSON object", rows=(40,)),
    Case(
        "JSON lines: an array",
        {"t.json": b"[" + lines("jarray").rstrip().replace(b"\n", b",\n") + b"]"},
        r"t\.json is a JSON array",
    ),
    Case(
        "JSON lines: a column too many", {"t.jsonl": lines("jmore", score=1)}, r"has a column 'score' that params does"
    ),
    # Parquet
    Case("Parquet: cut short", {"t.parquet": parquet("pcut")[:-100]}, r"is no Parquet file, or not the whole of one"),
    Case("Parquet: only called so", {"t.parquet": csv(rows("pcsv")).encode()}, r"is no Parquet file"),
    Case(
        "Parquet: text for numbers",
        {"t.parquet": parquet("ptext", amount=["many"] * N_ROWS)},
        r"has text in the column 'amount', which is declared as a number",
    ),
    Case(
        "Parquet: lists",
        {"t.parquet": parquet("plist", purpose=[["car"]] * N_ROWS)},
        r"has nested values in the column 'purpose', which is declared as text",
    ),
    Case(
        "Parquet: a column too many", {"t.parquet": parquet("pmore", score=[1] * N_ROWS)}, r"has a column 'score' that"
    ),
    Case(
        "Parquet: infinity",
        {"t.parquet": parquet("pinf", amount=[100.0, 200.0, 300.0, float("inf")] + [50.0] * (N_ROWS - 4))},
        r"'amount' is not a number",
        rows=(3,),
    ),
    # the batch as a whole
    whole(
        "thousandths for units",
        column("thousandths", "amount", lambda v: str(1000 * int(v))),
        r"amount: the mean \(236500\) is outside 10\.\.100000",
    ),
    whole("one amount for all", column("const", "amount", lambda v: "100"), r"amount: the stdev \(0\) is below 1"),
    whole("one class for all", column("one", "class", lambda v: "Good"), r"class: not all of Bad, Good occur"),
    whole(
        "all ages missing a digit",
        column("age", "age", lambda v: v[0]),
        r"40 of 40 rows are bad, more than the share of 0\.1",
    ),
    Case(
        "one record with two classes",
        {"t.csv": csv([*rows("two"), ["two-0", "100", "20", "car", "2024-01-01", "Bad"]]).encode()},
        r"2 of 41 rows are the same record as another row with a different target",
        rows=(0, 40),
    ),
    Case(
        "a good file and a broken one",
        {"a.csv": csv(rows("a")).encode(), "b.csv": b"\x00\x01\x02"},
        re.escape("b.csv has no header, or another table's"),
    ),
]
