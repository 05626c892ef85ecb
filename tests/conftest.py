"""Fixtures that several rooms share: scratch repositories that hold today's code, and small landings."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from flows.server import prefect_server
from tests.applications import applications, write_applications

from gristmill.ground.locks import locked
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

ROOT = Path(__file__).resolve().parent.parent

SEED = int(os.environ.setdefault("GRISTMILL_SEED", str(random.SystemRandom().randrange(2**32))))
"""Of property and kill tests; in the environment, so that parallel workers share it."""


def git(folder: Path, *args: str) -> str:
    """Run git as a person would, with their own settings."""
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_all(folder: Path, message: str) -> str:
    """Commit everything in a scratch repository."""
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=A. Person", "-c", "user.email=person@example.org", "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD")


def pytest_report_header() -> str:
    """Say how to repeat what is random."""
    return f"GRISTMILL_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process is left alone with them at the end."""
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / "tests" / "e2e"))


def dvc(folder: Path, *args: str) -> str:
    """Run DVC as a person would, in the environment of these tests."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(folder / "src"),
        "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site"),
    }
    command = [sys.executable, "-m", "dvc", *args]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        ours = ("GRISTMILL_SERVING", "GRISTMILL_CHECKPOINTS", "GRISTMILL_MEMO")
        if name.startswith(("PREFECT_", "GIT_", "BENTOML_")) or name in ours:
            monkeypatch.delenv(name)


def copy_of_todays_code(folder: Path) -> Path:
    """A scratch repository whose only commit is the working tree as it is now, so that tests test today's code."""
    folder.mkdir()
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-q", "-b", "main")
    commit_all(folder, "today's code")
    return folder


@pytest.fixture
def todays_code(tmp_path: Path) -> Path:
    """A scratch repository of the working tree."""
    return copy_of_todays_code(tmp_path / "repo")


@pytest.fixture
def repository(todays_code: Path) -> Repository:
    """The scratch repository, opened."""
    return Repository(todays_code)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server for the session; `GRISTMILL_TEST` processes reach it through PREFECT_API_URL."""
    before = dict(os.environ)
    with prefect_server(tmp_path_factory.mktemp("prefect"), print) as url:
        os.environ.clear()
        os.environ.update(before)
        yield url


@pytest.fixture(scope="session")
def milled(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """Today's code with credit-risk turned once on 400 made applications: v1.0.0 is in production.

    Not to be changed: take `turned`, a clone on the same cache.
    """
    # xdist's workers, each a session of its own, share the folder above theirs; one makes it, and the others wait.
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "milled"
    shared.mkdir(exist_ok=True)
    with locked(shared / "lock"):
        if not (shared / "whole").exists():
            shutil.rmtree(shared / "repo", ignore_errors=True)
            _mill(copy_of_todays_code(shared / "repo"), prefect_api)
            (shared / "whole").touch()
    return shared / "repo"


def _mill(folder: Path, prefect_api: str) -> None:
    make_quick(folder / "params" / "credit-risk.yaml")
    commit_all(folder, "train quickly")
    repository = Repository(folder)
    csv_file = write_applications(folder.parent / "first.csv", applications(400, seed=1))
    land(repository, repository.workload("credit-risk"), [csv_file])
    turn(folder, "credit-risk", prefect_api)


@pytest.fixture
def turned(milled: Path, tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A clone of `milled` to do anything with: its own branch mill and tags, the shared cache, a running Prefect server."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    return clone_of(milled, tmp_path / "clone")


def clone_of(folder: Path, target: Path) -> Repository:
    """A fresh clone with the same DVC cache, as a colleague with a shared cache has it."""
    git(folder.parent, "clone", "-q", str(folder), str(target))
    cache = Repository(folder).cache
    (target / ".dvc" / "config.local").write_text(f'[cache]\n    dir = {cache}\n    type = "hardlink,copy"\n')
    return Repository(target)


def make_quick(params: Path, **train: object) -> None:
    """Make a workload's training and gate quick, and change other values of its train section."""
    values = yaml.safe_load(params.read_text("utf-8"))
    values["train"].pop("cross_validation", None)
    values["train"].update({"epochs": 6, **train})
    values["gate"]["resamples"] = 400
    params.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


def check_nothing(repository: Repository, *workloads: str) -> None:
    """Let these workloads' batches land without a look at labels and drift, whose finding would lie beside them."""
    for name in workloads:
        params = repository.workload(name).params
        values = yaml.safe_load(params.read_text("utf-8"))
        values["checks"] = {"labels": "off", "drift": "off"}
        params.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


def gristmill(folder: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A verb, typed at a prompt in a folder; what it prints to either stream is in `stdout`."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "gristmill"), *args],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "COLUMNS"}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def turn(folder: Path, workload: str, prefect_api: str, *args: str) -> str:
    """`gristmill run WORKLOAD`, to its end; returns what it printed."""
    done = gristmill(folder, "run", workload, *args, PREFECT_API_URL=prefect_api)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a small file outside any repository."""

    def make(name: str, content: str) -> Path:
        path = tmp_path / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, "utf-8")
        return path

    return make
