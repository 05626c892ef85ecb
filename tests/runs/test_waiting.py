"""Data waits from its landing until a turn that has read it is recorded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import check_nothing
from tests.recorded_turns import recorded

from gristmill.ground.settings import SettingsError
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.repository import Repository
from gristmill.runs.waiting import data_waiting

W = "credit-risk"
Drop = Callable[[int], str]


@pytest.fixture
def drop(repository: Repository, make_file: Callable[[str, str], Path]) -> Drop:
    """Land a small file; returns the data version that it makes."""

    def land_one(n: int) -> str:
        land(repository, repository.workload(W), [make_file(f"{n}.csv", f"x\n{n}\n")])
        pointer = repository.mill.read(f"data/{W}/landing.dvc")
        assert pointer is not None
        return landing_md5(pointer)

    return land_one


def test_nothing_waits_before_anything_has_landed(repository: Repository) -> None:
    assert data_waiting(repository) == {}


def test_what_has_landed_waits_with_its_version_until_a_turn_has_read_it(repository: Repository, drop: Drop) -> None:
    first = drop(1)
    assert data_waiting(repository) == {W: first}
    recorded(repository, "a", data=first)
    assert data_waiting(repository) == {}
    second = drop(2)
    assert data_waiting(repository) == {W: second}


@pytest.mark.parametrize("verdict", ["PROMOTE", "HOLD", "REJECT"])
def test_a_turn_has_taken_its_data_in_whatever_the_verdict(repository: Repository, drop: Drop, verdict: str) -> None:
    recorded(repository, "a", data=drop(1))
    recorded(repository, "b", verdict, data=drop(2))
    assert data_waiting(repository) == {}


def test_what_lands_during_a_turn_waits_for_the_next_one(repository: Repository, drop: Drop) -> None:
    first, newer = drop(1), list[str]()
    recorded(repository, "a", data=first, meanwhile=lambda: newer.append(drop(2)))
    assert data_waiting(repository) == {W: newer[0]}


def test_a_turn_of_one_workload_takes_in_no_data_of_another(
    repository: Repository, drop: Drop, make_file: Callable[[str, str], Path]
) -> None:
    check_nothing(repository, W, "mnist")
    first = drop(1)
    land(repository, repository.workload("mnist"), [make_file("1.csv", "x\n1\n")])
    recorded(repository, "a", data=first)
    assert data_waiting(repository) == {"mnist": first}, "the same bytes, and yet not read"


def test_data_of_a_workload_that_the_tree_no_longer_has_waits_for_nobody(repository: Repository, drop: Drop) -> None:
    drop(1)
    params = repository.here / "params.yaml"
    params.write_text(params.read_text().replace("  credit-risk: {kind: tabular}\n", ""))
    assert data_waiting(repository) == {}


def test_params_in_mid_edit_are_an_error_and_not_taken_for_no_data(repository: Repository, drop: Drop) -> None:
    drop(1)
    (repository.here / "params.yaml").write_text("workloads: {")
    with pytest.raises(SettingsError, match="not readable as YAML"):
        data_waiting(repository)
