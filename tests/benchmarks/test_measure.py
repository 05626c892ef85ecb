"""docs/measured.json: each figure with its target, and with all that one needs to measure it again."""

import pytest
from benchmarks.figures import Figure, figures_in, tell
from benchmarks.measure import BENCHMARKS, ROOT, entry, machine, merged, table
from rich.console import Console


@pytest.mark.parametrize(
    ("value", "target", "is_met"),
    [(12.9, "<= 13", True), (13.1, "<= 13", False), (0.5, "< 0.5", False), (0.88, ">= 0.88", True), (7.0, None, None)],
)
def test_a_figure_knows_whether_it_meets_its_target(value: float, target: str | None, is_met: bool | None) -> None:
    assert Figure("a turn", value, "s", target).is_met is is_met


def test_what_a_benchmark_prints_beside_its_figures_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print("Prefect: http://127.0.0.1:4200")
    tell("a turn", 8.756, "s", "<= 13")
    tell("training", 5123.4, "samples/s")
    assert figures_in(capsys.readouterr().out) == [
        Figure("a turn", 8.76, "s", "<= 13"),
        Figure("training", 5123, "samples/s", None),
    ]


def test_a_benchmark_that_ran_again_replaces_all_of_its_own_figures_and_no_other() -> None:
    def measured(benchmark: str, *names: str) -> list[dict[str, object]]:
        return [entry(Figure(name, 1.0, "s"), benchmark, "c0ffee", {}) for name in names]

    first, last = BENCHMARKS[0], BENCHMARKS[-1]
    before = [*measured(first, "kept"), *measured(last, "gone", "again"), *measured("removed", "of no benchmark")]
    after = merged(before, measured(last, "again", "new"))
    assert [one["figure"] for one in after] == ["kept", "again", "new"]


def test_every_named_benchmark_exists_and_every_benchmark_is_named() -> None:
    runnable = {
        path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main() -> None" in path.read_text("utf-8")
    }
    assert set(BENCHMARKS) == runnable


def test_the_machine_is_told_with_the_releases_of_the_five_tools() -> None:
    told = machine()
    assert told["cpu"]
    assert told["cores"] >= 1
    assert all(told["versions"][tool] for tool in ("prefect", "dvc", "great_expectations", "torch", "bentoml"))


def test_the_table_says_what_was_missed() -> None:
    console = Console(width=100, record=True)
    console.print(table([entry(Figure("idle turn", 9.1, "s", "<= 8"), "turn", "c0ffee", {})]))
    row = next(line for line in console.export_text().splitlines() if "idle turn" in line)
    assert row.split() == ["idle", "turn", "9.1", "s", "<=", "8", "missed"]
