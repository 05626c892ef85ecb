"""Decisions: files beside a batch, one commit each, safe in company, and refused where they mean nothing."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import gristmill
from tests.judged_turns import House, judge
from tests.recorded_turns import W

from gristmill.adapters.dvc import CacheMissError
from gristmill.data.batches import read_batch
from gristmill.registry.history import read_history
from gristmill.registry.tables import event_line
from gristmill.runs.deciding import Decided, DecisionError, decide
from gristmill.runs.landed import BatchNameError, Landing, LastTurn
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import NoDataError

DELAYS_S = [n * 0.25 for n in range(1, 13)] if os.environ.get("GRISTMILL_PROVE") else (0.9, 1.9)
"""After which a decision is killed; it takes 2 s where nothing else is at work."""


def say(house: House, batch: str, verb: Any, *rows: str, reason: str = "a look at it") -> Decided:
    return decide(house.repository, house.repository.workload(W), batch, verb, reason, rows or None)


def decisions(house: House, batch: str) -> dict[str, Any]:
    landing = Landing(house.repository, W, house.repository.mill.tip())
    return {name: one.model_dump(exclude_none=True) for name, one in landing.decisions(batch).items()}


def ids(house: House, batch: str) -> list[str]:
    turn = LastTurn(house.repository, W, house.repository.mill.tip() or "")
    return list(read_batch(turn.table(batch), ["record_id"]).rows.column("record_id").to_pylist())


def rows_of(repository: Repository) -> dict[str, dict[str, int]]:
    content = json.loads(repository.mill.read(f"reports/{W}/validation.json") or b"")
    return {entry["batch"]: {status: n for status, n in entry["rows"].items() if n} for entry in content["batches"]}


def test_a_decision_is_one_file_and_one_commit_and_the_next_turn_obeys(own: House) -> None:
    before, tip = own.repository.mill.tip(), Landing(own.repository, W, own.repository.mill.tip())
    row = ids(own, own.partial)[6]
    say(own, own.partial, "release", row[:8], reason="Methuselah is a customer")
    say(own, own.whole[:6], "drop")
    say(own, own.good, "revert", reason="a test that should not have landed")

    (name, told), *_ = decisions(own, own.partial).items()
    assert name == "0001-release.json"
    assert (told["decision"], told["rows"], told["reason"]) == ("release", (row,), "Methuselah is a customer")
    assert told["actor"] == own.repository.git.actor()
    assert [event_line(event) for event in read_history(own.repository.mill, W)[:3]] == [
        f"{W}: taken out: batch {own.good}: a test that should not have landed",
        f"{W}: dropped: batch {own.whole}: a look at it",
        f"{W}: released: 1 row of batch {own.partial}: Methuselah is a customer",
    ]
    assert own.repository.git.log("refs/heads/mill", "%H")[3] == before
    assert all(Landing(own.repository, W, own.repository.mill.tip()).folder(b) == tip.folder(b) for b in tip.batches)

    judge(own.repository)
    rows = rows_of(own.repository)
    assert rows[own.partial] == {"admitted": 200}
    assert rows[own.whole] == {"dropped": 40}
    assert rows[own.good] == {"reverted": 60}
    assert rows[own.unjudged] == {"admitted": 30}


def test_two_decisions_at_once_both_stand(own: House) -> None:
    first, second = ids(own, own.whole)[:2]
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(say, own, own.whole, "drop", row) for row in (first, second)]:
            done.result()
    made = decisions(own, own.whole)
    assert list(made) == ["0001-drop.json", "0002-drop.json"]
    assert {one["rows"] for one in made.values()} == {(first,), (second,)}


def test_of_two_equal_decisions_at_once_one_is_refused_and_names_the_other(own: House) -> None:
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(say, own, own.whole, "drop", reason=f"number {n}") for n in range(2)]
        (refused,) = [str(one.exception()) for one in asked if one.exception()]
    (made,) = decisions(own, own.whole).values()
    assert refused == f"batch {own.whole} is dropped already ({made['actor']}: {made['reason']})."


def test_a_decision_killed_at_any_moment_stands_whole_or_not_at_all(own: House) -> None:
    before = own.repository.mill.tip()
    command = [str(Path(sys.executable).parent / "gristmill"), "quarantine", "drop", W, own.whole, "--reason", "killed"]
    for delay in DELAYS_S:
        process = subprocess.Popen(
            command, cwd=own.repository.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        made = decisions(own, own.whole)
        assert made == {} if own.repository.mill.tip() == before else [*made] == ["0001-drop.json"]
    say(own, own.good, "drop")
    assert not [path for path in (own.repository.state / "worktrees").iterdir() if path.is_dir()]


def test_what_somebody_dropped_stays_dropped_when_the_batch_is_released(own: House) -> None:
    dropped = ids(own, own.whole)[1]
    say(own, own.whole, "drop", dropped)
    done = say(own, own.whole, "release", reason="the rest is real")
    assert done.n_rows == 39
    assert done.notes == ("1 row that a decision keeps out stays as it is; `--row ID` names a row of its own",)
    assert set(decisions(own, own.whole)["0002-release.json"]["rows"]) == set(ids(own, own.whole)) - {dropped}


def test_what_means_nothing_is_refused_in_a_sentence_and_changes_nothing(house: House) -> None:
    good, partial, late = house.good, house.partial, house.unjudged
    tip = house.repository.mill.tip()
    admitted = ids(house, partial)[0]
    refusals = [
        ((good, "release"), f"nothing keeps batch {good} out: it is admitted."),
        ((partial, "release", admitted), f"nothing keeps '{admitted}' out."),
        ((late, "release"), f"nothing keeps batch {late} out: the next turn judges it (`gristmill run {W}`)."),
        (
            (late, "revert"),
            f"batch {late} has not been judged yet, so nothing of it is in. "
            f'`gristmill quarantine drop {W} {late} --reason "..."` keeps it out.',
        ),
        (
            (house.whole, "revert"),
            f"nothing of batch {house.whole} is in: it is quarantined. "
            f'`gristmill quarantine drop {W} {house.whole} --reason "..."` ends its waiting.',
        ),
        (
            (partial, "drop", "nobody"),
            f"batch {partial} of {W} has no row 'nobody' among its 200. "
            f"`gristmill quarantine show {W} {partial}` shows the rows that wait.",
        ),
    ]
    for asked, sentence in refusals:
        with pytest.raises(DecisionError) as refused:
            say(house, *asked)
        assert str(refused.value) == sentence
    assert house.repository.mill.tip() == tip


def test_what_was_decided_already_is_refused_with_who_did_it_and_why(own: House) -> None:
    who = own.repository.git.actor()
    say(own, own.good, "revert", reason="a test")
    say(own, own.whole, "release", reason="all real")
    with pytest.raises(DecisionError) as again:
        say(own, own.good, "revert")
    assert str(again.value) == (
        f"batch {own.good} is out already ({who}: a test). "
        f'`gristmill quarantine release {W} {own.good} --reason "..."` lets it in again.'
    )
    with pytest.raises(DecisionError) as again:
        say(own, own.whole, "release")
    assert str(again.value) == (
        f"batch {own.whole} is released already ({who}: all real); the next turn takes it in: `gristmill run {W}`."
    )


def test_a_batch_that_is_not_there_or_not_told_apart_is_refused_with_those_that_are(house: House) -> None:
    landed = ", ".join(sorted([house.good, house.partial, house.whole, house.unjudged]))
    with pytest.raises(BatchNameError) as unknown:
        say(house, "zz", "drop")
    assert str(unknown.value) == (
        f"{W} has no batch 'zz'. The 4 that landed: {landed}. `gristmill quarantine list {W}` says which of them wait."
    )
    assert str(BatchNameError(W, "3f", ["3f1", "3f2"], 0)) == (
        f"'3f' could be 3f1, 3f2, all of {W}. Type more of its name."
    )
    with pytest.raises(NoDataError, match="mnist has no data yet"):
        decide(house.repository, house.repository.workload("mnist"), "3f", "drop", "no")


def test_a_clone_without_the_cache_says_where_to_get_it(own: House) -> None:
    (own.repository.root / ".dvc" / "config.local").unlink()
    lonely = own._replace(repository=Repository(own.repository.root))
    with pytest.raises(CacheMissError, match=r"lacks .*dvc cache dir --local"):
        say(lonely, own.whole, "drop")


def test_a_verb_says_what_it_did_and_when_it_takes_effect(own: House) -> None:
    typed = gristmill(own.repository.root, "data", "revert", W, own.good[:8], "--reason", "a look at it")
    assert typed.stdout == f"{W}: batch {own.good} taken out\nthe next turn takes it in: `gristmill run {W}`\n"
