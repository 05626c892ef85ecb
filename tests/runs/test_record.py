"""How a turn ends, what it leaves on `mill`, and that it leaves all of it or nothing."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.applications import applications, write_applications
from tests.conftest import ROOT, SEED, clone_of, copy_of_todays_code
from tests.recorded_turns import W, leave_results, recorded, started

from gristmill.adapters.dvc import read_lock, write_lock
from gristmill.adapters.git import Git
from gristmill.registry.history import Event, read_history
from gristmill.registry.mill import Change
from gristmill.registry.promotion import Production, promote, read_production, resume, rollback
from gristmill.registry.versions import find_version, read_versions
from gristmill.runs.landing import land
from gristmill.runs.record import Outcome, record_run
from gristmill.runs.repository import Repository

NOW = "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Today's code with a landing for two workloads, and no turn yet."""
    folder = copy_of_todays_code(tmp_path_factory.mktemp("landed") / "repo")
    repository = Repository(folder)
    file = write_applications(folder.parent / "a.csv", applications(3, seed=1))
    for workload in (W, "mnist"):
        land(repository, repository.workload(workload), [file])
    return folder


@pytest.fixture
def repo(landed: Path, tmp_path: Path) -> Repository:
    """A clone in which data have landed."""
    repository = clone_of(landed, tmp_path / "repo")
    assert repository.mill.tip() is not None
    return repository


@pytest.fixture
def mature(repo: Repository) -> Repository:
    """v1.0.0 (model a) was in production, v1.0.1 (model b) is."""
    assert recorded(repo, "a").name == "Promoted"
    assert recorded(repo, "b", data="d2").name == "Promoted"
    return repo


def production(repository: Repository, workload: str = W) -> Production:
    found = read_production(repository.mill, workload)
    assert found is not None
    return found


def champion(repository: Repository, workload: str = W) -> str | None:
    return production(repository, workload).champion.version


def numbers(repository: Repository, workload: str = W) -> list[str]:
    return [version.version for version in read_versions(repository.git, workload)]


def last_run(repository: Repository, workload: str = W) -> Event:
    return next(event for event in read_history(repository.mill, workload) if event.subject.startswith("run"))


def roll_back(repository: Repository) -> None:
    rollback(repository.mill, W, "a customer complains", "Ada", NOW)


# Promoted


def test_the_first_model_that_passes_is_promoted_with_a_version_and_two_commits(repo: Repository) -> None:
    before = read_history(repo.mill, W)
    assert recorded(repo, "a") == Outcome("Promoted", "The gate says PROMOTE of a.", "v1.0.0")
    new = read_history(repo.mill, W)[: -len(before)]
    assert [event.subject for event in new] == [f"promote {W} v1.0.0", f"run {W}: Promoted"]
    found = production(repo)
    assert (found.champion.version, found.champion.model_sha256) == ("v1.0.0", "a")
    assert found.champion.pointer["md5"] == "a.dir"
    assert found.best.version == "v1.0.0"


def test_the_commit_says_who_why_what_and_from_where(repo: Repository) -> None:
    base = repo.mill.tip()
    recorded(repo, "a")
    assert last_run(repo).trailers == {
        "Workload": W,
        "Actor": "Ada",
        "Reason": "a test",
        "Verdict": "PROMOTE",
        "Outcome": "Promoted",
        "Version": "v1.0.0",
        "Code": repo.git.commit_of("HEAD"),
        "Base": base,
    }


def test_a_versions_tag_is_the_runs_exact_tree_on_the_commit_of_its_code(repo: Repository) -> None:
    recorded(repo, "a")
    git, head = repo.git, repo.git.commit_of("HEAD")
    tagged = git.commit_of(f"{W}@v1.0.0")
    assert git.commit_of(f"{W}@v1.0.0^") == head
    code = {entry.path: entry.sha for entry in git.entries(head)}
    tree = {entry.path: entry.sha for entry in git.entries(tagged)}
    assert code.items() <= tree.items()
    base = last_run(repo).trailers["Base"]
    assert tree.keys() - code.keys() == {
        "dvc.lock",
        f"reports/{W}/gate.json",
        *(entry.path for entry in git.entries(base) if entry.path.startswith(("data/", "models/"))),
    }
    for path in ("dvc.lock", f"reports/{W}/gate.json"):
        assert git.read(tagged, path) == repo.mill.read(path)


