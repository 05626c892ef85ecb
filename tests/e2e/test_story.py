"""The story's turning point, for each verdict; and what it must never touch."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from examples.story.__main__ import Story, untouchable
from examples.story.grist import write_images, write_labels
from examples.story.screen import Screen, Service
from rich.console import Console
from tests.applications import applications, write_applications
from tests.conftest import commit_all, git
from tests.digits import digits

from gristmill.registry.history import read_history
from gristmill.registry.promotion import read_production
from gristmill.registry.versions import read_versions
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

W = "credit-risk"


class StandIn(Service):
    """A service that is asked only whether a version answers."""

    def __init__(self) -> None:
        super().__init__("nowhere")
        self.awaited: list[str] = []

    def await_version(self, version: str, limit_s: float = 30) -> float:
        self.awaited.append(version)
        return 0.1


class Teller:
    """A story on one repository, and what a person would have read of it."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.out = io.StringIO()
        console = Console(file=self.out, width=400, force_terminal=False)
        self.story = Story(repository, Screen(repository.root, console), folder)

    @property
    def told(self) -> str:
        return self.out.getvalue()


@pytest.fixture
def teller(turned: Repository, tmp_path: Path) -> Teller:
    return Teller(turned, tmp_path)


def demand(repository: Repository, **gate: Any) -> None:
    """Change what the gate asks for."""
    params = repository.root / "params" / f"{W}.yaml"
    values = yaml.safe_load(params.read_text("utf-8"))
    values["gate"].update(gate)
    params.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    commit_all(repository.root, "another gate")


def more(repository: Repository) -> list[Path]:
    return [write_applications(repository.root.parent / "more.csv", applications(150, seed=31))]


def in_production(repository: Repository) -> str | None:
    production = read_production(repository.mill, W)
    assert production is not None
    return production.champion.version


def test_promote_a_running_service_answers_with_the_challenger_then_goes_back_and_forward_again(
    turned: Repository, teller: Teller
) -> None:
    demand(turned, margin=0.9)
    mine = untouchable(turned)
    story = teller.story
    with story.screen.service(W) as service:
        assert service.version() == "v1.0.0"
        moved = story.challenge(W, service, more(turned))
        assert moved
        assert service.version() == "v1.1.0"
        story.back_and_forward(W, service, moved)
        assert service.version() == "v1.1.0"
    assert "verdict PROMOTE: " in teller.told
    assert "the running service answers with v1.1.0" in teller.told
    assert [event.subject for event in read_history(turned.mill, W)[:5]] == [
        f"promote {W} v1.1.0",
        f"resume {W}",
        f"rollback {W} v1.1.0 to v1.0.0",
        f"promote {W} v1.1.0",
        f"run {W}: Promoted",
    ]
    assert untouchable(turned) == mine

    again = Teller(turned, turned.root.parent)
    tip, standing = turned.mill.tip(), StandIn()
    again.story.back_and_forward(W, standing, again.story.challenge(W, standing, more(turned)))
    assert turned.mill.tip() == tip
    assert "done before: v1.0.0, v1.1.0 have been in production" in again.told


def test_hold_a_person_promotes_with_a_reason(turned: Repository, teller: Teller) -> None:
    demand(turned, margin=0.0, confidence=0.999)
    service = StandIn()
    assert teller.story.challenge(W, service, more(turned))
    assert "verdict HOLD: " in teller.told
    assert "  unsure " in teller.told
    assert f'$ gristmill promote {W} v1.1.0 --reason "a person looked' in teller.told
    assert service.awaited == ["v1.1.0"]
    event = read_history(turned.mill, W)[0]
    assert (event.subject, event.trailers["Verdict"]) == (f"promote {W} v1.1.0", "HOLD")
    assert event.trailers["Reason"].startswith("a person looked")
    assert in_production(turned) == "v1.1.0"


def test_reject_its_reasons_are_told_and_step_4_is_left_out_with_a_sentence(turned: Repository, teller: Teller) -> None:
    demand(turned, floors={"balanced_accuracy": 0.9999})
    story, service = teller.story, StandIn()
    moved = story.challenge(W, service, more(turned))
    tip = turned.mill.tip()
    story.back_and_forward(W, service, moved)
    assert not moved
    assert "verdict REJECT: " in teller.told
    assert "  fail   " in teller.told
    assert "left out: the challenger was rejected, so there is nothing to roll back to." in teller.told
    assert service.awaited == []
    assert turned.mill.tip() == tip
    assert (in_production(turned), len(read_versions(turned.git, W))) == ("v1.0.0", 1)


def test_a_poisoned_batch_that_was_judged_before_is_not_run_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a story that was stopped in step 3 would take the 10,000 in during step 2, and call that an error."""
    teller = Teller(repository, tmp_path)
    images, labels = digits(0, 700)
    train = [write_images(tmp_path / "images", images), write_labels(tmp_path / "labels", labels)]
    monkeypatch.setattr(teller.story, "quarantine_reasons", lambda name, batch: [f"{name}: a reason"])
    teller.story.poison(train)
    assert "lands as batch" in teller.told
    assert "fashion-mnist: a reason" in teller.told
    assert "$ gristmill run" not in teller.told


def an_edit(repository: Repository) -> None:
    (repository.root / "README.md").write_text("an edit")


def a_new_file(repository: Repository) -> None:
    (repository.root / "notes.txt").write_text("mine")


def a_commit(repository: Repository) -> None:
    an_edit(repository)
    commit_all(repository.root, "mine")


def a_branch_moved(repository: Repository) -> None:
    git(repository.root, "update-ref", "refs/heads/idea", "HEAD")


def a_tag_of_ones_own(repository: Repository) -> None:
    git(repository.root, "tag", "milestone")


def a_stash(repository: Repository) -> None:
    an_edit(repository)
    git(repository.root, "-c", "user.name=A", "-c", "user.email=a@example.org", "stash")


@pytest.mark.parametrize("change", [an_edit, a_new_file, a_commit, a_branch_moved, a_tag_of_ones_own, a_stash])
def test_whatever_is_a_persons_own_cannot_change_unseen(
    change: Callable[[Repository], None], repository: Repository
) -> None:
    before = untouchable(repository)
    assert untouchable(repository) == before
    change(repository)
    assert untouchable(repository) != before


def test_what_the_mill_writes_is_not_a_persons_own(turned: Repository) -> None:
    before = untouchable(turned)
    land(turned, turned.workload(W), more(turned))
    git(turned.root, "tag", f"{W}@v7.0.0")
    assert untouchable(turned) == before
