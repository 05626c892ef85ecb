"""Fill the tables of figures in docs/ from docs/measured.json: `python -m tools.figures`.

A table stands between `<!-- figures: BENCHMARK -->` and `<!-- end -->`; tests/test_figures.py fails where one is stale.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
_TABLE = re.compile(r"(<!-- figures: (?P<benchmark>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, measured: list[dict[str, Any]]) -> str:
    """The page with each of its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(found['benchmark'], measured)}{found[3]}", page)


def _table(benchmark: str, measured: list[dict[str, Any]]) -> str:
    figures = [one for one in measured if one["command"] == f"python -m benchmarks.{benchmark}"]
    if not figures:
        return f"Not measured yet: `python -m benchmarks.measure {benchmark}`.\n"
    rows = [f"| {one['figure']} | {one['value']:,} {one['unit']} | {one['target'] or ''} |" for one in figures]
    machine, commit = figures[0]["machine"], figures[0]["commit"]
    on = f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, Python {machine['python']}"
    return "\n".join(
        ["| figure | value | target |", "| :--- | ---: | :--- |", *rows, "", f"{on}; commit {commit[:8]}.", ""]
    )


def main() -> int:
    """Rewrite the pages."""
    measured = json.loads((DOCS / "measured.json").read_text("utf-8"))
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(filled(path.read_text("utf-8"), measured), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
