"""The live view says what is, and what has just happened, in lines that a person reads."""

import re
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from tests.applications import applications, write_applications
from tests.conftest import turn

from gristmill.ground.files import write_json
from gristmill.ground.locks import locked
from gristmill.registry.mill import Change
from gristmill.runs.landing import land
from gristmill.runs.progress import note_progress, turn_lock
from gristmill.runs.repository import Repository
from gristmill.runs.screen import Happenings, Teller, batch_line, picture
from gristmill.runs.up import standing_up

W = "credit-risk"


def shown(repository: Repository, teller: Teller, width: int = 130, height: int = 40) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(picture(repository, teller, console))
    return capture.get().splitlines()


def test_what_is_said_has_the_time_of_day_whatever_it_begins_with() -> None:
    printed: list[str] = []
    teller = Teller(printed.append)
    teller.say("2024-sales: asked for a turn")
    assert re.fullmatch(r"\d\d:\d\d:\d\d \| 2024-sales: asked for a turn", printed[0])
    assert list(teller.lines) == printed


def test_what_happens_on_the_mill_is_told_once_whoever_did_it(turned: Repository, prefect_api: str) -> None:
    said: list[str] = []
    happenings = Happenings(turned, said.append)
    happenings.look()
    assert said == [], "what was there before is no news"

    rows = [*applications(200, seed=7), *applications(1, seed=8)]
    rows[-1]["Age"] = "very old"
    batch = land(turned, turned.workload(W), [write_applications(turned.root / "more.csv", rows)]).manifest.batch
    turn(turned.root, W, prefect_api)
    happenings.look()
    assert said[0].startswith(f"{W}: batch {batch} partial: 200 of 201 rows admitted; 1 of 201 rows cannot be read")
    assert said[1].startswith(f"{W}: run: ")
    n_said = len(said)
    happenings.look()
    assert len(said) == n_said

    turned.mill.commit(lambda _: [Change(f"resume {W}", {}, {"Workload": W, "Reason": "all is well again"})])
    happenings.look()
    assert said[n_said:] == [f"{W}: resumed: all is well again"]


def test_a_poisoned_batch_is_told_with_its_reasons_and_no_warnings() -> None:
    reasons = [
        {"reason": "label: 25 of 600 rows are outside 0..9", "severity": "critical", "n_rows": 25},
        {"reason": "ink: 3 of 600 rows are below 1", "severity": "warning", "n_rows": 3},
    ]
    batch = {"batch": "b1", "status": "quarantined", "n_rows": 600, "rows": {"admitted": 0}, "reasons": reasons}
    assert batch_line(batch) == ("batch b1 quarantined: 0 of 600 rows admitted; label: 25 of 600 rows are outside 0..9")


def test_one_screen_holds_workloads_addresses_and_the_last_lines(turned: Repository) -> None:
    teller = Teller(None)
    for i in range(100):
        teller.say(f"line {i}")
    with standing_up(turned) as standing:
        standing.note(prefect="http://127.0.0.1:4200", services={W: "http://127.0.0.1:3000"})
        with locked(turn_lock(turned, W)):
            note_progress(turned, W, "train")
            lines = shown(turned, teller)
    text = "\n".join(lines)
    assert len(lines) <= 40 and max(map(len, lines)) <= 130
    assert re.search(r"credit-risk +v1\.0\.0 +train", text)
    assert "Prefect: http://127.0.0.1:4200" in text and f"{W}: http://127.0.0.1:3000" in text
    assert lines[-1].rstrip().endswith("line 99")
    assert re.search(r"mnist +nothing yet +next turn", text), "the schedule says when"


def test_a_small_terminal_keeps_the_status(turned: Repository) -> None:
    lines = shown(turned, Teller(None), width=80, height=24)
    assert any("credit-risk" in line for line in lines) and max(map(len, lines)) <= 80


def test_what_waits_in_an_inbox_is_named_with_its_reason(repository: Repository) -> None:
    stranger = repository.here / "data" / "nobody" / "inbox"
    stranger.mkdir(parents=True)
    (stranger / "x.csv").write_text("a\n1\n", "utf-8")
    write_json(repository.state / "inbox.json", {"data/nobody/inbox/x.csv": "the disk was full"})
    text = "\n".join(shown(repository, Teller(None)))
    assert "params.yaml knows no workload 'nobody'" in text and "the disk was full" in text


def test_the_next_turn_is_that_of_the_schedule(repository: Repository, tmp_path: Path) -> None:
    with standing_up(repository):
        text = "\n".join(shown(repository, Teller(None)))
    three = datetime.now(UTC).replace(hour=3, minute=0).astimezone()
    assert f"{three:%H:%M}" in text
