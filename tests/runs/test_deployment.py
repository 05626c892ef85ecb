"""Deployment: the pointer names what is in production, whoever deploys at the same time."""

import threading
from pathlib import Path

import pytest

from gristmill.adapters.dvc import CacheMissError
from gristmill.registry.promotion import promote, rollback
from gristmill.registry.versions import find_version
from gristmill.runs import deployment
from gristmill.runs.deployment import champion_bundle, deploy_champion, deployed
from gristmill.runs.repository import Repository
from gristmill.serving import bundle

W = "credit-risk"


def silent(_: str) -> None:
    """Nobody is told."""


def second_version(repository: Repository) -> None:
    """v1.0.1: the package of v1.0.0 once more, under another number."""
    first = find_version(repository.git, W, "v1.0.0")
    again = type(first)(**{**first.__dict__, "version": "v1.0.1", "serving_sha256": "another", "tagged": ""})
    commit = repository.git.commit_of("refs/tags/credit-risk@v1.0.0")
    tag = repository.git.tag_object(commit, f"{W}@v1.0.1", again.to_message(), "1700000000 +0000")
    repository.git.move([(again.tag, tag, "0" * 40)])


def test_deploying_again_changes_nothing(turned: Repository) -> None:
    first = deploy_champion(turned, W, silent)
    said: list[str] = []
    assert deploy_champion(turned, W, said.append) == first
    assert said == []


def test_a_slow_deployment_does_not_undo_a_rollback(turned: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is still unpacking what it promoted must not point at it after a person has taken it out."""
    deploy_champion(turned, W, silent)
    second_version(turned)
    promote(turned.mill, W, "v1.0.1", "a test", "tests")
    unpacking, rolled_back = threading.Event(), threading.Event()
    unpack = bundle.unpack_bundle

    def slow(package: Path, facts: dict[str, object], root: Path) -> Path:
        if facts["version"] == "v1.0.1":
            unpacking.set()
            rolled_back.wait(10)
        return unpack(package, facts, root)

    monkeypatch.setattr(deployment, "unpack_bundle", slow)
    turn = threading.Thread(target=deploy_champion, args=(Repository(turned.root), W, silent))
    turn.start()
    assert unpacking.wait(10)
    rollback(turned.mill, W, "it is wrong", "tests", "2026-01-01T00:00:00+00:00")
    person = threading.Thread(target=deploy_champion, args=(Repository(turned.root), W, silent))
    person.start()
    person.join(1)
    rolled_back.set()
    turn.join()
    person.join()
    present = deployed(turned.serving(W))
    assert present is not None and present["version"] == "v1.0.0"


def test_a_clone_without_the_cache_says_what_it_lacks(turned: Repository) -> None:
    (turned.root / ".dvc" / "config.local").unlink()
    with pytest.raises(CacheMissError, match=r"lacks .*`dvc cache dir --local PATH`"):
        champion_bundle(Repository(turned.root), W, silent)
