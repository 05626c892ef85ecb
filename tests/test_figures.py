"""A figure on a page is one that was measured."""

import json
from pathlib import Path

from tools.figures import DOCS, filled


def measured(figure: str, value: float, benchmark: str = "door") -> dict[str, object]:
    machine = {"cores": 2, "cpu": "a processor", "memory_gib": 23.5, "python": "3.11.7"}
    command = f"python -m benchmarks.{benchmark}"
    return {
        "figure": figure, "value": value, "unit": "s", "target": None, "command": command, "commit": "c0ffee00",
        "machine": machine,
    }  # fmt: skip


def test_the_tables_of_figures_are_those_that_were_measured() -> None:
    figures = json.loads((DOCS / "measured.json").read_text("utf-8"))
    for path in Path(DOCS).glob("*.md"):
        page = path.read_text("utf-8")
        assert filled(page, figures) == page, f"{path.name}: run `python -m tools.figures`"


def test_a_table_holds_the_figures_of_its_benchmark_and_says_where_they_were_measured() -> None:
    page = "before\n<!-- figures: door -->\nstale\n<!-- end -->\nafter\n"
    made = filled(page, [measured("a batch", 1234.5), measured("a turn", 9, "turn")])
    assert "| a batch | 1,234.5 s |  |" in made
    assert "2 cores of a processor, 23.5 GiB, Python 3.11.7; commit c0ffee00." in made
    assert "a turn" not in made
    assert "stale" not in made
    assert made.startswith("before\n") and made.endswith("<!-- end -->\nafter\n")
    assert filled(made, [measured("a batch", 1234.5)]) == made
    assert "Not measured yet: `python -m benchmarks.measure door`" in filled(page, [])
