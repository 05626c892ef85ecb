"""The model that answers now, and the pointer that says which."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.toy_models import IMAGES, TABULAR, write_bento

from gristmill.ground.files import content_sha256, read_json, write_json
from gristmill.serving import live as live_module
from gristmill.serving.live import Live, NotReadyError

BLACK = {"images": [[[0, 0, 0]] * 4]}


def deploy(root: Path, seed: int, version: str, contract: dict[str, Any] = IMAGES, **changed: Any) -> Path:
    """A bundle with its deployment, and the pointer to it."""
    bundle = root / "bundles" / content_sha256([seed, version])[:16]
    write_bento(bundle, contract, seed, **changed)
    write_json(bundle / "deployment.json", {"version": version})
    write_json(root / "current.json", {"bundle": bundle.name})
    return bundle


def answer(live: Live, request: Any = BLACK) -> dict[str, Any]:
    serving = live.ask()
    predictions = serving.predictor.predict(request)
    return {"version": serving.version, "model_sha256": serving.package["model_sha256"], "predictions": predictions}


@pytest.fixture
def carried(tmp_path: Path) -> Path:
    return write_bento(tmp_path / "bento", IMAGES, seed=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "serving"
    folder.mkdir()
    return folder


@pytest.fixture
def live(carried: Path, root: Path) -> Live:
    live = Live(carried, root)
    live.start()
    live.stop()  # the tests look by themselves
    return live


def test_without_a_pointer_the_carried_model_answers_and_knows_no_version(live: Live) -> None:
    given = answer(live)
    assert given["version"] is None
    assert given["model_sha256"] == live.ask().predictor.manifest["model_sha256"]
    assert live.refusal is None


def test_a_bento_on_its_own_follows_no_pointer(carried: Path) -> None:
    live = Live(carried, None)
    live.start()
    live.look()
    assert live.ask().deployment == {}
    live.stop()


def test_a_deployment_beside_the_carried_model_names_its_version(carried: Path) -> None:
    write_json(carried.parent / "deployment.json", {"version": "v1.2.3"})
    live = Live(carried, None)
    live.start()
    assert answer(live)["version"] == "v1.2.3"


def test_on_start_the_pointer_wins_over_the_carried_model(carried: Path, root: Path) -> None:
    deploy(root, seed=1, version="v2.0.0")
    live = Live(carried, root)
    live.start()
    live.stop()
    assert answer(live)["version"] == "v2.0.0"


def test_a_moved_pointer_is_followed_and_moved_back_again(live: Live, root: Path) -> None:
    first = deploy(root, seed=1, version="v1.0.0")
    live.look()
    deploy(root, seed=2, version="v1.0.1")
    live.look()
    assert answer(live)["version"] == "v1.0.1"
    write_json(root / "current.json", {"bundle": first.name})
    live.look()
    assert answer(live)["version"] == "v1.0.0"


def corrupt(bundle: Path) -> None:
    model = bundle / "src" / "model" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])


def lie(bundle: Path) -> None:
    package = bundle / "src" / "package.json"
    write_json(package, read_json(package) | {"model_sha256": "0" * 64})


def point(content: str) -> Callable[[Path], Any]:
    return lambda bundle: (bundle.parent.parent / "current.json").write_text(content, "utf-8")


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a corrupt model": (corrupt, "model.onnx is not the file"),
    "a package that lies": (lie, "another model_sha256"),
    "a bundle that is gone": (shutil.rmtree, "which is not there"),
    "a bundle without its contract": (
        lambda b: (b / "src" / "model" / "contract.json").unlink(),
        "contract.json is miss",
    ),
    "a deployment that is no JSON": (lambda b: (b / "deployment.json").write_text("{"), "not readable"),
    "a pointer that is no JSON": (point('{"bundle": "'), "could not be followed"),
    "a pointer to nothing": (point("{}"), "could not be followed"),
    "a pointer out of the folder": (point(json.dumps({"bundle": "../../elsewhere"})), "no bundle can be called"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_on_any_fault_of_the_new_model_the_old_one_answers_and_says_why(live: Live, root: Path, name: str) -> None:
    deploy(root, seed=1, version="v1.0.0")
    live.look()
    spoil, sentence = FAULTS[name]
    spoil(deploy(root, seed=2, version="v1.0.1"))
    live.look()
    assert answer(live)["version"] == "v1.0.0"
    assert sentence in (live.refusal or "")


@pytest.mark.parametrize("name", FAULTS)
def test_on_start_a_faulty_bundle_leaves_the_carried_model(carried: Path, root: Path, name: str) -> None:
    spoil, sentence = FAULTS[name]
    spoil(deploy(root, seed=2, version="v1.0.1"))
    live = Live(carried, root)
    live.start()
    live.stop()
    assert answer(live)["version"] is None
    assert sentence in (live.refusal or "")


def test_a_repaired_deployment_is_followed_without_a_restart(live: Live, root: Path) -> None:
    corrupt(deploy(root, seed=1, version="v1.0.0"))
    live.look()
    assert live.refusal
    deploy(root, seed=1, version="v1.0.0")
    live.look()
    assert answer(live)["version"] == "v1.0.0"
    assert live.refusal is None


def test_another_contract_is_refused_and_needs_a_process_of_its_own(live: Live, root: Path) -> None:
    deploy(root, seed=1, version="v2.0.0", contract=TABULAR)
    live.look()
    assert answer(live)["version"] is None
    assert "another contract" in (live.refusal or "")


def test_other_serving_code_is_refused_and_needs_a_process_of_its_own(live: Live, root: Path) -> None:
    deploy(root, seed=1, version="v2.0.0", serving_sha256="6" * 64)
    live.look()
    assert answer(live)["version"] is None
    assert "other serving code" in (live.refusal or "")


def test_a_pointer_that_is_taken_away_changes_nothing(live: Live, root: Path) -> None:
    deploy(root, seed=1, version="v1.0.0")
    live.look()
    (root / "current.json").unlink()
    live.look()
    assert answer(live)["version"] == "v1.0.0"


def test_nothing_answers_where_no_model_can_be_loaded(carried: Path, root: Path) -> None:
    corrupt(carried.parent)
    live = Live(carried, root)
    live.start()
    live.stop()
    with pytest.raises(NotReadyError, match=r"no model is loaded: .*model\.onnx is not the file"):
        live.ask()


def test_a_pointer_that_comes_later_mends_a_bento_whose_own_model_is_damaged(carried: Path, root: Path) -> None:
    corrupt(carried.parent)
    live = Live(carried, root)
    live.start()
    live.stop()
    deploy(root, seed=1, version="v1.0.0")
    live.look()
    assert answer(live)["version"] == "v1.0.0"


def test_every_answer_during_swaps_is_that_of_the_model_it_is_stamped_with(
    carried: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "POLL_S", 0.01)
    request = {"images": [[[200, 10, 90], [0, 255, 3], [9, 9, 9], [77, 0, 1]]]}
    bundles = [deploy(root, seed=seed, version=f"v1.0.{seed}") for seed in (1, 2)]
    expected = {}
    for bundle in bundles:
        alone = Live(bundle / "src", None)
        alone.start()
        expected[alone.ask().deployment["version"]] = answer(alone, request)["predictions"]
    live = Live(carried, root)
    live.start()
    answers: list[dict[str, Any]] = []
    ended = threading.Event()

    def client() -> None:
        while not ended.is_set():
            answers.append(answer(live, request))

    clients = [threading.Thread(target=client) for _ in range(2)]
    for thread in clients:
        thread.start()
    for i in range(10):
        write_json(root / "current.json", {"bundle": bundles[i % 2].name})
        time.sleep(0.03)
    ended.set()
    for thread in clients:
        thread.join()
    live.stop()
    assert {given["version"] for given in answers} == {"v1.0.1", "v1.0.2"}
    assert all(given["predictions"] == expected[given["version"]] for given in answers)
