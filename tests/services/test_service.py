"""The Bento as a stranger runs it: a real process, in an environment where Gristmill is not installed."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from tests.real_servers import wait_until_ready
from tests.toy_models import IMAGES, TABULAR, write_workload

from gristmill.ground.files import read_json
from gristmill.ground.workload import Workload
from gristmill.serving.bundle import point_at, unpack_bundle
from gristmill.serving.command import PortInUseError, free_port, serve_command, serve_environment
from gristmill.serving.predictor import load_predictor
from gristmill.stages.package import package

ROUTES = ("/predict", "/api/predict")
IMAGE = [[200, 10, 90], [0, 255, 3], [9, 9, 9], [77, 0, 1]]


@dataclass
class Running:
    """A Bento that answers, and what it needs to be told something new."""

    url: str
    process: subprocess.Popen[bytes]
    workload: Workload
    serving_root: Path
    log: Path


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the libraries of this environment, but not with what is installed there for editing."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    site_packages = Path(sysconfig.get_paths(vars={"base": str(folder)})["purelib"])
    # The .pth files of a folder that a .pth file adds are not read, and an editable install is one of those.
    (site_packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", "utf-8")
    return str(folder / "bin" / "python")


def start(bare_python: str, folder: Path, contract: dict[str, Any]) -> Running:
    workload = write_workload(folder, contract)
    package(workload)
    root = folder / ".gristmill" / "serving" / "toy"
    bundle = unpack_bundle(workload.package, {"workload": "toy", "version": "v1.0.0"}, root)
    point_at(root, bundle)
    port = free_port()
    command = [bare_python if part == sys.executable else part for part in serve_command(bundle, port)]
    environment = {**serve_environment(root, port), "PYTHONPATH": ""}
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    running = Running(f"http://127.0.0.1:{port}", process, workload, root, log)
    try:
        wait_until_ready(running.url, process)
    except BaseException:
        stop(running)
        print(log.read_text("utf-8"))
        raise
    return running


def stop(running: Running) -> None:
    family = psutil.Process(running.process.pid).children(recursive=True) if running.process.poll() is None else []
    running.process.terminate()
    try:
        running.process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()
    for worker in psutil.wait_procs(family, timeout=5)[1]:
        worker.kill()


@pytest.fixture(scope="module")
def images(bare_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(bare_python, tmp_path_factory.mktemp("images"), IMAGES)
    yield running
    stop(running)


@pytest.fixture(scope="module")
def table(bare_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(bare_python, tmp_path_factory.mktemp("table"), TABULAR)
    yield running
    stop(running)


def post(running: Running, route: str, request: Any) -> httpx.Response:
    return httpx.post(running.url + route, json=request, timeout=30)


def test_gristmill_cannot_be_imported_where_the_bento_runs(bare_python: str, tmp_path: Path) -> None:
    code = "import bentoml, importlib.util, sys; sys.exit(importlib.util.find_spec('gristmill') is not None)"
    subprocess.run([bare_python, "-c", code], check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""})


@pytest.mark.parametrize("route", ROUTES)
def test_both_routes_answer_what_the_model_answers_offline(images: Running, route: str) -> None:
    request = {"images": [IMAGE, [[0, 0, 0]] * 4]}
    answer = post(images, route, request).json()
    offline = load_predictor(images.workload.challenger).predict(request)
    for served, expected in zip(answer["predictions"], offline, strict=True):
        assert served["label"] == expected["label"]
        np.testing.assert_allclose(
            list(served["probabilities"].values()), list(expected["probabilities"].values()), atol=1e-6
        )
    assert answer["version"] == "v1.0.0"
    assert answer["model_sha256"] == read_json(images.workload.package / "package.json")["model_sha256"]


@pytest.mark.parametrize("route", ROUTES)
def test_both_routes_answer_rows(table: Running, route: str) -> None:
    request = {"rows": [{"Age": 20, "Amount": None, "Housing": "Rent"}, {"Age": 70, "Amount": 1, "Housing": None}]}
    answer = post(table, route, request).json()
    assert answer["predictions"] == load_predictor(table.workload.challenger).predict(request)


NESTED = (
    b'{"images": ' + b"[" * 1000 + b"]" * 1000 + b"}"
)  # within the guard's limit, beyond that of Python's own reader
BAD: dict[str, bytes] = {
    "malformed": b'{"images": [',
    "NaN": b'{"images": [[[NaN, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]}',
    "a huge number": b'{"images": [[[' + b"9" * 400 + b", 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]}",
    "5000 levels": b"[" * 5000,
    "1000 levels": NESTED,
    "no object": b"[1, 2]",
    "null": b'{"images": null}',
    "nothing": b"{}",
    "another shape": b'{"images": [[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]]}',
    "flat": b'{"images": [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]}',
    "ragged": b'{"images": [[[0, 0, 0], [0, 0], [0, 0, 0], [0, 0, 0]]]}',
    "strings": b'{"images": [[["0", 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]}',
    "booleans": b'{"images": [[[true, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]}',
    "an object": b'{"images": {"a": 1}}',
    "a pixel above 255": b'{"images": [[[256, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]}',
    "an unknown field": b'{"images": [[[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]], "temperature": 1}',
    "an unknown field of null": b'{"images": [[[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]], "temperature": null}',
    "BentoML's own argument": b'{"images": [], "fields": {"images": []}, "ctx": 1}',
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_bad_question_is_a_4xx_with_a_sentence_and_no_traceback_in_the_log(images: Running, route: str) -> None:
    for name, body in BAD.items():
        response = httpx.post(images.url + route, content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400, name
        assert list(response.json()) == ["error"], name
        assert response.json()["error"].endswith("."), name
    for content_type in ("text/plain", "application/vnd.bentoml+pickle", "application/vnd.bentoml+arrow"):
        response = httpx.post(images.url + route, content=b"{}", headers={"content-type": content_type})
        assert response.status_code == 415
    response = httpx.post(images.url + route, content=b" " * (3 * 2**20), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "Traceback" not in images.log.read_text("utf-8")


def test_bentos_own_client_works_and_gets_the_sentence_of_a_refusal(images: Running) -> None:
    code = f"""