def test_a_version_knows_its_model_its_package_its_data_and_its_figures(repo: Repository) -> None:
    recorded(repo, "a", data="d7", comparison={"challenger": 0.9})
    (version,) = read_versions(repo.git, W)
    assert (version.model["md5"], version.package["md5"], version.data) == ("a.dir", "a-s1.dir", "d7")
    assert version.metrics == {
        "holdout": {"accuracy": 0.9, "n": 100},
        "benchmark": {"n": 0},
        "comparison": {"challenger": 0.9},
    }


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"data": "d2"}, "v1.0.1"),
        ({"data": "d2", "recipe": "r2"}, "v1.1.0"),
        ({"recipe": "r2", "contract": "c2"}, "v2.0.0"),
    ],
)
def test_the_number_says_whether_data_code_or_contract_changed(
    changed: dict[str, Any], number: str, repo: Repository
) -> None:
    recorded(repo, "a")
    assert recorded(repo, "b", **changed).version == number


def test_a_model_made_again_keeps_its_version_and_may_come_back(mature: Repository) -> None:
    assert recorded(mature, "a") == Outcome("Promoted", "The gate says PROMOTE of a.", "v1.0.0")
    assert numbers(mature) == ["v1.0.0", "v1.0.1"]
    assert champion(mature) == "v1.0.0"


# Held


def test_a_hold_becomes_a_version_that_waits_for_a_person(mature: Repository) -> None:
    outcome = recorded(mature, "c", "HOLD")
    assert outcome.name == "Held"
    assert outcome.summary == (
        "The gate says HOLD of c. v1.0.2 waits for a person: "
        "`gristmill promote credit-risk v1.0.2 --reason ...` promotes it."
    )
    assert champion(mature) == "v1.0.1"
    promote(mature.mill, W, "v1.0.2", "it looks good", "Ada")
    assert champion(mature) == "v1.0.2"


def test_a_fix_in_the_serving_code_waits_with_the_model_that_is_on_hold(mature: Repository) -> None:
    recorded(mature, "c", "HOLD")
    outcome = recorded(mature, "c", "HOLD", serving="s2")
    assert (outcome.name, outcome.version) == ("Held", "v1.0.3")
    assert champion(mature) == "v1.0.1"


def test_a_frozen_workload_holds_what_passes_and_says_how_to_go_on(mature: Repository) -> None:
    roll_back(mature)
    outcome = recorded(mature, "c")
    assert (outcome.name, outcome.version) == ("Held", "v1.0.2")
    assert "frozen since 2026-01-01" in outcome.summary
    assert "`gristmill resume credit-risk` thaws it" in outcome.summary
    assert "`gristmill promote credit-risk v1.0.2 --reason ...` promotes it" in outcome.summary
    assert champion(mature) == "v1.0.0"
    assert last_run(mature).trailers["Outcome"] == "Held"


def test_what_a_freeze_held_back_is_promoted_by_the_next_turn_after_resume(mature: Repository) -> None:
    roll_back(mature)
    assert recorded(mature, "c").name == "Held"
    assert recorded(mature, "c").name == "Held", "as long as it is frozen"
    resume(mature.mill, W, "Ada")
    assert recorded(mature, "c").name == "Promoted"
    assert champion(mature) == "v1.0.2"


def test_a_version_that_a_person_took_out_by_promoting_another_does_not_come_back_by_itself(mature: Repository) -> None:
    promote(mature.mill, W, "v1.0.0", "the old one answered better", "Ada")
    assert recorded(mature, "b").name == "Unchanged"
    assert champion(mature) == "v1.0.0"


def test_a_turn_that_was_overtaken_promotes_nothing_and_names_both(mature: Repository) -> None:
    recorded(mature, "c", "HOLD")
    outcome = recorded(mature, "d", meanwhile=lambda: promote(mature.mill, W, "v1.0.2", "I looked", "Bo"))
    assert outcome.name == "Held"
    assert "v1.0.3 was compared with v1.0.1, and now v1.0.2 is in production" in outcome.summary
    assert champion(mature) == "v1.0.2"
    assert numbers(mature)[-1] == "v1.0.3"


