"""What several tests of runs work on: repositories that have turned, with real objects or with rows kept out."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.buckets import KEYS, client, s3_server, set_of_keys
from tests.cached_turns import landed_and_turned, turned_with_data
from tests.conftest import clone_of, copy_of_todays_code
from tests.judged_turns import House, judged_house

from gristmill.runs.repository import Repository


@pytest.fixture(scope="session")
def _grown_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grown")
    repository = Repository(copy_of_todays_code(folder / "repo"))
    landed_and_turned(repository, folder / "files", "m1", "m2", "m3")
    return folder


@pytest.fixture
def grown(_grown_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """credit-risk v1.0.0, v1.0.1 and v1.0.2, each once in production; the files that landed lie in `../files`."""
    return _copied(_grown_once, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def _many_once(_grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "grown"
    shutil.copytree(_grown_once, folder)
    repository = Repository(folder / "repo")
    for number in range(4):
        turned_with_data(repository, f"held{number}", "HOLD")
    for number in range(2):
        turned_with_data(repository, f"rejected{number}", "REJECT")
    return folder


@pytest.fixture
def many(_many_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """As `grown`; v1.0.3 to v1.0.6 wait for a person, and two more challengers were rejected."""
    return _copied(_many_once, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def _s3_once() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def s3(_s3_once: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of an S3 server with one empty bucket, `store`; the keys are in the environment."""
    set_of_keys(monkeypatch, **KEYS)
    requests.post(f"{_s3_once}/moto-api/reset", timeout=10)
    client(_s3_once).create_bucket(Bucket="store")
    return _s3_once


def _copied(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    shutil.copytree(folder, tmp_path / "grown", symlinks=True)
    monkeypatch.chdir(tmp_path / "grown" / "repo")
    return Repository(tmp_path / "grown" / "repo")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Not to be changed: take `own`."""
    return judged_house(tmp_path_factory.mktemp("house") / "repo")


@pytest.fixture
def own(house: House, tmp_path: Path) -> House:
    """A clone of it, on the same cache."""
    return house._replace(repository=clone_of(house.repository.root, tmp_path / "own"))
