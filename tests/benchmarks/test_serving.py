"""The benchmark of serving: what counts as answered, what a server leaves behind, and a short run of ours alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from benchmarks.client import Load, Question, has_client, load
from benchmarks.figures import figures_in
from benchmarks.parts import shares
from benchmarks.rivals.model import CONTRACT, one_image
from benchmarks.scratch import ROOT
from benchmarks.servers import IMAGE, Running, Server, running, under_uvicorn
from benchmarks.serving import Round, ratio
from tests.toy_models import write_bento

needs_client = pytest.mark.skipif(not has_client(), reason="wrk is not installed")


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Running]:
    bundle = write_bento(tmp_path / "bento", CONTRACT).parent
    with running(under_uvicorn(bundle, tmp_path / "serving")) as server:
        yield server


@needs_client
def test_a_refusal_counts_as_failed_and_never_as_answered(alive: Running) -> None:
    good = load(alive.url, IMAGE, connections=2, seconds=1)
    assert good.failed == 0
    assert good.answered > 0
    assert 0 < good.p50_ms <= good.p99_ms
    slow = load(alive.url, IMAGE, connections=2, seconds=1, pause_ms=100)
    assert 0 < slow.answered <= 20
    wrong = Question(json.dumps({"images": one_image()[:, :5].tolist()}).encode())
    bad = load(alive.url, wrong, connections=2, seconds=1)
    assert bad.answered == 0
    assert bad.failed > 0


TWO_PROCESSES = """
import http.server, subprocess, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()

if sys.argv[2:]:
    kept = bytearray(100 * 2**20)
    while time.process_time() < 0.5: pass
    time.sleep(600)
subprocess.Popen([*sys.orig_argv, "child"])
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_the_cost_of_a_server_is_that_of_all_its_processes_and_none_is_left() -> None:
    server = Server("two processes", lambda port: [sys.executable, "-c", TWO_PROCESSES, str(port)], {})
    with running(server) as alive:
        family = [alive.root, *alive.root.children(recursive=True)]
        assert len(family) == 2
        end = time.monotonic() + 20
        while alive.cpu_s() < 0.5 and time.monotonic() < end:
            time.sleep(0.1)
        assert alive.cpu_s() >= 0.5
        assert alive.memory_mib() >= 100
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def test_a_server_that_ends_is_told_with_its_last_words() -> None:
    server = Server("gone", lambda _: [sys.executable, "-c", "raise SystemExit('no model here')"], {})
    with pytest.raises(RuntimeError, match=r"gone does not answer:\nno model here"), running(server):
        pass


def test_a_ratio_is_taken_within_each_round() -> None:
    def rounds(*cpu_ms: float) -> list[Round]:
        return [Round({8: Load(100, 1.0, 1.0, 2.0, 0)}, {8: ms}, 50.0, 1.0) for ms in cpu_ms]

    measured = {"ours": rounds(1, 2, 9), "other": rounds(2, 4, 1)}  # medians would say 1
    assert ratio(measured, "CPU per request", "ours", "other", 8) == 0.5
    assert ratio(measured, "p99", "ours", "other", 8) == 1


@needs_client
def test_the_small_form_measures_ours_and_no_request_fails() -> None:
    command = [sys.executable, "-m", "benchmarks.serving", "--small"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = {figure.figure: figure for figure in figures_in(done.stdout)}
    assert figures["requests/s, ours under uvicorn, c=2 (median of 1)"].value > 0
    assert 0 < figures["CPU per request, ours under uvicorn, c=2 (median of 1)"].value < 1000
    assert figures["requests that failed, of all servers"].is_met


def test_without_the_client_it_says_so_and_measures_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.serving"]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "`wrk` is not installed" in done.stdout
    assert figures_in(done.stdout) == []


def test_a_stack_belongs_to_the_innermost_part_that_it_holds() -> None:
    answering = (
        "main (uvicorn/main.py:1);Guard._pass (gristmill/serving/guard.py:1);answer (gristmill/serving/app.py:1)"
    )
    stacks = [
        "Thread.run (threading.py:1);RequestLog._write_on (gristmill/serving/request_log.py:1) 5",
        f"{answering};run (onnxruntime/capi/session.py:1) 4",
        f"{answering};Service.answer (gristmill/serving/service.py:1) 2",
        "main (uvicorn/main.py:1);Guard._read (gristmill/serving/guard.py:1) 3",
        "main (uvicorn/main.py:1) 1",
    ]
    assert shares(stacks) == {
        "the model in ONNX Runtime": 0.4,
        "the guard: headers, body, decoding": 0.3,
        "labels, stamp, encoding": 0.2,
        "uvicorn: reading, and the event loop": 0.1,
    }
