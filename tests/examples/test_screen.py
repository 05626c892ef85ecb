"""What a person sees of a turn: short, in order, and nothing that wraps into garbage."""

import io
from pathlib import Path

import pytest
from examples.story.screen import Screen, StoryError, Turn
from rich.console import Console


def screen(folder: Path, width: int = 60) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(folder, Console(file=out, width=width, force_terminal=False)), out


def test_a_turns_lines_become_the_stages_that_were_stale() -> None:
    turn = Turn()
    for line in (
        "Prefect: http://127.0.0.1:1",
        "03:12:53 | Beginning flow run 'x' for flow 'retrain'",
        "03:12:54 |   Running stage 'ingest@toy':",
        "03:12:55 |   Stage 'validate@toy' is cached - skipping run, checking out outputs",
        "03:12:55 |   Stage 'prepare@toy' didn't change, skipping",
        "03:12:55 |   Running stage 'train@toy':",
        "03:12:56 |   epoch 1/3",
        "03:12:57 | 10 rows, each with one status",
    ):
        turn.hear(line)
    assert turn.summary() == "ingest 0 s · validate from the run cache · train 0 s"


@pytest.mark.parametrize(
    ("line", "news"),
    [
        ("03:12:53 | View at http://127.0.0.1:1/runs/flow-run/2", None),
        ("http://127.0.0.1:1/runs/flow-run/2", None),
        ("03:12:54 |   > exec python -m gristmill.stages train toy", None),
        ("03:12:54 |   epoch 1/3  2.0 s", "train: epoch 1/3  2.0 s"),
        ("03:12:54 |   train: exported", "train: exported"),
    ],
)
def test_only_news_is_shown_while_a_stage_runs_under_the_stages_name(line: str, news: str | None) -> None:
    turn = Turn()
    turn.hear("03:12:52 |   Running stage 'train@toy':")
    assert turn.hear(line) == news


def test_a_long_sentence_goes_on_under_its_beginning(tmp_path: Path) -> None:
    shown, out = screen(tmp_path)
    shown.say("a sentence " * 12)
    shown.listing("because:", ["a reason " * 12])
    lines = [line for line in out.getvalue().splitlines() if line.strip()]
    assert all(line.startswith("  ") and len(line) <= 60 for line in lines)
    assert [line.lstrip()[0] for line in lines if line.startswith("    ")][:1] == ["•"]
    assert all(line.startswith("      ") for line in lines[lines.index("  because:".ljust(60)) + 2 :])


def test_square_brackets_in_data_are_shown_as_they_are(tmp_path: Path) -> None:
    shown, out = screen(tmp_path)
    shown.say("label [red] is not known")
    assert "label [red] is not known" in out.getvalue()


def test_a_verb_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    shown, out = screen(tmp_path)
    with pytest.raises(StoryError, match=r"(?s)`gristmill history` ended with exit code 1:.*git"):
        shown.verb("history")
    assert "$ gristmill history" in out.getvalue()
