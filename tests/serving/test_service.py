"""What answers requests: the champion, and beside it what is on trial."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from tests.toy_models import IMAGES, write_bento

from gristmill.ground.files import content_sha256, read_json, write_json
from gristmill.serving import live as live_module
from gristmill.serving.access import Access
from gristmill.serving.ids import share_of
from gristmill.serving.service import Service

REQUEST = {"images": [[[200, 10, 90], [0, 255, 3], [9, 9, 9], [77, 0, 1]]]}
LIMITS = {"after": 30, "errors": 0.01, "agreement": 0.5, "latency": 1000.0}


def bundle(root: Path, seed: int, version: str) -> str:
    name = content_sha256([seed, version])[:16]
    write_bento(root / "bundles" / name, IMAGES, seed)
    write_json(root / "bundles" / name / "deployment.json", {"version": version, "bundle": name, "personal": []})
    return name


def put_on_trial(root: Path, seed: int, mode: str, share: float, **limits: Any) -> str:
    name = bundle(root, seed, "v2.0.0")
    trial = {"bundle": name, "version": "v2.0.0", "mode": mode, "share": share, "limits": LIMITS | limits}
    write_json(root / "trial.json", trial | {"began": "2026-01-01T00:00:00+00:00", "ended": None})
    return name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "serving"
    write_json(root / "current.json", {"bundle": bundle(root, 1, "v1.0.0")})
    return root


@pytest.fixture
def service(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(live_module, "POLL_S", 0.02)
    service = Service(write_bento(tmp_path / "bento", IMAGES), root, Access(None))
    service.start()
    yield service
    service.stop()


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def written(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / "requests").glob("*.jsonl"))
    return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


def test_an_answer_is_stamped_and_written_down_with_what_was_asked(service: Service, root: Path) -> None:
    answer = service.answer(REQUEST)
    wait_for(lambda: written(root))
    [line] = written(root)
    assert answer["version"] == "v1.0.0" and len(answer["request_id"]) == 32
    assert {key: line[key] for key in answer} == answer
    assert (line["role"], line["latency_ms"] > 0) == ("champion", True)
    assert service.ids.read(answer["request_id"]).n_items == 1


def test_a_shadow_answers_beside_and_nobody_gets_its_answers(service: Service, root: Path) -> None:
    put_on_trial(root, 2, "shadow", 1.0)
    wait_for(lambda: service.live.state.trial)
    answers = [service.answer(REQUEST) for _ in range(10)]
    wait_for(lambda: len(written(root)) == 20)
    assert {answer["version"] for answer in answers} == {"v1.0.0"}
    by_role = {role: {line["request_id"]: line for line in written(root) if line["role"] == role} for role in ROLES}
    assert by_role["champion"].keys() == by_role["shadow"].keys() == {answer["request_id"] for answer in answers}
    assert {line["version"] for line in by_role["shadow"].values()} == {"v2.0.0"}


ROLES = ("champion", "canary", "shadow")


def test_a_canary_answers_its_share_chosen_by_the_request_id_and_the_champion_is_asked_beside(
    service: Service, root: Path
) -> None:
    put_on_trial(root, 2, "canary", 0.3, agreement=0.0)
    wait_for(lambda: service.live.state.trial)
    answers = [service.answer(REQUEST) for _ in range(200)]
    chosen = {answer["request_id"] for answer in answers if answer["version"] == "v2.0.0"}
    assert chosen == {one["request_id"] for one in answers if share_of(one["request_id"]) < 0.3}
    assert 25 < len(chosen) < 100
    wait_for(lambda: sum(line["role"] == "shadow" for line in written(root)) == len(chosen))
    beside = [line for line in written(root) if line["role"] == "shadow"]
    assert {line["request_id"] for line in beside} == chosen
    assert {line["version"] for line in beside} == {"v1.0.0"}


def test_a_canary_that_disagrees_ends_itself_and_says_why(service: Service, root: Path) -> None:
    put_on_trial(root, 2, "canary", 1.0, agreement=1.0)
    wait_for(lambda: service.live.state.trial)
    trial = service.live.state.trial
    assert trial is not None
    one, other = (load.predictor.predict(REQUEST)[0]["label"] for load in (service.live.ask(), trial.model))
    assert one != other, "the seeds were chosen so"
    for _ in range(40):
        service.answer(REQUEST)
    wait_for(lambda: service.live.state.trial is None)
    assert service.answer(REQUEST)["version"] == "v1.0.0"
    ended = read_json(root / "trial.json")["ended"]
    assert "it agreed with the champion in 0.0% of 30 items; 100.0% are asked for" in ended["why"]


def test_a_canary_that_fails_costs_no_answer_and_ends_itself(service: Service, root: Path) -> None:
    put_on_trial(root, 2, "canary", 1.0)
    wait_for(lambda: service.live.state.trial)
    trial = service.live.state.trial
    assert trial is not None
    spoilt = trial.model.predictor
    object.__setattr__(spoilt, "run", lambda _: np.full((1, 3), np.nan, np.float32))
    answers = [service.answer(REQUEST) for _ in range(25)]
    assert {answer["version"] for answer in answers} == {"v1.0.0"}
    wait_for(lambda: service.live.state.trial is None)
    assert "failed to answer 20 of 20 requests" in read_json(root / "trial.json")["ended"]["why"]


def test_a_canary_that_is_slow_ends_itself(service: Service, root: Path) -> None:
    put_on_trial(root, 1, "canary", 1.0, latency=5.0, after=5)
    wait_for(lambda: service.live.state.trial)
    trial = service.live.state.trial
    assert trial is not None
    run = trial.model.predictor.run

    def slow(inputs: dict[str, np.ndarray]) -> np.ndarray:
        time.sleep(0.05)
        return run(inputs)

    object.__setattr__(trial.model.predictor, "run", slow)
    for _ in range(8):
        service.answer(REQUEST)
    wait_for(lambda: service.live.state.trial is None)
    assert "times as long as the champion; 5 are allowed" in read_json(root / "trial.json")["ended"]["why"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"share": 0}, "the share above 0"),
        ({"mode": "both"}, "the mode is shadow or canary"),
        ({"limits": {"patience": 1}}, "describes no trial"),
        ({"bundle": "../../elsewhere"}, "no bundle can be called"),
        ({"limits": {"agreement": 2}}, "between 0 and 1"),
    ],
)
def test_a_trial_that_cannot_be_disturbs_nobody(service: Service, root: Path, changed: Any, sentence: str) -> None:
    put_on_trial(root, 2, "canary", 1.0)
    write_json(root / "trial.json", read_json(root / "trial.json") | changed)
    wait_for(lambda: service.live.trial_refusal)
    assert sentence in service.describe()["trial_refused"]
    assert service.answer(REQUEST)["version"] == "v1.0.0"


def test_a_trial_that_is_taken_away_ends_and_the_numbers_say_which_versions_answer(
    service: Service, root: Path
) -> None:
    put_on_trial(root, 2, "shadow", 1.0)
    wait_for(lambda: service.live.state.trial)
    assert 'gristmill_version_info{role="trial",version="v2.0.0"} 1.0' in service.metrics.text(0).decode()
    (root / "trial.json").unlink()
    wait_for(lambda: service.live.state.trial is None)
    text = service.metrics.text(0).decode()
    assert 'gristmill_version_info{role="champion",version="v1.0.0"} 1.0' in text
    assert 'gristmill_version_info{role="trial",version="v2.0.0"} 0.0' in text


def test_a_pointer_that_goes_back_finds_the_previous_model_there(service: Service, root: Path) -> None:
    before, first = service.live.ask(), read_json(root / "current.json")
    write_json(root / "current.json", {"bundle": bundle(root, 2, "v1.1.0")})
    wait_for(lambda: service.live.ask().version == "v1.1.0")
    write_json(root / "current.json", first)
    wait_for(lambda: service.live.ask().version == "v1.0.0")
    assert service.live.ask() is before
    assert 'gristmill_swaps_total{result="swapped"} 2.0' in service.metrics.text(0).decode()
