"""Deployment: the package of the version in production, unpacked where the service finds it, behind an atomic pointer."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.ground.locks import locked
from gristmill.registry.promotion import read_production
from gristmill.registry.versions import Version, find_version
from gristmill.runs.carrying import bring_version
from gristmill.runs.repository import Repository
from gristmill.serving.bundle import point_at, unpack_bundle
from gristmill.serving.trial import end_trial


class NothingToServeError(GristmillError):
    """No version of a workload is in production."""

    def __str__(self) -> str:
        workload = self.args[0]
        return f"{workload} has no model in production yet. `gristmill run {workload}` makes one from what has landed."


def deploy_champion(repository: Repository, workload: str, report: Callable[[str], None]) -> Path | None:
    """Make the service's pointer name the version in production; None where nothing is in production yet.

    Doing it again changes nothing: a turn that was killed between promotion and deployment is mended by the next one. One at
    a time, and whoever comes last reads what is in production last: else a slow deployment could undo a rollback.
    """
    with locked(repository.state / "locks" / f"deploy.{workload}.lock"):
        return _deploy(repository, workload, report)


def _deploy(repository: Repository, workload: str, report: Callable[[str], None]) -> Path | None:
    production = read_production(repository.mill, workload)
    if production is None or production.champion.version is None:
        return None
    version = find_version(repository.git, workload, production.champion.version)
    root = repository.serving(workload)
    if (present := deployed(root)) and present["version"] == version.version:
        return Path(present["path"])
    bring_version(repository, version)
    bundle = unpacked(repository, version, deployment(repository, version, production.champion.reason), root)
    point_at(root, bundle)
    if (trial := root / "trial.json").exists() and (tried := read_json(trial))["version"] == version.version:
        end_trial(trial, tried["bundle"], "it is in production now")
    report(f"{workload} {version.version} is deployed")
    return bundle


def unpacked(repository: Repository, version: Version, about: dict[str, Any], root: Path) -> Path:
    """The bundle of a version whose package is in the cache, with what is told about it."""
    with tempfile.TemporaryDirectory(prefix="gristmill-package-") as folder:
        package = Path(folder)
        repository.dvc.extract(str(version.package["md5"]), package)
        _check(package, version)
        return unpack_bundle(package, about, root)


def champion_bundle(repository: Repository, workload: str, report: Callable[[str], None]) -> Path:
    """The deployed bundle of the version in production.

    Raises:
        NothingToServeError: there is none.
    """
    bundle = deploy_champion(repository, workload, report)
    if bundle is None:
        raise NothingToServeError(workload)
    return bundle


def deployed(root: Path) -> dict[str, Any] | None:
    """What the pointer of a serving folder names, if it names something whole."""
    try:
        pointer = read_json(root / "current.json")
        bundle = root / "bundles" / pointer["bundle"]
        return {**read_json(bundle / "deployment.json"), "path": str(bundle)}
    except (OSError, ValueError, KeyError):
        return None


def deployment(repository: Repository, version: Version, reason: str) -> dict[str, Any]:
    """What a Bento cannot know when it is built: which version it is, where it comes from, and what tells of a person."""
    return {
        "workload": version.workload,
        "version": version.version,
        "verdict": version.verdict,
        "sentence": version.sentence,
        "reason": reason,
        "metrics": dict(version.metrics),
        "model_sha256": version.model_sha256,
        "data_version": version.data,
        "commit": version.code,
        "base": version.base,
        "tag": f"{version.workload}@{version.version}",
        "personal": _personal(repository, version),
    }


def _personal(repository: Repository, version: Version) -> list[str]:
    """The columns that the suite of a version's own code calls personal: of them the service keeps a hash alone."""
    suite = json.loads(repository.git.read(version.tag, f"expectations/{version.workload}.json") or b"{}")
    columns = suite.get("meta", {}).get("columns", {})
    return sorted(name for name, column in columns.items() if column.get("personal"))


def _check(package: Path, version: Version) -> None:
    found = read_json(package / "package.json")
    if found["model_sha256"] != version.model_sha256:
        raise GristmillError(
            f"the package of {version.workload} {version.version} in DVC's cache holds another model than its tag says. "
            f"The cache is damaged: remove it there, then check out {version.tag} and run `dvc repro`."
        )
