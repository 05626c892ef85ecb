"""Lint: everything that is wrong with a suite, before any batch comes; and the shipped suites are sound."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import gristmill
from typer.testing import CliRunner

from gristmill.cli import app
from gristmill.ground.workload import Workload, all_workloads
from gristmill.runs.linting import lint_suite
from gristmill.runs.repository import Repository

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("workload", all_workloads(ROOT), ids=lambda workload: str(workload.name))
def test_every_shipped_suite_is_sound_and_in_step_with_its_profile(workload: Workload) -> None:
    linted = lint_suite(workload)
    assert linted.faults == []
    assert linted.summary.startswith(f"{workload.name}: ") and "measured by" in linted.summary


def edited(workload: Workload, edit: Callable[[dict[str, Any]], None], path: Path | None = None) -> list[str]:
    """What lint says of a suite, or of another file of the workload, that somebody edited."""
    path = path or workload.expectations
    content = json.loads(path.read_text("utf-8"))
    edit(content)
    path.write_text(json.dumps(content), "utf-8")
    return [line.removeprefix(str(workload.root) + "/") for line in lint_suite(workload).faults]


@pytest.fixture
def credit(repository: Repository) -> Workload:
    return repository.workload("credit-risk")


def between(**kwargs: Any) -> dict[str, Any]:
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs}


MISTAKES = [
    between(column="Age", min_value=9, max_value=1),
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "Job", "regex": "(["}},
    between(column="Agee", min_value=1),
    {"type": "expect_nonsense"},
    between(column="Age", min_valu=1),
    between(column="Age", max_value="high + sigmma"),
    between(column="Age", max_value="high", row_condition="Agge > 3", condition_parser="pandas"),
    between(column="Amount", max_value="2 * high"),
    between(column="Amount", max_value="2 * high"),
]
NAMED = [
    (1, "expect_column_values_to_be_between", "min_value 9 is above max_value 1"),
    (2, "expect_column_values_to_match_regex", "the regular expression '([' cannot be read"),
    (6, "expect_column_values_to_be_between", "names 'sigmma'; known are n, mean"),
    (9, "expect_column_values_to_be_between", "it repeats expectation 8"),
    (4, "expect_nonsense", "expect_nonsense"),
    (5, "expect_column_values_to_be_between", "min_valu"),
    (7, "expect_column_values_to_be_between", "its row_condition names 'Agge', which no table has"),
]


def test_every_mistake_of_a_suite_is_named_at_once_with_its_entry(credit: Workload) -> None:
    lines = edited(credit, lambda suite: suite.update(expectations=MISTAKES))
    for number, kind, problem in NAMED:
        start = f"expectations/credit-risk.json: expectation {number} ({kind}): "
        assert any(line.startswith(start) and problem in line for line in lines), (start, problem, lines)
    assert any("no critical check of the row count" in line for line in lines)
    assert any(
        "the column 'Agee' is missing in the tables that params/credit-risk.yaml describes" in line for line in lines
    )
    assert len(lines) == len(NAMED) + 2


def test_a_column_that_params_reads_otherwise_is_named(credit: Workload) -> None:
    def call_it_text(suite: dict[str, Any]) -> None:
        suite["meta"]["columns"]["Age"] = {"type": "text"}

    [line] = edited(credit, call_it_text)
    assert line == (
        "expectations/credit-risk.json: the column 'Age' holds numbers, expected text "
        "in the tables that params/credit-risk.yaml describes"
    )


def test_a_profile_out_of_step_names_the_columns_and_the_verb(credit: Workload) -> None:
    def other_columns(suite: dict[str, Any]) -> None:
        suite["meta"]["columns"]["Age"]["personal"] = True
        suite["meta"]["columns"]["split_key"] = {"type": "text"}
        del suite["meta"]["columns"]["Amount"]

    again = "write it anew: `gristmill expectations profile credit-risk`"
    assert edited(credit, other_columns) == [
        f"expectations/credit-risk.profile.json: it lacks the column 'split_key' of the suite; {again}",
        f"expectations/credit-risk.profile.json: it has a column 'Amount' that the suite does not declare; {again}",
        f"expectations/credit-risk.profile.json: it shows values of 'Age', which the suite calls personal; {again}",
    ]
    credit.profile.unlink()
    assert lint_suite(credit).faults == [f"{credit.profile}: the file does not exist; {again}"]


def test_the_verb_tells_of_all_suites_and_its_exit_code_whether_all_are_sound(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository.here / "expectations" / "mnist.json").write_text('{"name": "mnist", "expectations": [', "utf-8")
    done = gristmill(repository.here, "expectations", "lint")
    credit, fashion, mnist = done.stdout.splitlines()
    assert done.returncode == 1
    assert credit.startswith("credit-risk: 43 expectations") and fashion.startswith("fashion-mnist: ")
    assert mnist.startswith("expectations/mnist.json: not readable as JSON")
    monkeypatch.chdir(repository.here)
    sound = CliRunner().invoke(app, ["expectations", "lint", "credit-risk"])
    assert (sound.exit_code, sound.output.splitlines()) == (0, [credit])
