"""A version on trial: named by an alias on `mill`, told to the service by a file, and ended with a reason."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from tests.runs.test_deployment import second_version
from tests.runs.test_requests import answered, entry

from gristmill.ground.files import read_json, write_json
from gristmill.registry.aliases import alias_path, read_alias
from gristmill.registry.promotion import promote
from gristmill.runs.collection import kept_versions
from gristmill.runs.deployment import deploy_champion
from gristmill.runs.repository import Repository
from gristmill.runs.trying import see_trial, start_trial, stop_trial
from gristmill.serving.live import Live
from gristmill.serving.trial import Limits, TrialError

W = "credit-risk"


def silent(_: str) -> None:
    """Nobody is told."""


def tried(repository: Repository, version: str = "v1.0.1", **changed: Any) -> None:
    asked: dict[str, Any] = {"mode": "canary", "share": 0.5, "limits": Limits(), "reason": "a test"} | changed
    start_trial(repository, W, version, say=silent, **asked)


def test_a_trial_is_in_the_history_and_a_service_follows_it_until_it_is_stopped(turned: Repository) -> None:
    second_version(turned)
    tried(turned)
    alias = read_alias(turned.mill.read(alias_path(W, "shadow")))
    assert alias is not None and (alias.version, alias.reason) == ("v1.0.1", "a test")
    assert "v1.0.1" in [version.version for version in kept_versions(turned, W, 0)]
    champion = deploy_champion(turned, W, silent)
    assert champion is not None
    assert read_json(champion / "deployment.json")["personal"] == []
    live = Live(champion / "src", turned.serving(W))
    live.start()
    live.stop()
    trial = live.state.trial
    assert trial is not None, live.trial_refusal
    assert (trial.model.version, trial.mode, trial.share) == ("v1.0.1", "canary", 0.5)
    assert live.ask().version == "v1.0.0"
    stop_trial(turned, W, "seen enough")
    live.look()
    assert live.state.trial is None
    assert "ended it: seen enough" in see_trial(turned, W).told["ended"]["why"]
    with pytest.raises(TrialError, match="has ended already"):
        stop_trial(turned, W, "again")


def test_a_trial_ends_when_its_version_is_promoted(turned: Repository) -> None:
    second_version(turned)
    tried(turned)
    promote(turned.mill, W, "v1.0.1", "it was good", "tests")
    deploy_champion(turned, W, silent)
    assert see_trial(turned, W).told["ended"]["why"] == "it is in production now"


def test_what_cannot_be_tried_is_refused_with_a_sentence_and_changes_nothing(turned: Repository) -> None:
    tip = turned.mill.tip()
    with pytest.raises(TrialError, match="is in production itself"):
        tried(turned, "v1.0.0")
    with pytest.raises(TrialError, match="the share is 0; it has to lie above 0"):
        tried(turned, share=0)
    with pytest.raises(TrialError, match=r"no version is, or was, on trial\. `gristmill canary start"):
        stop_trial(turned, W, "why")
    second_version(turned)
    champion = deploy_champion(turned, W, silent)
    assert champion is not None
    package = read_json(champion / "src" / "package.json")
    write_json(champion / "src" / "package.json", package | {"serving_sha256": "another"})
    with pytest.raises(TrialError, match=r"other serving code than v1\.0\.0, .*docs/blue-green\.md"):
        tried(turned)
    assert turned.mill.tip() == tip
    assert not (turned.serving(W) / "trial.json").exists()


def test_without_a_champion_there_is_nothing_to_try_against(repository: Repository) -> None:
    with pytest.raises(TrialError, match="no model in production yet"):
        tried(repository)


def test_what_both_answered_is_compared(repository: Repository) -> None:
    root = repository.serving(W)
    began = datetime(2027, 1, 15, tzinfo=UTC).isoformat()
    write_json(root / "trial.json", {"version": "v2.0.0", "champion": "v1.0.0", "began": began, "ended": None})
    other = [{"label": "Bad", "probabilities": {"Bad": 0.75, "Good": 0.25}}]
    same = [{"label": "Good", "probabilities": {"Bad": 0.25, "Good": 0.75}}]
    one: dict[str, Any] = {"columns": {"Age": np.array([1.0])}}
    answered(
        repository,
        entry(1, predictions=same, **one),
        entry(1, predictions=same, role="shadow", version="v2.0.0", latency_s=0.006, **one),
        entry(2, predictions=same, **one),
        entry(2, predictions=other, role="shadow", version="v2.0.0", latency_s=0.006, **one),
        entry(3, predictions=same, **one),
        entry(4, at=1_700_000_000.0, predictions=same, **one),
    ).stop()
    seen = see_trial(repository, W)
    assert (seen.n, seen.n_agreed) == (2, 1)
    assert seen.latency_ms == pytest.approx(6.0) and seen.champion_ms == pytest.approx(2.0)