def test_serving_code_that_a_rollback_took_out_is_not_shipped_again(repo: Repository) -> None:
    recorded(repo, "a")
    assert recorded(repo, "a", serving="s2").version == "v1.0.1"
    roll_back(repo)
    resume(repo.mill, W, "Ada")
    outcome = recorded(repo, "a", serving="s2", note="measured again")
    assert outcome.name == "Held"
    assert "v1.0.1 was taken out by a rollback" in outcome.summary
    assert "`gristmill promote credit-risk v1.0.1 --reason ...`" in outcome.summary
    assert champion(repo) == "v1.0.0"


def test_a_rejection_is_told_also_where_the_serving_code_is_held_back(repo: Repository) -> None:
    recorded(repo, "a")
    recorded(repo, "a", serving="s2")
    roll_back(repo)
    outcome = recorded(repo, "b", "REJECT", serving="s2")
    assert outcome.name == "Rejected"
    assert outcome.summary.startswith("The gate says REJECT of b. v1.0.1 is not promoted: v1.0.1 was taken out")
    assert champion(repo) == "v1.0.0"


# Rejected


def test_a_first_model_under_the_floor_is_no_version_and_nothing_is_in_production(repo: Repository) -> None:
    assert recorded(repo, "a", "REJECT") == Outcome(
        "Rejected", "The gate says REJECT of a. nothing is in production.", None
    )
    assert numbers(repo) == []
    assert champion(repo) is None
    assert last_run(repo).trailers["Verdict"] == "REJECT"
    assert read_lock(repo.mill.read("dvc.lock"))[f"train@{W}"]["outs"][0]["md5"] == "a.dir"


def test_a_later_rejection_leaves_the_champion_and_makes_no_version(mature: Repository) -> None:
    outcome = recorded(mature, "c", "REJECT")
    assert outcome == Outcome("Rejected", "The gate says REJECT of c. v1.0.1 stays in production.", None)
    assert numbers(mature) == ["v1.0.0", "v1.0.1"]


def test_a_champion_that_breaks_a_raised_floor_is_rejected_and_stays(mature: Repository) -> None:
    outcome = recorded(mature, "b", "REJECT")
    assert (outcome.name, champion(mature)) == ("Rejected", "v1.0.1")


# Unchanged


def test_the_champion_itself_as_challenger_is_unchanged(mature: Repository) -> None:
    outcome = recorded(mature, "b", note="compared with itself")
    assert outcome == Outcome("Unchanged", "v1.0.1 stays in production: the model is the same", "v1.0.1")
    assert last_run(mature).trailers["Outcome"] == "Unchanged"
    assert champion(mature) == "v1.0.1"


@pytest.mark.parametrize("verdict", ["HOLD", "REJECT"])
def test_the_same_verdict_on_the_same_model_is_news_only_once(verdict: str, mature: Repository) -> None:
    assert recorded(mature, "c", verdict).name in ("Held", "Rejected")
    versions = numbers(mature)
    outcome = recorded(mature, "c", verdict, note="measured again")
    assert (outcome.name, outcome.summary) == ("Unchanged", "no new model; v1.0.1 stays in production")
    assert numbers(mature) == versions


def test_another_verdict_on_the_same_model_is_news(mature: Repository) -> None:
    recorded(mature, "c", "HOLD")
    assert recorded(mature, "c", "PROMOTE") == Outcome("Promoted", "The gate says PROMOTE of c.", "v1.0.2")


def test_what_a_person_left_on_an_older_version_stays_there(mature: Repository) -> None:
    promote(mature.mill, W, "v1.0.0", "I trust it more", "Bo")
    outcome = recorded(mature, "b", note="against v1.0.0 now")
    assert (outcome.name, champion(mature)) == ("Unchanged", "v1.0.0")


