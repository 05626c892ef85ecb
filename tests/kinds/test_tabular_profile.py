"""Looking at a table for the first time: what is guessed, what is named, what is refused."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from examples.churn.customers import COLUMNS, customers, write_csv

from gristmill.kinds.tabular.profile import Draft, UnfitFileError, Wish, draft
from gristmill.kinds.tabular.profile.sizes import sizes_of_classes, sizes_of_numbers
from gristmill.kinds.tabular.records import IngestSettings, read
from gristmill.kinds.tabular.tensors import PrepareSettings

N = 400


def drafted(folder: Path, columns: dict[str, list[Any]], **words: Any) -> Draft:
    """The draft of a table of these columns, with a target that says nothing."""
    rng = random.Random(0)
    columns = {"y": [rng.choice(["no", "yes"]) for _ in range(N)], **columns}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    file = folder / "table.csv"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return draft(Wish(**{"name": "w", "file": file, "target": "y", **words}))


def seen(found: Draft, column: str) -> tuple[str, str]:
    """Type and use of a column."""
    row = next(row for row in found.columns if row["column"] == column)
    return row["type"], row["used"]


RNG = random.Random(1)
NUMBERS = [round(RNG.gauss(5, 2), 3) for _ in range(N)]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (NUMBERS, "numeric"),
        ([RNG.randint(0, 9) for _ in range(N)], "numeric"),
        ([["", "NA", "7.5"][i % 3] if i % 5 else "1e3" for i in range(N)], "numeric"),
        ([["red", "green", ""][RNG.randint(0, 2)] for _ in range(N)], "categorical"),
        ([f"2026-0{RNG.randint(1, 9)}-1{RNG.randint(0, 9)}" for _ in range(N)], "date"),
        ([f"1{RNG.randint(0, 9)}.0{RNG.randint(1, 9)}.2026" for _ in range(N)], "date"),
        ([f"2026-01-0{RNG.randint(1, 9)}T0{RNG.randint(0, 9)}:30:00Z" for _ in range(N)], "date"),
        ([f"the customer called {i} times and was angry" for i in range(N)], "text"),
        ([f"street {RNG.randint(0, 200)}" for i in range(N)], "text"),
        (["same"] * N, "constant"),
        ([""] * N, "constant"),
        ([f"C{i:05d}" for i in range(N)], "id"),
        (list(range(1000, 1000 + N)), "id"),
    ],
)
def test_a_type_is_inferred_from_the_cells(tmp_path: Path, cells: list[Any], kind: str) -> None:
    found = drafted(tmp_path, {"a": cells, "other": NUMBERS})
    assert seen(found, "a")[0] == kind
    is_used = kind in ("numeric", "categorical", "date")
    assert (seen(found, "a")[1] == "features") == is_used
    assert any("'a'" in line for line in found.findings) == (not is_used), "what is left out is said"


def test_a_flag_overrules_each_guess(tmp_path: Path) -> None:
    rows = list(range(1000, 1000 + N))
    found = drafted(tmp_path, {"a": rows, "other": NUMBERS}, types={"a": "numeric", "other": "text"})
    assert (seen(found, "a"), seen(found, "other")[0]) == (("numeric (you said so)", "features"), "text (you said so)")


@pytest.mark.parametrize("how", ["a word for each class", "a number on one side of a threshold", "whether it is empty"])
def test_a_column_that_alone_tells_the_target_is_named_and_left_out_unless_a_person_keeps_it(
    tmp_path: Path, how: str
) -> None:
    rng = random.Random(2)
    y = [rng.choice(["no", "yes"]) for _ in range(N)]
    leaks: dict[str, list[Any]] = {
        "a word for each class": ["left" if value == "yes" else "stayed" for value in y],
        "a number on one side of a threshold": [rng.random() + (value == "yes") for value in y],
        "whether it is empty": [f"2026-01-0{rng.randint(1, 9)}" if value == "yes" else "" for value in y],
    }
    columns: dict[str, list[Any]] = {"y": y, "leak": leaks[how], "other": NUMBERS}
    found = drafted(tmp_path, columns)
    assert seen(found, "leak")[1] == "left out: tells the target"
    sentence = next(line for line in found.findings if "'leak' alone tells the target" in line)
    kind = sentence.split("--type leak=")[1].split("`")[0]
    kept = drafted(tmp_path, columns, types={"leak": kind})
    assert seen(kept, "leak")[1] == "features"


def test_a_column_that_tells_much_but_not_all_is_a_feature(tmp_path: Path) -> None:
    rng = random.Random(3)
    y = [rng.choice(["no", "yes"]) for _ in range(N)]
    good = [float(value == "yes") + rng.gauss(0, 0.4) for value in y]
    found = drafted(tmp_path, {"y": y, "good": good})
    assert seen(found, "good")[1] == "features" and found.findings == []


def test_a_number_that_repeats_the_target_of_a_regression_is_left_out(tmp_path: Path) -> None:
    found = drafted(tmp_path, {"y": NUMBERS, "in_cents": [100 * number for number in NUMBERS], "other": NUMBERS[::-1]})
    assert seen(found, "in_cents")[1] == "left out: tells the target"
    assert "A regression of 'y' from 1 columns" in found.decided[0]


@pytest.mark.parametrize(
    ("target", "task", "n_classes"),
    [
        (["no", "yes"], "classification", 2),
        ([0, 1], "classification", 2),
        ([1, 2, 3, 4, 5], "classification", 5),
        (list(range(40)), "regression", 0),
        ([0.5, 1.5], "regression", 0),
    ],
)
def test_the_target_says_the_task(tmp_path: Path, target: list[Any], task: str, n_classes: int) -> None:
    rng = random.Random(4)
    found = drafted(tmp_path, {"y": [rng.choice(target) for _ in range(N)], "a": NUMBERS})
    params = yaml.safe_load(found.params)
    assert params["prepare"]["task"] == task
    assert len(params["prepare"].get("classes", [])) == n_classes
    assert set(params["gate"]["floors"]) == {"balanced_accuracy" if n_classes else "r2"}


def test_a_class_with_few_rows_and_rows_without_a_target_are_named(tmp_path: Path) -> None:
    y = ["rare"] * 19 + [""] * 5 + ["no", "yes"] * 188
    found = drafted(tmp_path, {"y": y, "a": NUMBERS})
    assert "The class 'rare' has 19 rows: too few to say how well it is told." in found.findings
    assert "The target is empty in 5 rows; they will be quarantined." in found.findings


GOOD = "a,b,y\n" + "".join(f"{i % 7},{i % 3}.5,{'yes' if i % 2 else 'no'}\n" for i in range(100))


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        (None, {}, "does not exist"),
        ("", {}, "is empty"),
        ("1,2,yes\n" + GOOD.split("\n", 1)[1], {}, "has no header: its first line holds '1'"),
        (GOOD.replace("a,b,y", "a,a,y"), {}, "has 2 columns called 'a'"),
        (GOOD.replace("a,b,y", "a,,y"), {}, "a column without a name, the 2th"),
        (GOOD, {"target": "Why"}, r"has no column 'Why' \(--target\)\. Did you mean 'y'\?"),
        (GOOD, {"id": "ident"}, r"has no column 'ident' \(--id\)"),
        (GOOD, {"id": "y"}, "as the target and as --id"),
        (GOOD, {"types": {"a": "integer"}}, "--type takes numeric, categorical, date, text, constant, id"),
        (GOOD, {"types": {"x": "numeric"}}, r"has no column 'x' \(--type\)"),
        (GOOD.replace("no", "yes"), {}, "the target 'y' has one value only"),
        ("a,b,y\n" + "1,2,\n" * 100, {}, "the target 'y' is empty throughout"),
        (
            GOOD.replace(",0.5,", ","),
            {},
            r"has 34 of 100 rows with another number of cells than its header \(3\)",
        ),
        ("\n".join(GOOD.splitlines()[:40]), {}, "has 39 rows; of fewer than 60"),
        ("y\n" + "yes\nno\n" * 50, {}, "has one column, 'y'"),
        ("k,y\n" + "x,yes\nx,no\n" * 50, {}, "has nothing left to predict 'y' from"),
        (",".join(f"c{i}" for i in range(50_000)) + "\n", {}, "has 50,000 columns; at most 1,000"),
        (GOOD, {"task": "regression"}, "has no number in the target 'y'"),
    ],
)
def test_what_cannot_be_a_workload_is_one_clear_sentence(
    tmp_path: Path, content: str | None, words: dict[str, Any], sentence: str
) -> None:
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(UnfitFileError, match=sentence):
        draft(Wish(**{"name": "w", "file": file, "target": "y", **words}))


@pytest.mark.parametrize(
    ("content", "found"), [(b'{"y": "no"}\n', "JSON lines"), (b"PAR1" + bytes(20) + b"PAR1", "Parquet")]
)
def test_another_format_than_csv_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(UnfitFileError, match=f"t is {found}, and a workload is drafted from a CSV"):
        draft(Wish(name="w", file=tmp_path / "t", target="y"))


def test_another_dialect_is_said_and_declared(tmp_path: Path) -> None:
    rows = [f"{i % 7},5;1{i % 8}.01.2026;{'café' if i % 2 else 'bar'};{'ja' if i % 3 else 'nein'}" for i in range(100)]
    file = tmp_path / "table.csv"
    file.write_bytes(("\r\n".join(["preis;tag;ort;weg", *rows]) + "\r\n").encode("cp1252"))
    found = draft(Wish("w", file, "weg"))
    assert found.read == "table.csv: read as Latin-1 (Windows-1252), ';' between cells, decimal commas."
    declared = yaml.safe_load(found.params)["ingest"]
    assert {key: declared[key] for key in ("delimiter", "decimal", "encoding", "date_format")} == {
        "delimiter": ";",
        "decimal": ",",
        "encoding": "cp1252",
        "date_format": "%d.%m.%Y",
    }
    table = read([file], IngestSettings(**declared), "b1")
    assert table.problems == [] and not any(table.rows["problems"].to_pylist())


def test_a_date_that_could_be_either_is_read_one_way_and_said(tmp_path: Path) -> None:
    found = drafted(tmp_path, {"a": [f"0{i % 9 + 1}/0{i % 7 + 1}/2026" for i in range(N)], "b": NUMBERS})
    assert any("'a' could be day/month or month/day" in line for line in found.findings)


def test_the_draft_is_what_the_stages_accept_and_its_own_file_passes(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "churn.csv", customers(N, seed=5))
    found = draft(Wish("churn", file, "churned", id="customer_id", owner="A. Person"))
    params = yaml.safe_load(found.params)
    table = read([file], IngestSettings(**params["ingest"]), "b1")
    assert table.problems == [] and not any(table.rows["problems"].to_pylist())
    PrepareSettings(**params["prepare"])
    assert params["problem"]["owner"] == "A. Person" and len(params["problem"]["costs"]) == 2
    suite = json.loads(found.suite)
    assert suite["name"] == "churn" and suite["meta"]["columns"]["target"]["called"] == "churned"
    assert [row["column"] for row in found.columns if row["used"] == "features"] == COLUMNS[1:-1]


def test_nothing_of_an_id_or_a_text_is_shown(tmp_path: Path) -> None:
    found = drafted(tmp_path, {"mail": [f"p{i}@example.org" for i in range(N)], "a": NUMBERS})
    assert not any("@" in value for row in found.columns for value in row.values())


def test_a_floor_is_out_of_the_reach_of_guessing_and_a_margin_within_that_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    for counts in ([150, 150], [30, 270], [5_000, 5_000], [100, 200, 300, 400]):
        sizes = sizes_of_classes(counts)
        held_out = [round(n * sizes.holdout_fraction) for n in counts]
        hits = np.stack([rng.binomial(n, 1 / len(counts), 20_000) / n for n in held_out])
        assert (hits.mean(0) >= sizes.floor).mean() < 0.005, "noise passes"
    assert sizes_of_classes([150, 150]).margin > 0.05 > 0.02 > sizes_of_classes([5_000, 5_000]).margin
    for n_rows in (300, 10_000):
        sizes = sizes_of_numbers(n_rows, deviation=2.0)
        n = round(n_rows * sizes.holdout_fraction)
        truth, answer = rng.normal(size=(500, n)), 0.1 * rng.normal(size=(500, n))
        r2 = 1 - ((truth - answer) ** 2).sum(1) / ((truth - truth.mean(1, keepdims=True)) ** 2).sum(1)
        assert (r2 >= sizes.floor).mean() < 0.005
    assert sizes_of_numbers(10_000, 2.0).margin < sizes_of_numbers(300, 2.0).margin
    assert sizes_of_numbers(300, 2.0).margin == pytest.approx(10 * sizes_of_numbers(300, 0.2).margin, rel=0.1)
