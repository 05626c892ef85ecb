"""The groups `gristmill quarantine` and `gristmill data`: what the pages tell a person to type can be typed."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.pages import printed_commands

from gristmill.cli import app
from gristmill.data.manifest import Manifest
from gristmill.runs.quarantine.state import BatchState
from gristmill.runs.quarantine.words import next_steps

PAGE = Path(__file__).resolve().parents[2] / "docs" / "quarantine.md"
DECIDE = ["quarantine release", "data correct", "quarantine drop"]
HEADINGS = ("Look", "Release", "Correct", "Drop", "Take out what is in")


def parsed(command: str) -> str:
    """The verb that a command names, once the command line has accepted all of its words."""
    program, *words = shlex.split(command)
    assert program == "gristmill"
    verb: Any = typer.main.get_command(app)
    path = []
    while hasattr(verb, "commands"):
        path.append(words.pop(0))
        verb = verb.commands[path[-1]]
    verb.make_context(path[-1], words)
    return " ".join(path)


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_command_of_the_page_can_be_typed(heading: str) -> None:
    assert all(map(parsed, printed_commands(PAGE, heading)))


@pytest.mark.parametrize(
    ("status", "rows", "verbs"),
    [
        ("unjudged", {}, ["run", "quarantine drop"]),
        ("error", {}, ["run"]),
        ("quarantined", {"quarantined": 3}, DECIDE),
        (
            "partial",
            {"quarantined": 1, "admitted": 2},
            ["quarantine release", "data correct", "quarantine drop", "data revert"],
        ),
        ("withheld", {"withheld": 3}, ["quarantine release"]),
        ("admitted", {"admitted": 3}, ["data revert"]),
    ],
)
def test_the_next_steps_of_a_batch_fit_its_status_and_can_be_typed(
    status: str, rows: dict[str, int], verbs: list[str]
) -> None:
    manifest = Manifest(batch="b1", role="train", parts=(), origin="")
    steps = next_steps(BatchState("shoes", manifest, status, None, 3, rows, [], {}, ()))
    assert [parsed(typed) for typed, _ in steps] == verbs
