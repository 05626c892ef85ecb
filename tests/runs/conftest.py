"""What several tests of runs decide about and look at: a repository whose last turn kept rows out."""

from pathlib import Path

import pytest
from tests.conftest import clone_of
from tests.judged_turns import House, judged_house


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Not to be changed: take `own`."""
    return judged_house(tmp_path_factory.mktemp("house") / "repo")


@pytest.fixture
def own(house: House, tmp_path: Path) -> House:
    """A clone of it, on the same cache."""
    return house._replace(repository=clone_of(house.repository.root, tmp_path / "own"))
