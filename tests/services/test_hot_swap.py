"""Models are swapped while two workers answer: no request fails, and each answer is that of the version it is stamped with.

GRISTMILL_PROVE=1 asks 20,000 times and swaps 20 times; else it is 2,000 and 2.
"""

import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.hammer import Answer, Hammer, quantile_ms
from tests.services.conftest import REQUEST, Running

from gristmill.ground.files import content_sha256, read_json, write_json
from gristmill.serving.bundle import point_at

PROVE = os.environ.get("GRISTMILL_PROVE") == "1"
N_REQUESTS, N_SWAPS = (20_000, 20) if PROVE else (2_000, 2)
BODY = json.dumps(REQUEST).encode()


def test_swaps_fail_no_request_and_each_answer_is_that_of_its_version(
    running: Running,
) -> None:
    expected = running.expected
    assert expected["v1.0.0"] != expected["v1.0.1"]
    swapped_at: list[float] = []
    following = itertools.cycle(reversed(running.bundles))
    with Hammer(f"{running.url}/predict", BODY) as hammer:
        for number in range(1, N_SWAPS + 1):
            hammer.wait_for(number * N_REQUESTS // (N_SWAPS + 1))
            point_at(running.root, bundle := next(following))
            swapped_at.append(time.monotonic())
            version = read_json(bundle / "deployment.json")["version"]
            while (
                hammer.answers[-1].content["version"] != version
            ):  # else the next swap may come before this one is seen
                assert time.monotonic() - swapped_at[-1] < 60
                time.sleep(0.01)
        hammer.wait_for(N_REQUESTS)
    assert hammer.faults == []
    assert {answer.status for answer in hammer.answers} == {200}
    for answer in hammer.answers:
        assert answer.content["predictions"] == expected[answer.content["version"]]
    assert {answer.content["version"] for answer in hammer.answers} == set(expected)
    ids = [answer.content["request_id"] for answer in hammer.answers]
    assert len(set(ids)) == len(ids)
    sides: dict[bool, list[Answer]] = {True: [], False: []}
    for one in hammer.answers:
        sides[any(0 <= one.at - moment < 1.5 for moment in swapped_at)].append(one)
    during, steady = sides[True], sides[False]
    told = {
        "requests": len(ids),
        "p99 steady ms": quantile_ms(steady or during, 0.99),
        "p99 swapping ms": quantile_ms(during, 0.99),
    }
    print(told)


def spoil_weights(bundle: Path) -> None:
    model = bundle / "src" / "model" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])


def lie(bundle: Path) -> None:
    """Other weights, with hashes that fit them: only the golden batch knows."""
    model = bundle / "src" / "model"
    golden = b'{"request": {"images": [[[0,0,0],[0,0,0],[0,0,0],[0,0,0]]]}, "output": [[1.0, 0.0, 0.0]]}'
    (model / "golden.json").write_bytes(golden)
    package = read_json(bundle / "src" / "package.json")
    write_json(bundle / "src" / "package.json", package | {"golden_sha256": hashlib.sha256(golden).hexdigest()})


@pytest.mark.parametrize(
    ("fault", "sentence"), [(spoil_weights, "model.onnx"), (shutil.rmtree, "not there"), (lie, "golden")]
)
def test_a_faulty_model_costs_no_answer_and_everybody_is_told(
    running: Running, fault: Callable[[Path], None], sentence: str
) -> None:
    point_at(running.root, running.bundles[0])
    expected = running.expected["v1.0.0"]
    faulty = running.root / "bundles" / content_sha256(sentence)[:16]
    shutil.copytree(running.bundles[1], faulty)
    with Hammer(f"{running.url}/predict", BODY, n_clients=2) as hammer:
        while running.versions() != {"v1.0.0"}:
            time.sleep(0.1)
        hammer.answers.clear()
        fault(faulty)
        write_json(running.root / "current.json", read_json(running.root / "current.json") | {"bundle": faulty.name})
        end = time.monotonic() + 20
        while sentence not in (httpx.get(f"{running.url}/model").json()["refused"] or ""):
            assert time.monotonic() < end
            time.sleep(0.05)
        hammer.wait_for(200)
    assert hammer.faults == [] and {answer.status for answer in hammer.answers} == {200}
    assert {answer.content["version"] for answer in hammer.answers} == {"v1.0.0"}
    assert all(answer.content["predictions"] == expected for answer in hammer.answers)
    end = time.monotonic() + 20  # each worker looks for itself
    while sentence not in (ready := httpx.get(f"{running.url}/readyz")).text:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert ready.status_code == 200 and ready.text.startswith("ready, but ")
    assert 'gristmill_swaps_total{result="refused"}' in httpx.get(f"{running.url}/metrics").text


def test_the_numbers_of_both_workers_are_merged(running: Running) -> None:
    before = httpx.get(f"{running.url}/counters").json()["requests"]
    for _ in range(40):
        httpx.post(f"{running.url}/predict", json=REQUEST)
    assert httpx.get(f"{running.url}/counters").json()["requests"] == before + 40
    text = httpx.get(f"{running.url}/metrics").text
    line = next(one for one in text.splitlines() if one.startswith("gristmill_version_info") and one.endswith(" 2.0"))
    assert 'role="champion"' in line
    assert "Traceback" not in running.log.read_text("utf-8")
