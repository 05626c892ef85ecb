"""Tables as they land: sound CSV in its dialects, and every way in which one can be broken."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.data.batches import BatchTable
from gristmill.kinds.tabular.records import IngestSettings, count_rows, read

SETTINGS = IngestSettings(columns={"amount": "numeric", "purpose": "categorical"}, target="class")
HEADER = "amount,purpose,class\n"
NAMED = IngestSettings(columns={"amount": "numeric"}, target="class", id="loan", group="customer")


def files(folder: Path, *contents: str | bytes) -> list[Path]:
    paths = [folder / f"part-{number}.csv" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return paths


def read_files(
    folder: Path, *contents: str | bytes, settings: IngestSettings = SETTINGS, batch: str = "b1"
) -> BatchTable:
    parts = files(folder, *contents)
    table = read(parts, settings, batch)
    assert len(table.rows) == count_rows(parts, settings), "a row was lost or made"
    assert table.rows.schema == read([], settings, batch).rows.schema, "columns depend on the data"
    return table


def column(table: BatchTable, name: str) -> list[Any]:
    values: list[Any] = table.rows[name].to_pylist()
    return values


def row_problems(table: BatchTable) -> list[str]:
    return [problem for problems in column(table, "problems") for problem in problems]


def test_a_sound_table_gives_a_row_for_each_line(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER + "1200,car,Good\n3.5e2,house,Bad\n")
    assert (table.problems, row_problems(table)) == ([], [])
    assert column(table, "amount") == [1200.0, 350.0]
    assert column(table, "purpose") == ["car", "house"]
    assert column(table, "target") == ["Good", "Bad"]
    assert column(table, "group") == [None, None]


@pytest.mark.parametrize(
    "content",
    [
        "amount,purpose,class\r\n1,car,Good\r\n2,house,Bad\r\n",
        "amount,purpose,class\r1,car,Good\r2,house,Bad",
        "\ufeffamount,purpose,class\n1,car,Good\n2,house,Bad",
        '"amount","purpose","class"\n"1","car","Good"\n"2","house","Bad"\n',
        "class,amount,purpose\nGood,1,car\nBad,2,house\n",
        "\namount,purpose,class\n\n1,car,Good\n\n\n2,house,Bad\n\n",
        "amount,purpose,class\n 1,car,Good\n2.0 ,house,Bad\n",
    ],
    ids=["CRLF", "CR", "BOM", "quotes", "order of columns", "empty lines", "spaces around numbers"],
)
def test_the_same_table_in_another_dialect_is_the_same_rows(tmp_path: Path, content: str) -> None:
    table = read_files(tmp_path, content)
    assert table.rows == read_files(tmp_path, HEADER + "1,car,Good\n2,house,Bad\n").rows
    assert table.problems == []


DECIMALS = "amount;purpose;class\n1,5;café;Good\n2.000,25;house, old;Bad\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (DECIMALS, "read as ';' between cells, decimal commas"),
        (DECIMALS.replace(";", "\t"), "read as tabs between cells, decimal commas"),
        ("\ufeff" + DECIMALS, "read as UTF-8 with a byte order mark, ';' between cells, decimal commas"),
        (
            DECIMALS.encode("latin-1"),
            "read as Latin-1 (Windows-1252), ';' between cells, decimal commas",
        ),
        (DECIMALS.encode("utf-16"), "read as UTF-16, ';' between cells, decimal commas"),
        (
            DECIMALS.replace("\n", "\r\n", 1),
            "read as ';' between cells, decimal commas, mixed line ends (CRLF, LF)",
        ),
    ],
)
def test_a_dialect_that_is_certain_is_read_rightly_and_said_in_one_line(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    table = read_files(tmp_path, content)
    assert column(table, "amount") == [1.5, 2000.25]
    assert column(table, "purpose") == ["café", "house, old"]
    assert (table.problems, row_problems(table)) == ([], [])
    assert table.notes == [f"part-0.csv: {sentence}"]


@pytest.mark.parametrize(
    "cells",
    ["1,234;2,345", "1,5;2.5", "1,5;x"],
    ids=["thousands or decimals", "both marks", "a mark and a word"],
)
def test_a_comma_in_a_number_is_a_decimal_mark_only_where_nothing_speaks_against_it(tmp_path: Path, cells: str) -> None:
    first, second = cells.split(";")
    table = read_files(tmp_path, f"amount;purpose;class\n{first};car;Good\n{second};car;Bad\n")
    certain = second == "x"
    assert column(table, "amount") == [1.5 if certain else None, None if second != "2.5" else 2.5]
    assert len(row_problems(table)) == column(table, "amount").count(None), "a cell that is doubtful is not believed"


def test_how_a_file_is_written_may_be_declared(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"delimiter": ";", "decimal": ",", "encoding": "latin-1"})
    table = read_files(tmp_path, "amount;purpose;class\n1,234;caf\xe9;Good\n".encode("latin-1"), settings=settings)
    assert (column(table, "amount"), column(table, "purpose")) == ([1.234], ["café"])


def test_columns_that_are_to_be_ignored_may_be_there_or_not(tmp_path: Path) -> None:
    settings = IngestSettings(**(SETTINGS.model_dump() | {"ignore": ("note",)}))
    with_note = read_files(tmp_path, "amount,purpose,note,class\n1,car,x,Good\n", settings=settings)
    assert with_note.problems == [] and with_note.rows == read_files(tmp_path, HEADER + "1,car,Good\n").rows
    assert read_files(tmp_path, HEADER + "1,car,Good\n", settings=settings).problems == []


def test_a_date_is_days_since_1970_in_utc(tmp_path: Path) -> None:
    settings = IngestSettings(columns={"on": "date"}, target="class")
    cells = ["1970-01-02", "1970-01-02T12:00:00", "1970-01-02 06:00", "1970-01-03T01:00:00+01:00", "", "yesterday"]
    table = read_files(tmp_path, "on,class\n" + "".join(f"{cell},Good\n" for cell in cells), settings=settings)
    assert column(table, "on") == [1.0, 1.5, 1.25, 2.0, None, None]
    assert row_problems(table) == ["part-0.csv, row 6: 'on' is not a date"]
    german = settings.model_copy(update={"date_format": "%d.%m.%Y"})
    assert column(read_files(tmp_path, "on,class\n03.01.1970,Good\n", settings=german), "on") == [2.0]


def test_fifty_thousand_columns_are_two_sentences_and_no_wait(tmp_path: Path) -> None:
    header = ",".join(["amount", "purpose", "class", *(f"c{i}" for i in range(50_000))])
    table = read_files(tmp_path, header + "\n" + "1,car,Good" + ",0" * 50_000 + "\n")
    assert table.problems[0] == "part-0.csv has a column 'c0' that params does not declare"
    assert table.problems[-1] == "part-0.csv ... and 49,995 more like it"


def test_line_ends_quotes_and_delimiters_within_quotes_belong_to_the_cell(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER + '1,"a ""new"" car,\nred",Good\n2,house,Bad\n')
    assert column(table, "purpose") == ['a "new" car,\nred', "house"]
    assert table.problems == row_problems(table) == []


def test_a_line_end_within_quotes_stays_the_one_that_it_is(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER + '1,"a\r\nb\rc",Good\r\n')
    assert column(table, "purpose") == ["a\r\nb\rc"]


def test_several_parts_follow_each_other_in_their_order(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER + "2,b,Good\n", HEADER + "1,a,Bad\n")
    assert column(table, "amount") == [2.0, 1.0]


def test_missing_values_are_null_and_no_problem_of_reading(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER + ",,\nNA,NA,Good\n nan ,x,Bad\n")
    assert column(table, "amount") == [None, None, None]
    assert column(table, "purpose") == [None, "NA", "x"]
    assert column(table, "target") == [None, "Good", "Bad"]
    assert row_problems(table) == []


@pytest.mark.parametrize("cell", ["much", "1_000", "inf", "-Infinity", "1e39", "1;5", "0x10", "\x00"])
def test_what_is_no_number_is_null_and_named_by_row_and_column_without_the_value(tmp_path: Path, cell: str) -> None:
    table = read_files(tmp_path, HEADER + f"1,car,Good\n{cell},car,Good\n")
    assert column(table, "amount") == [1.0, None]
    assert row_problems(table) == ["part-0.csv, row 2: 'amount' is not a number"]
    assert table.problems == []


@pytest.mark.parametrize(("line", "n_cells"), [("1,car", 2), ("1,car,Good,", 4), ('1,"car,Good', 2)])
def test_a_ragged_row_is_kept_and_says_so(tmp_path: Path, line: str, n_cells: int) -> None:
    table = read_files(tmp_path, HEADER + "1,car,Good\n" + line + "\n")
    assert row_problems(table) == [f"part-0.csv, row 2: {n_cells} cells where the header has 3"]
    assert column(table, "target") == ["Good", None], "which cell is missing is not known, so none is believed"


def test_bytes_that_are_not_utf_8_spoil_their_own_cell_alone(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER.encode() + b"1,caf\xe9,Good\n2,caf\xc3\xa9,Bad\n")  # both encodings
    assert column(table, "purpose") == [None, "café"]
    assert column(table, "target") == ["Good", "Bad"]
    assert row_problems(table) == ["part-0.csv, row 1: 'purpose' is not UTF-8"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "part-0.csv is empty"),
        ("\n\r\n", "part-0.csv is empty"),
        ("amount,class\n1,Good\n", "part-0.csv lacks the column 'purpose'"),
        ("amount,purpose,class,age\n1,car,Good,3\n", "part-0.csv has a column 'age' that params does not declare"),
        ("amount,amount,purpose,class\n1,1,car,Good\n", "part-0.csv has 2 columns called 'amount'"),
        (
            "1,car,Good\n2,house,Bad\n",
            "part-0.csv has no header, or another table's: its first line holds none of the columns that params declares "
            "('amount', 'purpose', 'class')",
        ),
        (b"amount,\xff\x07,class\n1,car,Good\n", "part-0.csv has a column '??' that params does not declare"),
    ],
)
def test_a_broken_header_is_a_problem_of_the_whole_part(tmp_path: Path, content: str | bytes, problem: str) -> None:
    assert problem in read_files(tmp_path, content).problems


@given(content=st.text(alphabet='a1",;\n\r \x00\ufeff\ud8ff', max_size=60))
@example(content='""\n""""\n"')
@example(content='a"b\n"c"d"\n,"\r\n",""x\n"')
def test_whatever_the_bytes_are_no_row_is_lost_or_made(content: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("parts")
    encoded = content.encode("utf-8", "surrogatepass")
    read_files(folder, encoded)
    read_files(folder, HEADER.encode() + encoded, encoded)


def test_equal_rows_are_different_records_on_one_side(tmp_path: Path) -> None:
    table = read_files(tmp_path, HEADER + "1,car,Good\n1,car,Bad\n1.0,car,Good\n-0,car,Good\n0,car,Good\n")
    ids, keys = column(table, "record_id"), column(table, "split_key")
    assert len(set(ids)) == 5
    assert len(set(keys[:3])) == 1, "neither the target nor the way a number is written decides the side"
    assert len(set(keys[3:])) == 1


def test_the_same_row_in_another_batch_is_another_record_on_the_same_side(tmp_path: Path) -> None:
    here, there = (read_files(tmp_path, HEADER + "1,car,Good\n", batch=batch) for batch in ("b1", "b2"))
    assert column(here, "record_id") != column(there, "record_id")
    assert column(here, "split_key") == column(there, "split_key")


def test_the_side_does_not_depend_on_the_order_in_which_params_declares_columns(tmp_path: Path) -> None:
    turned = IngestSettings(columns={"purpose": "categorical", "amount": "numeric"}, target="class")
    content = HEADER + "1,car,Good\n2,house,Bad\n"
    one, other = read_files(tmp_path, content), read_files(tmp_path, content, settings=turned)
    assert column(one, "split_key") == column(other, "split_key")
    assert column(one, "record_id") == column(other, "record_id")


def test_a_declared_id_names_the_record_and_a_declared_group_decides_the_side(tmp_path: Path) -> None:
    table = read_files(
        tmp_path, "loan,customer,amount,class\nL1,Eve,1,Good\nL2,Eve,2,Bad\nL3,Bob,1,Good\n", settings=NAMED
    )
    assert column(table, "record_id") == ["L1", "L2", "L3"]
    assert column(table, "group") == ["Eve", "Eve", "Bob"]
    keys = column(table, "split_key")
    assert keys[0] == keys[1] != keys[2]


def test_an_id_or_group_that_is_empty_or_breaks_the_line_is_a_problem(tmp_path: Path) -> None:
    header = "loan,customer,amount,class\n"
    table = read_files(tmp_path, header + ',Eve,1,Good\nL2,,1,Good\n"L\n3",Eve,1,Good\n', settings=NAMED)
    assert row_problems(table) == [
        "part-0.csv, row 1: 'loan' is empty or not UTF-8, and it names the record",
        "part-0.csv, row 2: 'customer' is empty or not UTF-8, and it says which rows belong together",
        "part-0.csv, row 3: 'loan' holds a line break, and it names the record",
    ]
    assert all("\n" not in record_id for record_id in column(table, "record_id"))


def test_a_number_may_be_the_target(tmp_path: Path) -> None:
    settings = IngestSettings(columns={"purpose": "categorical"}, target="amount", target_type="number")
    table = read_files(tmp_path, "amount,purpose\n12.5,car\nmuch,car\n", settings=settings)
    assert column(table, "target") == [12.5, None]
    assert row_problems(table) == ["part-0.csv, row 2: 'amount' is not a number"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"delimiter": '"'}, "pattern"),
        ({"delimiter": "::"}, "at most 1 character"),
        ({"columns": {"target": "numeric"}}, "no feature may be called target"),
        ({"columns": {"class": "numeric"}}, "'class' is the target"),
        ({"columns": {}}, "at least 1 item"),
    ],
)
def test_settings_that_could_not_work_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        IngestSettings.model_validate({"columns": {"amount": "numeric"}, "target": "class", **values})
