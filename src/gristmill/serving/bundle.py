"""Bundles: unpacked Bentos, each with what was deployed, and the pointer to the one that answers.

.gristmill/serving/<w>/bundles/<hash>/    an unpacked Bento and deployment.json; never changed once it is there
.gristmill/serving/<w>/current.json       the pointer; written whole
"""

import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, file_sha256, new_folder, read_json, write_json
from gristmill.serving.live import load_serving


class BundleError(GristmillError):
    """A package that cannot be deployed."""

    def __init__(self, package_folder: Path, problem: str) -> None:
        super().__init__(package_folder, problem)

    def __str__(self) -> str:
        folder, problem = self.args
        return f"{folder} cannot be deployed: {problem}."


def unpack_bundle(package_folder: Path, deployment: dict[str, Any], serving_root: Path) -> Path:
    """Unpack a package for deployment, verify it, and have its model answer once.

    The same package with the same deployment is the same bundle: it is unpacked once, and again if it was damaged since.

    Args:
        package_folder: what the stage `package` wrote: package.json and the Bento.
        deployment: what `/model` and every answer tell: workload, version, data, code, metrics, verdict, ...
        serving_root: `.gristmill/serving/<w>`.

    Raises:
        BundleError: there is no Bento in the package, or it is not the one that package.json describes.
        ModelError: its model does not answer.
    """
    package = read_json(package_folder / "package.json")
    if package.get("bento") is None:
        raise BundleError(package_folder, "it holds no Bento, because no model was there to be packaged")
    archive = package_folder / f"{package['bento'].partition(':')[0]}.bento"
    if not archive.is_file():
        raise BundleError(package_folder, f"{archive.name} is missing; `dvc checkout` brings it back")
    identity = {"bento": file_sha256(archive), "package": package, "deployment": deployment}
    name = content_sha256(identity)[:16]
    bundle = serving_root / "bundles" / name
    if bundle.is_dir() and _answers(bundle):
        return bundle
    with new_folder(bundle) as temporary:
        _extract(archive, temporary)
        if read_json(temporary / "src" / "package.json") != package:
            raise BundleError(package_folder, f"{archive.name} is not the Bento that package.json describes")
        write_json(temporary / "deployment.json", {**deployment, "bundle": name})
        load_serving(temporary / "src")
    return bundle


def point_at(serving_root: Path, bundle: Path) -> None:
    """Make `bundle` the one that answers: a service that runs follows within a second, the next one starts with it."""
    deployment = read_json(bundle / "deployment.json")
    package = read_json(bundle / "src" / "package.json")
    pointer = {
        "bundle": bundle.name,
        "version": deployment.get("version"),
        "model_sha256": package["model_sha256"],
        "contract_sha256": package["contract_sha256"],
        "serving_sha256": package["serving_sha256"],
    }
    write_json(serving_root / "current.json", pointer)


def current_bundle(serving_root: Path) -> Path | None:
    """The bundle that the pointer names, or None where nothing was deployed."""
    pointer = serving_root / "current.json"
    if not pointer.exists():
        return None
    return serving_root / "bundles" / str(read_json(pointer)["bundle"])


def _answers(bundle: Path) -> bool:
    try:
        load_serving(bundle / "src")
    except GristmillError:
        return False
    return True


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:*") as tar:
            members = tar.getmembers()
            for member in members:  # only what a Bento of ours holds: no links, devices, or paths that leave the folder
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                    raise BundleError(archive, f"the archive holds {member.name[:80]!r}, which no Bento of ours does")
            tar.extractall(folder, members, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BundleError(archive, f"the archive is damaged ({error})") from error
