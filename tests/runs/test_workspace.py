"""A turn has a tree of its own: the code of one commit, the mill's files of one tip, and nothing of a person's edits."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import commit_all, git

from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import UnknownWorkloadError
from gristmill.registry.mill import Change, MillCheckedOutError
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import (
    NoDataError,
    NoSuiteError,
    UncommittedWorkloadError,
    check_can_turn,
    fault,
    forget_failures,
    kept_failures,
    sweep,
    workspace,
    worktree,
)

W = "credit-risk"
MakeFile = Callable[[str, str], Path]

HOLD = """
import sys, time
from pathlib import Path
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import worktree
with worktree(Repository(Path(sys.argv[1])), sys.argv[2], "HEAD") as path:
    print(path, flush=True)
    time.sleep(120)
"""


@pytest.fixture
def landed(repository: Repository, make_file: MakeFile) -> Repository:
    land(repository, repository.workload(W), [make_file("a.csv", "x\n1\n")])
    return repository


def owner(repository: Repository, name: str) -> tuple["subprocess.Popen[str]", Path]:
    """Another process that works in a worktree until it is killed."""
    command = [sys.executable, "-c", HOLD, str(repository.root), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def trees(repository: Repository) -> list[str]:
    """What is left in the folder of worktrees, locks and marks included."""
    return sorted(path.name for path in (repository.state / "worktrees").iterdir())


def said_by(repository: Repository, **settings: str) -> list[str]:
    said: list[str] = []
    with workspace(repository, W, report=said.append, **settings):
        pass
    return said


# The tree of a turn


def test_a_turn_has_the_code_of_the_commit_and_not_a_persons_edits(landed: Repository) -> None:
    (landed.root / "dvc.yaml").write_text("an edit")
    with workspace(landed, W, report=lambda _: None) as ws:
        assert (ws.root / "dvc.yaml").read_text() == git(landed.root, "show", "HEAD:dvc.yaml") + "\n"


def test_edits_that_are_not_in_a_turn_are_named(landed: Repository) -> None:
    assert said_by(landed) == []
    (landed.root / "dvc.yaml").write_text("an edit")
    assert said_by(landed) == ["uncommitted edits are not in this run: it takes the code of the last commit"]


def test_the_mills_files_are_those_of_its_tip_whatever_the_code_holds(landed: Repository) -> None:
    stale = landed.root / "models" / W / "barred.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("a copy of long ago")
    (landed.root / "dvc.lock").write_text("another")
    commit_all(landed.root, "copies of the mill's files")
    with workspace(landed, W, report=lambda _: None) as ws:
        tip = landed.mill.tip()
        assert tip is not None and ws.base == tip
        assert (ws.root / "models" / W / "barred.json").read_bytes() == landed.git.read(tip, f"models/{W}/barred.json")
        assert not (ws.root / "dvc.lock").exists()
        assert (ws.root / "data" / W / "landing").is_dir()


def test_an_older_commit_runs_when_it_is_named(landed: Repository) -> None:
    first = landed.git.commit_of("HEAD")
    (landed.root / "later.py").touch()
    commit_all(landed.root, "later")
    with workspace(landed, W, first, report=lambda _: None) as ws:
        assert ws.code == first
        assert not (ws.root / "later.py").exists()


def test_a_turn_started_in_a_linked_tree_takes_the_code_of_that_tree(landed: Repository, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(landed.root, "worktree", "add", "-q", "-b", "feature", str(linked))
    (linked / "feature.py").touch()
    feature = commit_all(linked, "a feature")
    with workspace(Repository(linked), W, report=lambda _: None) as ws:
        assert ws.code == feature
        assert ws.root.is_relative_to(landed.state)


def test_a_second_turn_of_a_workload_waits_for_the_first(landed: Repository) -> None:
    said: list[str] = []
    ended: list[str] = []

    def second() -> None:
        with workspace(Repository(landed.root), W, report=said.append):
            ended.append("second")

    thread = threading.Thread(target=second)
    with workspace(landed, W, report=lambda _: None):
        thread.start()
        while not said:
            pass
        ended.append("first")
    thread.join()
    assert said == [f"another turn of {W} is going on; waiting for it"]
    assert ended == ["first", "second"]


def test_data_that_lands_meanwhile_is_newer(landed: Repository, make_file: MakeFile) -> None:
    with workspace(landed, W, report=lambda _: None) as ws:
        assert not ws.newer_data()
        land(landed, landed.workload(W), [make_file("b.csv", "x\n2\n")])
        assert ws.newer_data()
        assert len(list(ws.workload.landing.glob("*/*"))) == 1


# What is known before a turn


def test_a_workload_without_data_says_what_to_land(repository: Repository) -> None:
    with pytest.raises(NoDataError, match=f"`gristmill land {W}`"):
        check_can_turn(repository, W)


def test_a_misspelt_workload_is_answered_with_the_nearest_one(landed: Repository) -> None:
    with pytest.raises(UnknownWorkloadError, match="Did you mean 'credit-risk'"):
        check_can_turn(landed, "credit-rsk")


def declare(repository: Repository, name: str) -> None:
    path = repository.root / "params.yaml"
    path.write_text(path.read_text() + f"  {name}: {{kind: tabular}}\n")


def test_a_workload_that_was_not_committed_says_so(landed: Repository, make_file: MakeFile) -> None:
    declare(landed, "loans")
    land(landed, landed.workload("loans"), [make_file("b.csv", "x\n1\n")])
    with pytest.raises(UncommittedWorkloadError, match=r"loans is in your params\.yaml, but not in that of commit"):
        check_can_turn(landed, "loans")
    commit_all(landed.root, "loans")
    with pytest.raises(
        NoSuiteError, match=r"has no expectations/loans\.json\. docs/expectations\.md says .*; then commit it"
    ):
        check_can_turn(landed, "loans")
    suites = landed.root / "expectations"
    shutil.copy(suites / f"{W}.json", suites / "loans.json")
    commit_all(landed.root, "its suite")
    shutil.copy(suites / f"{W}.profile.json", suites / "loans.profile.json")  # there, and not committed
    with pytest.raises(NoSuiteError, match=r"`gristmill expectations profile loans --from FILE` .*; then commit it"):
        check_can_turn(landed, "loans")
    commit_all(landed.root, "its profile")
    assert check_can_turn(landed, "loans") == landed.git.commit_of("HEAD")


@pytest.mark.parametrize("edit", ["workloads: [", "workloads:\n  mnist: {kind: images}\n"])
def test_a_params_file_that_is_being_edited_blocks_no_turn(landed: Repository, edit: str) -> None:
    (landed.root / "params.yaml").write_text(edit)
    assert check_can_turn(landed, W) == landed.git.commit_of("HEAD")
    landed.check_known(W)


def test_a_code_commit_without_the_workload_is_refused_before_anything_starts(landed: Repository) -> None:
    declare(landed, "loans")
    commit_all(landed.root, "loans")
    landed.mill.commit(lambda _: [Change("x", {"data/loans/landing.dvc": b"outs: []\n"})])
    with pytest.raises(UncommittedWorkloadError):
        check_can_turn(landed, "loans", "HEAD~1")


def test_a_turn_that_could_not_be_recorded_does_not_begin(landed: Repository, tmp_path: Path) -> None:
    git(landed.root, "worktree", "add", "-q", str(tmp_path / "looking"), "mill")
    with pytest.raises(MillCheckedOutError, match="looking"):
        check_can_turn(landed, W)


# Worktrees come and go


def test_a_tree_goes_when_its_block_ends(repository: Repository) -> None:
    with worktree(repository, "w-1", "HEAD") as path:
        assert (path / "dvc.yaml").is_file()
    assert trees(repository) == []
    assert len(git(repository.root, "worktree", "list").splitlines()) == 1


def test_a_tree_stays_after_a_fault_until_a_turn_succeeds(landed: Repository) -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match="a fault"), workspace(landed, W, report=said.append):
        raise ValueError("a fault")
    (kept,) = kept_failures(landed, W)
    assert kept.is_dir()
    assert fault(kept) == "ValueError: a fault"
    assert said == [f"the worktree of this turn is kept for a look: {kept}"]
    sweep(landed)
    assert kept.is_dir()
    said_by(landed)
    assert trees(landed) == []


def test_of_a_long_fault_the_first_and_the_last_line_are_kept_in_mind(repository: Repository) -> None:
    with pytest.raises(GristmillError), worktree(repository, f"{W}-00000001", "HEAD"):
        raise GristmillError("stage train failed:\nTraceback:\n  line\n  line\nKeyError: 'x'")
    assert fault(kept_failures(repository, W)[0]) == "stage train failed: KeyError: 'x'"


def test_a_tree_that_nobody_wants_to_look_at_goes_after_a_fault_too(repository: Repository) -> None:
    with pytest.raises(ValueError, match="a fault"), worktree(repository, "w-1", "HEAD", is_kept=False):
        raise ValueError("a fault")
    assert trees(repository) == []


def test_a_turn_that_was_stopped_by_hand_leaves_nothing(landed: Repository) -> None:
    with pytest.raises(KeyboardInterrupt), workspace(landed, W, report=lambda _: None):
        raise KeyboardInterrupt
    assert trees(landed) == []


def test_failures_of_another_workload_are_not_forgotten(repository: Repository) -> None:
    for name in ("credit-00000000", "credit-risk-00000000"):
        with pytest.raises(ValueError, match="a fault"), worktree(repository, name, "HEAD"):
            raise ValueError("a fault")
    forget_failures(repository, "credit")
    assert [path.name for path in kept_failures(repository, "credit-risk")] == ["credit-risk-00000000"]
    assert kept_failures(repository, "credit") == []


def test_a_sweep_removes_a_dead_owners_tree_and_never_a_live_ones(repository: Repository) -> None:
    live, living_tree = owner(repository, "w-live")
    dead, dead_tree = owner(repository, "w-dead")
    with live:
        try:
            sweep(repository)
            assert living_tree.is_dir() and dead_tree.is_dir()
            with dead:
                dead.kill()
            sweep(repository)
            assert living_tree.is_dir() and not dead_tree.exists()
            assert trees(repository) == ["w-live", "w-live.lock"]
        finally:
            live.kill()


def test_a_tree_whose_making_was_cut_short_is_swept(repository: Repository) -> None:
    (repository.state / "worktrees" / "w-half" / "src").mkdir(parents=True)
    sweep(repository)
    assert trees(repository) == []


def test_many_sweeps_at_once_are_as_good_as_one(repository: Repository) -> None:
    for n in range(3):
        process, _ = owner(repository, f"w-{n}")
        with process:
            process.kill()
    faults: list[BaseException] = []

    def sweep_once() -> None:
        try:
            sweep(Repository(repository.root))
        except BaseException as fault:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(fault)

    threads = [threading.Thread(target=sweep_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert trees(repository) == []
