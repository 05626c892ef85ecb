"""A package becomes a bundle, and the bundle what answers."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.toy_models import IMAGES, write_bento

from gristmill.ground.files import read_json, write_json
from gristmill.serving.bundle import BundleError, current_bundle, point_at, unpack_bundle
from gristmill.serving.live import Live
from gristmill.serving.predictor import ModelError

DEPLOYMENT = {"workload": "toy", "version": "v1.0.0", "commit": "c0ffee"}
BLACK = {"images": [[[0, 0, 0]] * 4]}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What the stage leaves, without the parts of a Bento that only BentoML reads."""
    return make_package(tmp_path / "package", tmp_path / "bento")


def make_package(folder: Path, bento: Path, extra: tarfile.TarInfo | None = None, **said: Any) -> Path:
    source = write_bento(bento, IMAGES, bento="toy:1")
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "toy.bento", "w:xz") as tar:
        tar.add(source, "src")
        if extra is not None:
            tar.addfile(extra, io.BytesIO(b"x" * extra.size))
    write_json(folder / "package.json", read_json(source / "package.json") | said)
    return folder


def test_a_package_is_unpacked_with_what_was_deployed_and_answers(package: Path, tmp_path: Path) -> None:
    bundle = unpack_bundle(package, DEPLOYMENT, tmp_path / "serving")
    assert read_json(bundle / "deployment.json") == DEPLOYMENT | {"bundle": bundle.name}
    live = Live(bundle / "src", None)
    live.start()
    assert live.ask().version == "v1.0.0"


def test_the_pointer_names_the_bundle_and_a_service_follows_it(package: Path, tmp_path: Path) -> None:
    root = tmp_path / "serving"
    assert current_bundle(root) is None
    bundle = unpack_bundle(package, DEPLOYMENT, root)
    point_at(root, bundle)
    assert current_bundle(root) == bundle
    live = Live(write_bento(tmp_path / "other", IMAGES, seed=9), root)
    live.start()
    live.stop()
    assert live.ask().package["model_sha256"] == read_json(package / "package.json")["model_sha256"]


def test_the_same_deployment_is_the_same_bundle_and_another_version_another(package: Path, tmp_path: Path) -> None:
    root = tmp_path / "serving"
    first = unpack_bundle(package, DEPLOYMENT, root)
    inode = (first / "deployment.json").stat().st_ino
    assert unpack_bundle(package, DEPLOYMENT, root) == first
    assert (first / "deployment.json").stat().st_ino == inode
    assert unpack_bundle(package, DEPLOYMENT | {"version": "v1.0.1"}, root) != first


def test_a_bundle_that_was_damaged_is_unpacked_again(package: Path, tmp_path: Path) -> None:
    bundle = unpack_bundle(package, DEPLOYMENT, tmp_path / "serving")
    (bundle / "src" / "model" / "model.onnx").write_bytes(b"")
    assert unpack_bundle(package, DEPLOYMENT, tmp_path / "serving") == bundle
    assert (bundle / "src" / "model" / "model.onnx").stat().st_size > 0


def test_a_package_without_a_model_cannot_be_deployed(tmp_path: Path) -> None:
    write_json(tmp_path / "package" / "package.json", {"model": None, "bento": None})
    with pytest.raises(BundleError, match="holds no Bento"):
        unpack_bundle(tmp_path / "package", DEPLOYMENT, tmp_path / "serving")


def test_an_archive_that_is_missing_says_how_to_get_it(package: Path, tmp_path: Path) -> None:
    (package / "toy.bento").unlink()
    with pytest.raises(BundleError, match=r"toy\.bento is missing; `dvc checkout`"):
        unpack_bundle(package, DEPLOYMENT, tmp_path / "serving")


def test_an_archive_cut_short_leaves_no_bundle(package: Path, tmp_path: Path) -> None:
    archive = package / "toy.bento"
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(BundleError, match="damaged"):
        unpack_bundle(package, DEPLOYMENT, tmp_path / "serving")
    assert list((tmp_path / "serving" / "bundles").iterdir()) == []


def test_a_package_that_describes_another_model_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package", tmp_path / "bento", model_sha256="0" * 64)
    with pytest.raises(BundleError, match=r"not the Bento that package\.json describes"):
        unpack_bundle(package, DEPLOYMENT, tmp_path / "serving")


def test_a_model_that_is_not_the_one_its_manifest_names_is_refused(tmp_path: Path) -> None:
    bento = tmp_path / "bento"
    source = write_bento(bento, IMAGES, bento="toy:1")
    (source / "model" / "model.onnx").write_bytes(b"another")
    package = tmp_path / "package"
    package.mkdir()
    with tarfile.open(package / "toy.bento", "w:xz") as tar:
        tar.add(source, "src")
    write_json(package / "package.json", read_json(source / "package.json"))
    with pytest.raises(ModelError, match=r"model\.onnx is not the file"):
        unpack_bundle(package, DEPLOYMENT, tmp_path / "serving")
    assert list((tmp_path / "serving" / "bundles").iterdir()) == []


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
    return info


HOSTILE = {
    "a path out of the folder": entry("../../escaped"),
    "an absolute path": entry("/tmp/escaped"),  # noqa: S108 - never written
    "a symbolic link": entry("src/link", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": entry("src/link", tarfile.LNKTYPE, "../../elsewhere"),
    "a device": entry("src/device", tarfile.CHRTYPE),
    "a pipe": entry("src/pipe", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_with_anything_but_plain_files_is_refused_whole(tmp_path: Path, name: str) -> None:
    package = make_package(tmp_path / "package", tmp_path / "bento", extra=HOSTILE[name])
    with pytest.raises(BundleError, match="which no Bento of ours does"):
        unpack_bundle(package, DEPLOYMENT, tmp_path / "a" / "b" / "serving")
    assert not list(tmp_path.rglob("escaped"))


def test_the_name_of_a_bundle_depends_on_nothing_but_its_content(package: Path, tmp_path: Path) -> None:
    names = {unpack_bundle(package, DEPLOYMENT, tmp_path / place).name for place in ("here", "there")}
    assert len(names) == 1