def test_a_turn_that_changed_nothing_leaves_no_commit(mature: Repository) -> None:
    recorded(mature, "c", "HOLD")
    tip = mature.mill.tip()
    assert recorded(mature, "c", "HOLD").name == "Unchanged"
    assert mature.mill.tip() == tip


# A fix in the serving code


def test_a_fix_in_the_serving_code_ships_as_a_new_version_of_the_same_model(mature: Repository) -> None:
    outcome = recorded(mature, "b", data="d2", serving="s2")
    assert outcome == Outcome("Promoted", "v1.0.2 is the model of v1.0.1 with today's serving code.", "v1.0.2")
    found = production(mature).champion
    assert (found.model_sha256, found.serving_sha256, found.version) == ("b", "s2", "v1.0.2")


def test_a_fix_ships_after_a_rejection_and_is_told_as_what_it_is(mature: Repository) -> None:
    recorded(mature, "c", "REJECT", data="d3")
    outcome = recorded(mature, "c", "REJECT", data="d3", serving="s2")
    assert outcome == Outcome("Promoted", "v1.0.2 is the model of v1.0.1 with today's serving code.", "v1.0.2")
    assert production(mature).champion.model_sha256 == "b"


def test_a_rejected_challenger_and_a_fix_in_one_turn_are_both_told_and_the_fix_ships(mature: Repository) -> None:
    outcome = recorded(mature, "c", "REJECT", serving="s2")
    assert outcome.name == "Rejected"
    assert outcome.summary == ("The gate says REJECT of c. v1.0.2 is the model of v1.0.1 with today's serving code.")
    assert champion(mature) == "v1.0.2"


def test_a_champion_packaged_again_keeps_its_own_data_and_figures_and_sets_no_standard(mature: Repository) -> None:
    """The comparison in gate.json is the rejected challenger's: taken for its own, a worse model became `best`."""
    worse = {"best_sha256": "a", "best": 0.9, "challenger": 0.8}
    assert recorded(mature, "c", comparison=worse).version == "v1.0.2"
    better = {"best_sha256": "a", "best": 0.9, "challenger": 0.95}
    recorded(mature, "d", "REJECT", serving="s2", data="d9", comparison=better)
    fixed = find_version(mature.git, W, "v1.0.3")
    assert (fixed.model_sha256, fixed.model["md5"], fixed.data) == ("c", "c.dir", "d1")
    assert fixed.metrics["holdout"]["accuracy"] == 0.8
    assert fixed.sentence == "The model of v1.0.2 with today's serving code."
    assert production(mature).best.version == "v1.0.0"


def test_a_fix_ships_after_a_rollback_though_the_workload_is_frozen(mature: Repository) -> None:
    roll_back(mature)
    assert recorded(mature, "b", "REJECT").name == "Rejected"
    assert champion(mature) == "v1.0.0"
    outcome = recorded(mature, "b", "REJECT", serving="s2")
    assert (outcome.name, champion(mature)) == ("Promoted", "v1.0.2")
    assert production(mature).champion.model_sha256 == "a"
    assert production(mature).frozen is not None


# All or nothing, and nothing of others is lost


def test_what_others_recorded_meanwhile_stays(repo: Repository) -> None:
    recorded(repo, "m0", workload="mnist")
    outcome = recorded(repo, "a", meanwhile=lambda: recorded(repo, "m1", workload="mnist"))
    assert outcome.name == "Promoted"
    lock = read_lock(repo.mill.read("dvc.lock"))
    assert lock["train@mnist"]["outs"][0]["md5"] == "m1.dir"
    assert lock[f"train@{W}"]["outs"][0]["md5"] == "a.dir"
    assert champion(repo, "mnist") == "v1.0.1"


def test_entries_that_a_workload_no_longer_has_go_with_its_next_run(repo: Repository) -> None:
    recorded(repo, "a")
    lock = {**read_lock(repo.mill.read("dvc.lock")), f"distil@{W}": {"cmd": "old"}, "distil@mnist": {"cmd": "old"}}
    repo.mill.commit(lambda tip: [Change("an older pipeline", {"dvc.lock": write_lock(lock)})])
    with started(repo) as ws:
        leave_results(ws, "b")
        own = {
            name: entry
            for name, entry in read_lock((ws.root / "dvc.lock").read_bytes()).items()
            if "distil" not in name
        }
        (ws.root / "dvc.lock").write_bytes(write_lock(own))
        record_run(ws, "a test", "Ada")
    assert {name for name in read_lock(repo.mill.read("dvc.lock")) if "distil" in name} == {"distil@mnist"}


