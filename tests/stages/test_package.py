"""The Bento of the model that the verdict allows."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.toy_models import IMAGES, TABULAR, write_model, write_workload

from gristmill.ground.files import file_sha256, read_json, write_json
from gristmill.ground.pipeline import stage_definition
from gristmill.ground.settings import SettingsError, read_yaml
from gristmill.ground.workload import Workload
from gristmill.serving.predictor import ModelError
from gristmill.stages import package as stage
from gristmill.stages.package import PackageError, package


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """For claims about the choice and the description: BentoML is left out, the rest is real."""

    def write_list(context: Path, _name: str, _version: str, target: Path) -> None:
        target.write_text("\n".join(sorted(path.name for path in context.rglob("*"))), "utf-8")

    monkeypatch.setattr(stage, "build_bento", write_list)


def packaged(workload: Workload) -> dict[str, Any]:
    package(workload)
    content: dict[str, Any] = read_json(workload.package / "package.json")
    return content


@pytest.mark.parametrize("contract", [IMAGES, TABULAR], ids=["images", "tabular"])
def test_made_again_it_is_the_same_package_to_the_byte(tmp_path: Path, contract: dict[str, Any]) -> None:
    workload = write_workload(tmp_path, contract)
    hashes = []
    for _ in range(2):
        package(workload)
        hashes.append({path.name: file_sha256(path) for path in workload.package.iterdir()})
    assert set(hashes[0]) == {"package.json", "toy.bento"}
    assert hashes[0] == hashes[1]


def test_the_bento_holds_the_model_and_the_code_but_neither_weights_nor_who_was_trained_on(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES)
    content = packaged(workload)
    with tarfile.open(workload.package / "toy.bento") as tar:
        names = {name.removeprefix("src/") for name in tar.getnames() if name.startswith("src/")}
        readme = tar.extractfile("README.md")
        inside = tar.extractfile("src/package.json")
        requirements = tar.extractfile("env/python/requirements.txt")
        assert readme is not None
        assert inside is not None
        assert requirements is not None
        assert b"Tells toys apart." in readme.read()
        assert b"onnxruntime==" in (pinned := requirements.read())
        assert all(b"==" in line for line in pinned.split())
    assert {name for name in names if name.startswith("model/")} == {
        "model/model.onnx",
        "model/contract.json",
        "model/manifest.json",
        "model/golden.json",
    }
    assert [name for name in names if name.endswith(".whl")] != []
    assert content["bento"].startswith("toy:")
    assert content["model_sha256"] == read_json(workload.challenger / "manifest.json")["model_sha256"]
    assert content["contract_sha256"] == read_json(workload.challenger / "manifest.json")["contract_sha256"]


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("verdict", ["PROMOTE", "HOLD"])
def test_a_challenger_that_passed_or_waits_is_packaged(tmp_path: Path, verdict: str) -> None:
    workload = write_workload(tmp_path, IMAGES, verdict)
    write_model(workload.champion, IMAGES, seed=1)
    content = packaged(workload)
    assert content["model"] == "challenger"
    assert content["model_sha256"] == read_json(workload.challenger / "manifest.json")["model_sha256"]


@pytest.mark.usefixtures("unbuilt")
def test_after_a_rejection_the_champion_is_packaged(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES, "REJECT")
    champion = write_model(workload.champion, IMAGES, seed=1)
    content = packaged(workload)
    assert content["model"] == "champion"
    assert content["model_sha256"] == champion


def test_a_rejection_before_the_first_promotion_packages_nothing_and_says_so(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES, "REJECT")
    content = packaged(workload)
    assert content["model"] is None
    assert content["bento"] is None
    assert "nothing to package" in content["sentence"]
    assert [path.name for path in workload.package.iterdir()] == ["package.json"]


@pytest.mark.usefixtures("unbuilt")
def test_a_package_of_before_is_replaced_whole(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES, "REJECT")
    workload.package.mkdir(parents=True)
    (workload.package / "toy.bento").write_bytes(b"of before")
    package(workload)
    assert not (workload.package / "toy.bento").exists()


@pytest.mark.usefixtures("unbuilt")
def test_a_fix_in_the_service_is_new_serving_code_with_the_same_model(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES)
    before = packaged(workload)
    service = tmp_path / "services" / "service.py"
    service.write_text(service.read_text("utf-8") + "\n# mended\n", "utf-8")
    after = packaged(workload)
    assert after["model_sha256"] == before["model_sha256"]
    assert after["serving_sha256"] != before["serving_sha256"]
    assert after["bento"] != before["bento"]


@pytest.mark.usefixtures("unbuilt")
def test_another_model_is_the_same_serving_code(tmp_path: Path) -> None:
    before = packaged(write_workload(tmp_path / "a", IMAGES, seed=0))
    after = packaged(write_workload(tmp_path / "b", IMAGES, seed=1))
    assert after["serving_sha256"] == before["serving_sha256"]
    assert after["bento"] != before["bento"]


@pytest.mark.usefixtures("unbuilt")
def test_a_verdict_about_another_challenger_is_refused(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES)
    write_json(workload.reports / "gate.json", {"verdict": "PROMOTE", "challenger_sha256": "0" * 64})
    with pytest.raises(PackageError, match=r"another challenger.*dvc repro package@toy"):
        package(workload)


@pytest.mark.usefixtures("unbuilt")
def test_a_model_that_does_not_answer_is_not_packaged_and_the_package_of_before_stays(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES)
    package(workload)
    (workload.challenger / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"challenger/.*model\.onnx"):
        package(workload)
    assert (workload.package / "toy.bento").exists()


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path) -> None:
    workload = write_workload(tmp_path, IMAGES)
    workload.params.write_text("package: {descripton: A typo.}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"package\.descripton is not a parameter"):
        package(workload)


def test_every_release_that_a_bento_is_pinned_to_is_a_parameter_of_the_stage() -> None:
    root = Path(__file__).resolve().parents[2]
    declared = stage_definition("package", Workload("toy", "images", root)).libraries
    assert {*stage._LIBRARIES, "bentoml"} <= set(declared)
    assert set(declared) <= set(read_yaml(root / "versions.yaml"))
