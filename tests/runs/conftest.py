"""A repository that has turned three times, with real objects in its cache, for each test to do anything with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.buckets import KEYS, client, s3_server, set_of_keys
from tests.cached_turns import landed_and_turned
from tests.conftest import copy_of_todays_code

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
    shutil.copytree(_grown_once, tmp_path / "grown")
    monkeypatch.chdir(tmp_path / "grown" / "repo")
    return Repository(tmp_path / "grown" / "repo")


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