import bentoml
with bentoml.SyncHTTPClient({images.url!r}) as client:
    print(client.predict(images=[{IMAGE!r}])["predictions"][0]["label"])
    try:
        client.predict(images=[])
    except bentoml.exceptions.InvalidArgument as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    label, refusal = done.stdout.splitlines()
    assert label in IMAGES["classes"]
    assert "holds 0 images" in refusal


def test_the_index_page_is_ours_and_calls_no_one(images: Running) -> None:
    page = httpx.get(images.url + "/").text
    assert "toy v1.0.0" in page
    assert not re.search(r"<script src|googletagmanager|https?://(?!127\.0\.0\.1)", page), "only its own address"


def test_health_model_and_schema_answer_in_the_bento_too(images: Running) -> None:
    assert httpx.get(images.url + "/livez").status_code == 200
    assert httpx.get(images.url + "/readyz").status_code == 200
    about = httpx.get(images.url + "/model").json()
    assert (about["version"], about["refused"], about["contract"]) == ("v1.0.0", None, IMAGES)
    example = httpx.get(images.url + "/schema").json()["example"]
    assert post(images, "/predict", example).status_code == 200


def test_it_listens_on_the_loopback_address_alone(images: Running) -> None:
    port = int(images.url.rsplit(":", 1)[1])
    worker = psutil.Process(images.process.pid)
    listening = {
        connection.laddr.ip
        for process in [worker, *worker.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
    assert listening == {"127.0.0.1"}


def test_a_second_service_on_the_port_is_refused_with_a_sentence(images: Running) -> None:
    with pytest.raises(PortInUseError, match="is in use"):
        serve_command(images.serving_root, int(images.url.rsplit(":", 1)[1]))


def test_a_new_version_is_swapped_in_while_it_answers(table: Running, tmp_path: Path) -> None:
    workload = write_workload(tmp_path, TABULAR, seed=5)
    package(workload)
    request = {"rows": [{"Age": 20, "Amount": 300, "Housing": "Rent"}]}
    expected = load_predictor(workload.challenger).predict(request)
    bundle = unpack_bundle(workload.package, {"workload": "toy", "version": "v1.1.0"}, table.serving_root)
    point_at(table.serving_root, bundle)
    end = time.monotonic() + 20
    while (answer := post(table, "/predict", request).json())["version"] != "v1.1.0":
        assert time.monotonic() < end, httpx.get(table.url + "/model").json()["refused"]
        time.sleep(0.05)
    assert answer["predictions"] == expected
    assert post(table, "/api/predict", request).json()["predictions"] == expected


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_no_worker_survives_an_arbiter_that_was_killed(bare_python: str, tmp_path: Path) -> None:
    running = start(bare_python, tmp_path, TABULAR)
    workers = psutil.Process(running.process.pid).children(recursive=True)
    assert workers
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    left = psutil.wait_procs(workers, timeout=10)[1]
    for worker in left:
        worker.kill()
    assert left == []
