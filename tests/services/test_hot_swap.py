"""Models are swapped while two workers answer: no request fails, and each answer is that of the version it is stamped with.

GRISTMILL_PROVE=1 asks 20,000 times and swaps 20 times; else it is 2,000 and 2.
"""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from tests.hammer import Hammer, quantile_ms
from tests.real_servers import wait_until_ready
from tests.toy_models import IMAGES, write_bento, write_workload

from gristmill.ground.files import content_sha256, read_json, write_json
from gristmill.serving.bundle import point_at, unpack_bundle
from gristmill.serving.command import free_port, serve_command, serve_environment
from gristmill.serving.predictor import load_predictor
from gristmill.stages.package import package

PROVE = os.environ.get("GRISTMILL_PROVE") == "1"
N_REQUESTS, N_SWAPS = (20_000, 20) if PROVE else (2_000, 2)
REQUEST = {"images": [[[200, 10, 90], [0, 255, 3], [9, 9, 9], [77, 0, 1]]]}
BODY = json.dumps(REQUEST).encode()


class Running(NamedTuple):
    """Two workers that answer, and what can be put in their place."""

    url: str
    root: Path
    bundles: list[Path]
    log: Path

    @property
    def expected(self) -> dict[str, Any]:
        """What each version answers."""
        return {
            read_json(bundle / "deployment.json")["version"]: load_predictor(bundle / "src" / "model").predict(REQUEST)
            for bundle in self.bundles
        }

    def versions(self) -> set[str]:
        """What answers, asked often enough to hear both workers."""
        return {httpx.post(f"{self.url}/predict", json=REQUEST).json()["version"] for _ in range(40)}


def started(command: list[str], environment: dict[str, str], url: str, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        wait_until_ready(url, process)
        yield
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for worker in psutil.wait_procs(family, timeout=5)[1]:
            worker.kill()


@pytest.fixture(scope="module")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("uvicorn")
    root, port = folder / "serving", free_port()
    bundles = []
    for seed, version in ((1, "v1.0.0"), (2, "v1.0.1")):
        bundle = root / "bundles" / content_sha256(version)[:16]
        write_bento(bundle, IMAGES, seed)
        write_json(bundle / "deployment.json", {"version": version, "bundle": bundle.name, "personal": []})
        bundles.append(bundle)
    point_at(root, bundles[0])
    (folder / "numbers").mkdir()
    command = [sys.executable, "-m", "uvicorn", "--factory", "gristmill.serving.app:from_environment", "--workers", "2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    environment = {
        **os.environ,
        "GRISTMILL_BENTO": str(bundles[0]),
        "GRISTMILL_SERVING": str(root),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "numbers"),
        "OMP_NUM_THREADS": "1",
    }
    running = Running(f"http://127.0.0.1:{port}", root, bundles, folder / "log")
    for _ in started(command, environment, running.url, running.log):
        yield running


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("bento")
    root, port = folder / "serving", free_port()
    bundles = []
    for seed, version in ((1, "v1.0.0"), (2, "v1.0.1")):
        workload = write_workload(folder / version, IMAGES, seed=seed)
        package(workload)
        about = {"workload": "toy", "version": version, "personal": []}
        bundles.append(unpack_bundle(workload.package, about, root))
    point_at(root, bundles[0])
    running = Running(f"http://127.0.0.1:{port}", root, bundles, folder / "log")
    command, environment = serve_command(bundles[0], port), serve_environment(root, port, workers=2)
    for _ in started(command, environment, running.url, running.log):
        yield running


@pytest.fixture(params=["uvicorn", "bento"])
def running(request: pytest.FixtureRequest) -> Running:
    found: Running = request.getfixturevalue(request.param)
    return found


def test_swaps_fail_no_request_and_each_answer_is_that_of_its_version(
    running: Running, record_property: Callable[[str, object], None]
) -> None:
    expected = running.expected
    assert expected["v1.0.0"] != expected["v1.0.1"]
    swapped_at: list[float] = []
    following = itertools.cycle(reversed(running.bundles))
    with Hammer(f"{running.url}/predict", BODY) as hammer:
        for number in range(1, N_SWAPS + 1):
            hammer.wait_for(number * N_REQUESTS // (N_SWAPS + 1))
            point_at(running.root, next(following))
            swapped_at.append(time.monotonic())
        hammer.wait_for(N_REQUESTS)
    assert hammer.faults == []
    assert {answer.status for answer in hammer.answers} == {200}
    for answer in hammer.answers:
        assert answer.content["predictions"] == expected[answer.content["version"]]
    assert {answer.content["version"] for answer in hammer.answers} == set(expected)
    ids = [answer.content["request_id"] for answer in hammer.answers]
    assert len(set(ids)) == len(ids)
    during = [one for one in hammer.answers if any(0 <= one.at - moment < 1.5 for moment in swapped_at)]
    steady = [one for one in hammer.answers if one not in during]
    told = {
        "requests": len(ids),
        "p99 steady ms": quantile_ms(steady or during, 0.99),
        "p99 swapping ms": quantile_ms(during, 0.99),
    }
    record_property("told", told)
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
