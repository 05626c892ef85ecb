"""Two workers that answer, under uvicorn and as a Bento."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from tests.real_servers import lean_command, wait_until_ready
from tests.toy_models import IMAGES, write_bento, write_workload

from gristmill.ground.files import content_sha256, read_json, write_json
from gristmill.serving.bundle import point_at, unpack_bundle
from gristmill.serving.command import free_port, serve_command, serve_environment
from gristmill.serving.predictor import load_predictor
from gristmill.stages.package import package

REQUEST = {"images": [[[200, 10, 90], [0, 255, 3], [9, 9, 9], [77, 0, 1]]]}


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
    environment = {
        **os.environ,
        "GRISTMILL_BENTO": str(bundles[0]),
        "GRISTMILL_SERVING": str(root),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "numbers"),
        "OMP_NUM_THREADS": "1",
    }
    running = Running(f"http://127.0.0.1:{port}", root, bundles, folder / "log")
    for _ in started(lean_command(port, workers=2), environment, running.url, running.log):
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
