"""Tables that a model is asked about: no target is needed, and a row is refused where and as the service refuses it."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.kinds.tabular.answers import MAX_ROWS, RequestError, parse
from gristmill.kinds.tabular.questions import read, requests
from gristmill.kinds.tabular.questions.frames import NoFrameError
from gristmill.kinds.tabular.records import IngestSettings, parquet_rows
from gristmill.kinds.tabular.records import read as read_landed
from gristmill.kinds.tabular.records.dialect import CHUNK_ROWS
from gristmill.kinds.tabular.tensors import columns

SETTINGS = IngestSettings(
    columns={"age": "numeric", "home": "categorical", "since": "date"}, target="class", group="branch", ignore=("note",)
)
NAMED = SETTINGS.model_copy(update={"id": "loan"})
CONTRACT: dict[str, Any] = {
    "kind": "tabular",
    "task": "classification",
    "classes": ["Bad", "Good"],
    "columns": [
        {"name": "age", "type": "numeric"},
        {"name": "home", "type": "categorical", "categories": ["Own", "Rent"]},
        {"name": "since", "type": "date"},
    ],
}
ROWS: list[dict[str, Any]] = [
    {"age": 31, "home": "Own", "since": "2026-01-31"},
    {"age": None, "home": None, "since": None},
    {"age": -0.5, "home": "Rent", "since": "2025-12-01T06:00:00Z"},
]
LABELS = {"class": "Good", "branch": "north", "note": "called twice"}


def written(folder: Path, form: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"rows.{form}"
    if form == "csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    elif form == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def asked(*files: Path, settings: IngestSettings = SETTINGS) -> tuple[pa.Table, list[str]]:
    problems: list[str] = []
    tables = list(read({file.name: file for file in files}, settings, CONTRACT, problems, []))
    return pa.concat_tables(tables) if tables else pa.table({}), problems


def refusals(*files: Path, settings: IngestSettings = SETTINGS) -> list[str | None]:
    rows, _ = asked(*files, settings=settings)
    told: list[str | None] = rows["problem"].to_pylist()
    return told


FORMS = pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])


@FORMS
def test_rows_need_no_target_and_are_what_the_service_makes_of_them(tmp_path: Path, form: str) -> None:
    rows, problems = asked(written(tmp_path, form, ROWS))
    assert problems == [] and rows["problem"].null_count == 3
    found, expected = columns(rows, CONTRACT), parse({"rows": ROWS}, CONTRACT)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


@FORMS
def test_target_group_and_what_is_ignored_may_be_there_and_change_nothing(tmp_path: Path, form: str) -> None:
    bare, _ = asked(written(tmp_path, form, ROWS))
    labelled, problems = asked(written(tmp_path, form, [{**row, **LABELS} for row in ROWS]))
    assert labelled.equals(bare) and problems == []


@FORMS
def test_a_file_without_a_column_is_refused_row_by_row_with_its_name(tmp_path: Path, form: str) -> None:
    told = refusals(written(tmp_path, form, [{"home": "Own", "since": None}] * 2))
    assert len(told) == 2 and all("lacks the column 'age'" in (sentence or "") for sentence in told)


@FORMS
def test_a_column_that_nobody_declared_is_refused_as_the_service_does(tmp_path: Path, form: str) -> None:
    told = refusals(written(tmp_path, form, [{**ROWS[0], "agee": 3}]))
    assert told[0] is not None and "has a column 'agee' that params does not declare" in told[0]


def test_of_json_lines_only_the_row_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    told = refusals(written(tmp_path, "jsonl", [ROWS[0], {"home": "Own", "since": None}, ROWS[2]]))
    assert told == [None, "rows.jsonl, row 2: lacks the column 'age'", None]


@FORMS
def test_an_unknown_category_is_refused_in_the_services_words(tmp_path: Path, form: str) -> None:
    strange = {**ROWS[0], "home": "Castle"}
    with pytest.raises(RequestError) as refused:
        parse({"rows": [strange]}, CONTRACT)
    told = refusals(written(tmp_path, form, [ROWS[0], strange]))
    assert told == [None, f"rows.{form}, row 2: {str(refused.value).removeprefix('rows[0].')}"]


def test_a_number_beyond_what_the_service_takes_is_refused_in_its_words(tmp_path: Path) -> None:
    file = written(tmp_path, "csv", [{**ROWS[0], "age": 3.401e38}])
    assert refusals(file) == ["rows.csv, row 1: age is 3.401e+38; a number between -3.4e+38 and 3.4e+38 is expected."]


def test_cells_that_cannot_be_read_are_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,home,since\nold,Own,2026-02-30\n31,Own\n", "utf-8")
    first, second = refusals(tmp_path / "a.csv")
    assert first == "a.csv, row 1: 'age' is not a number; a.csv, row 1: 'since' is not a date"
    assert second == "a.csv, row 2: 2 cells where the header has 3"


def test_rows_that_a_damaged_file_loses_are_there_and_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "parquet", ROWS * 20_000)
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    rows, problems = asked(file)
    told = rows["problem"].to_pylist()
    assert len(told) == 60_000 and "cannot be read" in told[-1]
    assert "is damaged" in problems[0]


def test_rows_whose_text_is_not_read_to_the_end_are_refused_and_not_asked_with_nulls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "_PLAUSIBLE_TEXT_BYTES", 1_000_000)
    rows, problems = asked(written(tmp_path, "parquet", [{**ROWS[0], "home": "x" * 10_000}] * 20_000))
    assert "its text is not read to the end" in problems[0]
    assert rows["problem"].null_count == 0 and "cannot be read" in rows["problem"].to_pylist()[-1]


def test_a_file_that_is_another_table_says_so_in_every_row(tmp_path: Path) -> None:
    told = refusals(written(tmp_path, "csv", [{"x": 1}]))
    assert told[0] is not None and "or another table's: its first line holds none of the columns" in told[0]


def test_an_empty_file_has_no_rows_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    rows, problems = asked(tmp_path / "a.csv")
    assert len(rows) == 0 and problems == ["a.csv is empty"]


@FORMS
def test_a_declared_id_names_the_record_and_need_not_be_there(tmp_path: Path, form: str) -> None:
    rows, _ = asked(written(tmp_path, form, [{"loan": f"n{i}", **row} for i, row in enumerate(ROWS)]), settings=NAMED)
    assert rows["record_id"].to_pylist() == ["n0", "n1", "n2"]
    without, problems = asked(written(tmp_path, form, ROWS), settings=NAMED)
    assert len(set(without["record_id"].to_pylist())) == 3 and without["problem"].null_count == 3 and problems == []


def test_without_an_id_equal_rows_have_different_names_which_do_not_depend_on_the_files_name(tmp_path: Path) -> None:
    first = written(tmp_path, "csv", [ROWS[0], ROWS[0]])
    second = first.rename(tmp_path / "other.csv")
    names = asked(second)[0]["record_id"].to_pylist()
    assert len(set(names)) == 2
    assert asked(written(tmp_path, "csv", [ROWS[0], ROWS[0]]))[0]["record_id"].to_pylist() == names


def test_files_follow_each_other_and_each_in_pieces(tmp_path: Path) -> None:
    big = written(tmp_path, "csv", [{**ROWS[0], "age": n} for n in range(CHUNK_ROWS + 1)])
    small = written(tmp_path, "parquet", ROWS)
    pieces = list(read({"a": big, "b": small}, SETTINGS, CONTRACT, [], []))
    assert max(map(len, pieces)) <= CHUNK_ROWS and len(pieces) == 3
    ages = pa.concat_tables(pieces)["age"].to_pylist()
    assert ages == [*range(CHUNK_ROWS + 1), 31, None, -0.5]


def test_a_landing_still_needs_its_target(tmp_path: Path) -> None:
    SETTINGS.asking(["age"])
    table = read_landed([written(tmp_path, "csv", ROWS)], SETTINGS, "b1")
    assert table.problems == ["rows.csv lacks the column 'class'", "rows.csv lacks the column 'branch'"]


# Frames


def test_a_frame_is_asked_as_a_caller_would_write_it() -> None:
    frame = pd.DataFrame([{**row, **LABELS} for row in ROWS])
    frame["since"] = [datetime.date(2026, 1, 31), None, pd.Timestamp("2025-12-01T06:00:00Z")]
    [(start, request)] = list(requests(frame, SETTINGS, CONTRACT))
    assert start == 0
    found, expected = parse(request, CONTRACT), parse({"rows": ROWS}, CONTRACT)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_long_frame_is_asked_in_requests_that_the_service_would_take() -> None:
    frame = pd.DataFrame(ROWS * MAX_ROWS)
    found = list(requests(frame, SETTINGS, CONTRACT))
    assert [start for start, _ in found] == [0, MAX_ROWS, 2 * MAX_ROWS]
    assert sum(len(parse(request, CONTRACT)["age"]) for _, request in found) == 3 * MAX_ROWS


def test_what_is_no_frame_is_named() -> None:
    with pytest.raises(NoFrameError, match=r"a pandas DataFrame .* is expected, and this is list"):
        next(requests(ROWS, SETTINGS, CONTRACT))
