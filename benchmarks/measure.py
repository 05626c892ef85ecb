"""`make prove`: run the benchmarks one after another and write what they measured to docs/measured.json.

`python -m benchmarks.measure [NAME...]` runs some of them and keeps the other figures as they are. Nothing about time is
asserted: the table shows which targets are met.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, figures_in
from gristmill.ground.files import write_text
from gristmill.ground.process import installed_release

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs" / "measured.json"
BENCHMARKS = (
    "cli",
    "landing",
    "door",
    "turn",
    "up",
    "training",
    "gate",
    "alarms",
    "champion_checks",
    "serving",
    "story",
)
_TOOLS = ("prefect", "dvc", "great_expectations", "torch", "bentoml")
_BUSY = 0.5


def main() -> int:
    """Exit code 0 when every benchmark came to its end, whatever it measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.measure", description="Measure, and write docs/measured.json."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all when left out")
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    console = Console()
    commit = _git("rev-parse", "HEAD")
    if _git("status", "--porcelain"):
        console.print("uncommitted edits are not measured: the scratch repositories hold the code of the last commit")
    if (load := os.getloadavg()[0]) > _BUSY:
        console.print(f"the machine is busy (load {load:.1f}): what follows will be too slow", style="yellow")
    measured: list[dict[str, Any]] = []
    for name in names:
        began = time.monotonic()
        with console.status(f"benchmarks/{name}.py"):
            done = subprocess.run(
                [sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
        if done.returncode != 0:
            console.print(f"benchmarks/{name}.py failed; docs/measured.json is as it was", style="red")
            return 1
        figures = figures_in(done.stdout)
        console.print(f"benchmarks/{name}.py: {len(figures)} figures in {time.monotonic() - began:.0f} s")
        measured += [entry(figure, name, commit, machine()) for figure in figures]
    before = json.loads(MEASURED.read_text("utf-8")) if MEASURED.is_file() else []
    write_text(MEASURED, json.dumps(merged(before, measured), indent=1, ensure_ascii=False) + "\n")
    console.print(table(measured))
    return 0


def entry(figure: Figure, benchmark: str, commit: str, on: dict[str, Any]) -> dict[str, Any]:
    """A figure with all that one needs to measure it again."""
    return {
        "figure": figure.figure,
        "value": figure.value,
        "unit": figure.unit,
        "target": figure.target,
        "command": f"python -m benchmarks.{benchmark}",
        "commit": commit,
        "machine": on,
    }


def merged(before: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The new figures, and those of the benchmarks that were not run again; in the benchmarks' order."""
    commands = [f"python -m benchmarks.{name}" for name in BENCHMARKS]
    again = {one["command"] for one in measured}
    kept = [one for one in before if one["command"] in commands and one["command"] not in again]
    return sorted([*kept, *measured], key=lambda one: commands.index(one["command"]))


def machine() -> dict[str, Any]:
    """What the figures depend on beside the code."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "versions": {tool: installed_release(tool) for tool in _TOOLS},
    }


def table(measured: list[dict[str, Any]]) -> Table:
    """What was measured, and what it had to reach."""
    shown = Table("figure", box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("value", justify="right")
    shown.add_column("unit")
    shown.add_column("target")
    shown.add_column("")
    for one in measured:
        figure = Figure(one["figure"], one["value"], one["unit"], one["target"])
        verdict = {None: "", True: "[green]met[/green]", False: "[red]missed[/red]"}[figure.is_met]
        shown.add_row(figure.figure, f"{figure.value:,}", figure.unit, figure.target or "", verdict)
    return shown


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
