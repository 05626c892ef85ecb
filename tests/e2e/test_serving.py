"""A person at a terminal: serve behind tokens, try a version, tell the truth later, and trace an answer back."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.applications import applications
from tests.conftest import gristmill
from tests.runs.test_deployment import second_version

from gristmill.runs.repository import Repository

W = "credit-risk"
TOKEN = "a-token-of-this-test"  # noqa: S105 - of this test's service
ROW = {name: value for name, value in applications(1, seed=5)[0].items() if name != "Class"}


@pytest.fixture
def service(turned: Repository, tmp_path: Path) -> Iterator[httpx.Client]:
    """`gristmill serve` over two workers, and a client that has a token."""
    (tmp_path / "tokens").write_text(f"{TOKEN}\n")
    (tmp_path / "tokens").chmod(0o600)
    command = [str(Path(sys.executable).parent / "gristmill"), "serve", W, "--port", "0", "--workers", "2"]
    command += ["--tokens", str(tmp_path / "tokens"), "--open", "/metrics"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=turned.root, env=environment, stdout=log, stderr=log)
        try:
            url = address(process, tmp_path / "log")
            with httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
                yield client
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        for line in log.read_text().splitlines():
            if " answers at http://" in line:
                assert line.endswith(" to who has a token")
                url = line.split(" answers at ")[1].split(" ")[0]
                try:
                    if httpx.get(f"{url}/readyz").status_code == 200:
                        return url
                except httpx.TransportError:
                    pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def ask(service: httpx.Client, n: int) -> list[dict[str, object]]:
    return [service.post("/predict", json={"rows": [ROW]}).raise_for_status().json() for _ in range(n)]


def test_serve_try_tell_the_truth_and_trace(service: httpx.Client, turned: Repository) -> None:
    assert httpx.post(f"{service.base_url}/predict", json={"rows": [ROW]}).status_code == 401
    assert httpx.get(f"{service.base_url}/metrics").status_code == 200
    assert service.post("/api/predict", json={"rows": [ROW]}).status_code == 200

    second_version(turned)
    started = gristmill(turned.root, "canary", "start", W, "v1.0.1", "--share", "0.5", "--reason", "a test")
    assert "v1.0.1 answers 50.0% of the requests" in started.stdout, started.stdout
    end = time.monotonic() + 20
    while service.get("/model").json()["trial"] is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(1)  # the other worker looks within half a second
    answers = ask(service, 60)
    assert {answer["version"] for answer in answers} == {"v1.0.0", "v1.0.1"}

    chosen = answers[0]
    label = {"request_id": chosen["request_id"], "label": "Good"}
    assert service.post("/feedback", json=label).json()["result"] == "taken"
    time.sleep(1)  # what was answered is written down meanwhile
    seen = gristmill(turned.root, "canary", "status", W).stdout
    assert "canary of 50.0% against v1.0.0" in seen and "alike in 100.0%" in seen, seen
    assert "is no longer tried" in gristmill(turned.root, "canary", "stop", W, "--reason", "enough").stdout
    assert "ended it: enough" in gristmill(turned.root, "canary", "status", W).stdout

    told = json.loads(gristmill(turned.root, "requests", W, "--json").stdout)
    assert sum(day["n_answers"] for day in told["days"]) == 61
    assert sum(day["n_labelled"] for day in told["days"]) == 1
    assert f"{chosen['version']}" in gristmill(turned.root, "requests", W).stdout
    trace = gristmill(turned.root, "trace", str(chosen["request_id"])).stdout
    for part in (f"version {chosen['version']}", "truly Good", "PROMOTE", "first.csv", "git switch --detach"):
        assert part in trace, trace
    assert "v1.0.0 is what a service answers with" in gristmill(turned.root, "deploy", W).stdout