def test_whoever_loses_the_race_to_the_branch_is_judged_again_on_the_new_tip(
    mature: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(mature, "c", "HOLD")
    move, overtaking = Git.move, [lambda: promote(mature.mill, W, "v1.0.2", "I was faster", "Bo")]

    def overtaken(git: Git, refs: Iterable[tuple[str, str, str]]) -> None:
        if overtaking:
            overtaking.pop()()
        move(git, refs)

    monkeypatch.setattr(Git, "move", overtaken)
    assert recorded(mature, "d").name == "Held"
    assert champion(mature) == "v1.0.2"
    assert last_run(mature).trailers["Outcome"] == "Held"


def test_two_workloads_recorded_at_once_again_and_again_lose_nothing(repo: Repository) -> None:
    def turns(workload: str) -> None:
        for number in range(4):
            recorded(Repository(repo.root), f"{workload}-{number}", workload=workload)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(turns, (W, "mnist")))
    for workload in (W, "mnist"):
        assert numbers(repo, workload) == ["v1.0.0", "v1.0.1", "v1.0.2", "v1.0.3"]
        assert champion(repo, workload) == "v1.0.3"
        assert read_lock(repo.mill.read("dvc.lock"))[f"train@{workload}"]["outs"][0]["md5"] == f"{workload}-3.dir"


def check_whole(repository: Repository) -> None:
    """Each version has its run's commit and the other way round, and what is in production is a version."""
    events = read_history(repository.mill, W)
    runs = [event.trailers["Version"] for event in events if event.subject.startswith("run")]
    promotions = [event.trailers["Version"] for event in events if event.subject.startswith("promote")]
    assert sorted(runs) == sorted(promotions) == sorted(numbers(repository))
    assert len(set(runs)) == len(runs)
    assert champion(repository) == (promotions[0] if promotions else None)


def test_a_kill_at_any_moment_leaves_a_run_its_tag_and_its_promotion_or_none_of_them(repo: Repository) -> None:
    rng, n_kills = random.Random(SEED), 60 if os.environ.get("GRISTMILL_PROVE") else 5
    code = (
        "import itertools, pathlib, sys\nfrom gristmill.runs.repository import Repository\n"
        "from tests.recorded_turns import recorded\nr = Repository(pathlib.Path(sys.argv[1]))\n"
        "for n in itertools.count():\n    recorded(r, f'{sys.argv[2]}-{n}')\n    print(n, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    n_recorded = 0
    for kill in range(n_kills):
        command = [sys.executable, "-c", code, str(repo.root), f"kill-{kill}"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()  # one is whole; the next is hit somewhere
            try:
                process.wait(rng.uniform(0, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
        settle(repo)
        check_whole(repo)
        assert len(numbers(repo)) > n_recorded
        n_recorded = len(numbers(repo))
    assert recorded(repo, "at last").name == "Promoted"
    check_whole(repo)


def settle(repository: Repository) -> None:
    """Wait for the git commands that a killed process left at work."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        folders = [str(process.info["cwd"]) for process in psutil.process_iter(["cwd"])]
        if not any(folder.startswith(str(repository.root)) for folder in folders):
            return
        time.sleep(0.02)
    raise AssertionError("a killed turn left a process at work")


def test_a_tag_that_a_kill_inside_git_left_alone_is_found_by_the_next_turn(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    move: Callable[..., None] = Git.move

    class Killed(BaseException):
        pass

    def half(git: Git, refs: Iterable[tuple[str, str, str]]) -> None:
        move(git, list(refs)[:1])
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Git, "move", half)
        recorded(repo, "a")
    assert (numbers(repo), champion(repo)) == (["v1.0.0"], None)
    assert recorded(repo, "a").name == "Promoted"
    check_whole(repo)
