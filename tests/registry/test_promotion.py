"""Promotion, rollback, resume: the alias moves once, for a reason, and what a person took out stays out."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gristmill.adapters.git import Git
from gristmill.registry.aliases import read_alias
from gristmill.registry.history import read_history
from gristmill.registry.mill import Change, Mill
from gristmill.registry.promotion import (
    PromotionRefusedError,
    objection,
    past_champions,
    promote,
    read_production,
    resume,
    rollback,
)
from gristmill.registry.versions import (
    UnknownVersionError,
    Version,
    find_version,
    next_number,
    read_versions,
    registered,
)
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

W = "credit-risk"
NOW = "2026-01-01T00:00:00+00:00"


def version(number: str, model: str, serving: str = "s1", **facts: Any) -> Version:
    made: dict[str, Any] = {
        "workload": W,
        "version": number,
        "verdict": "PROMOTE",
        "model": {"md5": f"{model}.dir", "size": 1, "nfiles": 1},
        "model_sha256": model,
        "package": {"md5": f"{model}-{serving}.dir", "size": 1, "nfiles": 1},
        "serving_sha256": serving,
        "contract_sha256": "c1",
        "recipe_sha256": "r1",
        "data": "d1",
        "code": "0" * 40,
        "base": "0" * 40,
        "metrics": {},
        "sentence": "It holds every floor.",
    }
    return Version(**{**made, **facts})


def register(repository: Repository, *versions: Version) -> None:
    git = repository.git
    for one in versions:
        tag = git.tag_object(git.commit_of("HEAD"), f"{W}@{one.version}", one.to_message(), "1767225600 +0000")
        repository.mill.commit(lambda tip, one=one, tag=tag: [Change(f"run {W}", {}, {"Workload": W}, (one.tag, tag))])  # type: ignore[misc]


@pytest.fixture
def mill(repository: Repository, make_file: Callable[[str, str], Path]) -> Mill:
    land(repository, repository.workload(W), [make_file("a.csv", "x\n1\n")])
    register(repository, version("v1.0.0", "a"), version("v1.1.0", "b"), version("v1.2.0", "c"))
    return repository.mill


def champion(mill: Mill) -> str | None:
    production = read_production(mill, W)
    assert production is not None
    return production.champion.version


def test_before_the_first_promotion_the_champion_says_none(mill: Mill) -> None:
    assert champion(mill) is None


def test_a_person_promotes_any_version_and_the_history_says_who_and_why(mill: Mill) -> None:
    promote(mill, W, "1.1.0", "it looks good", "Ada")
    assert champion(mill) == "v1.1.0"
    event = read_history(mill, W)[0]
    assert event.subject == "promote credit-risk v1.1.0"
    assert (event.trailers["Actor"], event.trailers["Reason"]) == ("Ada", "it looks good")


def test_a_newline_in_a_reason_cannot_forge_a_trailer(mill: Mill) -> None:
    promote(mill, W, "v1.0.0", "fine\n\nActor: Mallory", "Ada")
    assert read_history(mill, W)[0].trailers["Actor"] == "Ada"


def test_an_unknown_version_is_refused_with_the_known_ones(mill: Mill) -> None:
    with pytest.raises(UnknownVersionError, match=r"no version 'v9\.9\.9'.*v1\.0\.0, v1\.1\.0, v1\.2\.0"):
        promote(mill, W, "v9.9.9", "why not", "Ada")


def test_of_six_promotions_at_once_one_wins(mill: Mill) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom gristmill.adapters.git import Git\n"
        "from gristmill.registry.mill import Mill\n"
        "from gristmill.registry.promotion import PromotionRefusedError, promote\n"
        "try: promote(Mill(Git(Path(sys.argv[1]))), 'credit-risk', sys.argv[2], 'race', sys.argv[3])\n"
        "except PromotionRefusedError: sys.exit(5)\n"
    )
    seen_before = len(read_history(mill, W))

    def race(n: int) -> int:
        arguments = [sys.executable, "-c", code, str(mill.git.root), f"v1.{n % 3}.0", f"racer {n}"]
        return subprocess.run(arguments, check=False).returncode

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(race, range(6)))
    events = read_history(mill, W)
    promotions = events[: len(events) - seen_before]
    assert set(codes) <= {0, 5}
    assert codes.count(0) == len(promotions) >= 1
    assert champion(mill) == promotions[0].trailers["Version"]


def test_a_promotion_built_on_an_older_champion_is_refused(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    rival = Mill(Git(mill.git.root))
    original = Mill.commit
    moved: list[bool] = []

    def overtaken(self: Mill, build: Any) -> str | None:
        if not moved:
            moved.append(True)
            promote(rival, W, "v1.2.0", "I was first", "Bob")
        return original(self, build)

    monkeypatch.setattr(Mill, "commit", overtaken)
    with pytest.raises(PromotionRefusedError, match=r"v1\.2\.0 came into production meanwhile \(I was first\)"):
        promote(mill, W, "v1.1.0", "me too", "Ada")
    assert champion(mill) == "v1.2.0"


def test_rollback_points_back_bars_what_it_left_and_freezes(mill: Mill) -> None:
    promote(mill, W, "v1.0.0", "first", "Ada")
    promote(mill, W, "v1.1.0", "second", "Ada")
    left, target = rollback(mill, W, "customers complain", "Ada", NOW)
    production = read_production(mill, W)
    assert production is not None and production.frozen is not None
    assert (left.version, target.version, production.champion.version) == ("v1.1.0", "v1.0.0", "v1.0.0")
    assert production.barred.holds_model("b")
    assert "customers complain" in production.frozen["reason"]


def test_a_rolled_back_model_does_not_come_back_by_itself_but_a_person_can_take_it_back(mill: Mill) -> None:
    promote(mill, W, "v1.0.0", "first", "Ada")
    promote(mill, W, "v1.1.0", "second", "Ada")
    rollback(mill, W, "bad", "Ada", NOW)
    resume(mill, W, "Ada")
    production = read_production(mill, W)
    assert production is not None
    problem = objection(production, find_version(mill.git, W, "v1.1.0"), production.champion)
    assert problem is not None and "taken out by a rollback" in problem
    promote(mill, W, "v1.1.0", "it was the network", "Ada")
    after = read_production(mill, W)
    assert after is not None and not after.barred.holds_model("b")


def test_a_rollback_between_two_packages_of_one_model_bars_the_package_alone(
    mill: Mill, repository: Repository
) -> None:
    register(repository, version("v1.0.1", "a", serving="s2"))
    promote(mill, W, "v1.0.0", "first", "Ada")
    promote(mill, W, "v1.0.1", "new serving code", "Ada")
    rollback(mill, W, "it answers wrongly", "Ada", NOW)
    production = read_production(mill, W)
    assert production is not None
    assert not production.barred.holds_model("a")
    assert production.barred.holds_package("a", "s2")
    fix = version("v1.0.2", "a", serving="s3")
    assert objection(production, fix, production.champion) is None, (
        "a further fix of the same model ships, frozen or not"
    )


def test_two_rollbacks_in_a_row_go_back_two_versions(mill: Mill) -> None:
    for number in ("v1.0.0", "v1.1.0", "v1.2.0"):
        promote(mill, W, number, "next", "Ada")
    rollback(mill, W, "bad", "Ada", NOW)
    rollback(mill, W, "also bad", "Ada", NOW)
    assert champion(mill) == "v1.0.0"
    with pytest.raises(PromotionRefusedError, match="no predecessor"):
        rollback(mill, W, "all bad", "Ada", NOW)


def test_an_automatic_promotion_is_refused_when_the_verdict_was_about_another_champion(mill: Mill) -> None:
    promote(mill, W, "v1.0.0", "first", "Ada")
    met = read_production(mill, W)
    promote(mill, W, "v1.2.0", "meanwhile", "Bob")
    now = read_production(mill, W)
    assert met is not None and now is not None
    problem = objection(now, version("v1.1.0", "b"), met.champion)
    assert problem == "v1.1.0 was compared with v1.0.0, and now v1.2.0 is in production"


def test_a_frozen_workload_takes_no_new_model_until_it_is_resumed(mill: Mill) -> None:
    promote(mill, W, "v1.0.0", "first", "Ada")
    promote(mill, W, "v1.1.0", "second", "Ada")
    rollback(mill, W, "bad", "Ada", NOW)
    production = read_production(mill, W)
    assert production is not None
    problem = objection(production, version("v1.2.0", "c"), production.champion)
    assert problem is not None and "gristmill resume credit-risk" in problem
    resume(mill, W, "Ada")
    thawed = read_production(mill, W)
    assert thawed is not None
    assert objection(thawed, version("v1.2.0", "c"), thawed.champion) is None
    with pytest.raises(PromotionRefusedError, match="not frozen"):
        resume(mill, W, "Ada")


def test_the_alias_file_survives_a_round_trip(mill: Mill) -> None:
    promote(mill, W, "v1.0.0", "ümläut: and a colon", "Ada")
    production = read_production(mill, W)
    assert production is not None
    assert read_alias(production.champion.to_file("champion")) == production.champion
    assert past_champions(mill, W) == ["v1.0.0"]


def test_numbers_say_what_changed() -> None:
    versions = [version("v1.0.0", "a"), version("v1.0.1", "b")]
    assert next_number([], "c1", "r1") == "v1.0.0"
    assert next_number(versions, "c1", "r1") == "v1.0.2", "data only"
    assert next_number(versions, "c1", "r2") == "v1.1.0", "code or parameters"
    assert next_number(versions, "c2", "r2") == "v2.0.0", "the serving contract"


def test_the_same_model_with_the_same_serving_code_keeps_its_version() -> None:
    versions = [version("v1.0.0", "a"), version("v1.1.0", "b", serving="s2")]
    assert registered(versions, "b", "s2") is versions[1]
    assert registered(versions, "b", "s1") is None


def test_a_tag_that_is_there_already_stops_the_commit_that_would_go_with_it(repository: Repository, mill: Mill) -> None:
    tip = mill.tip()
    with pytest.raises(Exception, match=r"v1\.0\.0"):
        register(repository, version("v1.0.0", "z"))
    assert mill.tip() == tip
    assert [v.model_sha256 for v in read_versions(mill.git, W)] == ["a", "b", "c"]
