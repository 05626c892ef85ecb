"""Servers of one model, ours and others', each a process group of its own on the loopback address, and what they take."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson
import psutil

from benchmarks.client import Question
from benchmarks.rivals.installed import python_with
from benchmarks.rivals.model import CONTRACT, FOLDER, network, one_image
from benchmarks.scratch import ROOT
from gristmill.ground.files import content_sha256, file_sha256, write_json, write_text
from gristmill.ground.lifetime import dying_with_caller
from gristmill.ground.workload import Workload
from gristmill.serving.bundle import unpack_bundle
from gristmill.serving.command import HOST, free_port, serve_command, serve_environment
from gristmill.stages.package import package

_START_S, _END_S = 120, 10
IMAGE = Question(orjson.dumps({"images": one_image().tolist()}))
_TENSOR = Question(orjson.dumps({"inputs": one_image().tolist()}))
_PYTHONPATH = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
_UVICORN = ("--host", HOST, "--log-level", "warning", "--no-access-log")


class Server(NamedTuple):
    """How to start one, and what it is asked."""

    name: str
    command: Callable[[int], list[str]]
    """By the port it shall listen on."""
    environment: dict[str, str]
    path: str = "/predict"
    question: Question = IMAGE


class Running(NamedTuple):
    """A server that has answered once."""

    url: str
    started_s: float
    """From its command to its first answer."""
    root: psutil.Process

    def cpu_s(self) -> float:
        """CPU time, user and system, of the process and all below it, since they began."""
        times = [process.cpu_times() for process in self._family()]
        return sum(one.user + one.system for one in times)

    def memory_mib(self) -> float:
        """Memory of the process and all below it; what they share counts once (PSS)."""
        return sum(process.memory_full_info().pss for process in self._family()) / 2**20

    def own_memory_mib(self) -> float:
        """Memory that it shares with nobody (USS): what other processes load and leave changes nothing in it."""
        return sum(process.memory_full_info().uss for process in self._family()) / 2**20

    def _family(self) -> list[psutil.Process]:
        return [self.root, *self.root.children(recursive=True)]


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Start a server, wait for its first answer, and end its whole process group.

    Raises:
        RuntimeError: it ended, or does not answer; the last lines of its log follow.
    """
    port = free_port()
    url = f"http://{HOST}:{port}{server.path}"
    with tempfile.TemporaryDirectory(prefix="gristmill-server-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*dying_with_caller(), *server.command(port)],
                cwd=folder,
                env={**os.environ, **server.environment, "PYTHONPATH": _PYTHONPATH},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            while not answers(url, server.question):
                if process.poll() is not None or time.perf_counter() - began > _START_S:
                    raise RuntimeError(f"{server.name} does not answer:\n{log.read_text('utf-8')[-3000:]}")
                time.sleep(0.02)
            yield Running(url, time.perf_counter() - began, psutil.Process(process.pid))
        finally:
            _end(process)


def answers(url: str, question: Question) -> bool:
    """Whether a question gets 200."""
    request = urllib.request.Request(  # noqa: S310 - an address of our own
        url, data=question.body, headers={"content-type": question.content_type}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    psutil.wait_procs(family, timeout=_END_S)


def bundle_in(folder: Path) -> Path:
    """The model as `train` would write it, packaged as the stage does, and unpacked for deployment.

    The serving root is `.gristmill/serving/speed` below the folder.
    """
    workload = Workload("speed", "images", folder)
    challenger = write_model(workload.challenger)
    write_json(workload.champion / "manifest.json", {"model_sha256": None})
    write_json(workload.reports / "gate.json", {"verdict": "PROMOTE", "challenger_sha256": challenger})
    write_text(workload.params, "package: {}\n")
    (folder / "services").symlink_to(ROOT / "services")
    with contextlib.redirect_stdout(sys.stderr):
        package(workload)
    return unpack_bundle(workload.package, {"workload": "speed", "version": "v1.0.0"}, serving_root(folder))


def serving_root(folder: Path) -> Path:
    """Where pointers would lie."""
    return folder / ".gristmill" / "serving" / "speed"


def write_model(folder: Path) -> str:
    """Write the files of a model, and return its hash."""
    import torch

    from gristmill.training.export import export
    from gristmill.training.prepared import Split

    folder.mkdir(parents=True)
    images = torch.from_numpy(one_image()).repeat(8, 1, 1)
    export(folder, network(), CONTRACT, Split({"images": images}, torch.zeros(8, dtype=torch.long)))
    model_sha256 = file_sha256(folder / "model.safetensors")
    write_json(folder / "contract.json", CONTRACT)
    manifest = {
        "workload": "speed",
        "kind": "images",
        "task": "classification",
        "model_sha256": model_sha256,
        "onnx_sha256": file_sha256(folder / "model.onnx"),
        "contract_sha256": content_sha256(CONTRACT),
    }
    write_json(folder / "manifest.json", manifest)
    return model_sha256


def under_uvicorn(bundle: Path, root: Path) -> Server:
    """The lean application alone."""
    environment = {"GRISTMILL_BENTO": str(bundle), "GRISTMILL_SERVING": str(root), "OMP_NUM_THREADS": "1"}
    return Server(
        "ours under uvicorn",
        lambda port: _uvicorn(sys.executable, "--factory", "gristmill.serving.app:from_environment", port=port),
        environment,
    )


def as_bento(bundle: Path, root: Path, path: str) -> Server:
    """The Bento, asked at one of its two routes."""
    return Server(
        f"ours as a Bento, {'lean' if path == '/predict' else 'typed'} route",
        lambda port: serve_command(bundle, port),
        serve_environment(root, 0),
        path,
    )


def floor(root: Path) -> Server:
    """A Bento in which nothing happens."""
    serve = [sys.executable, "-m", "bentoml", "serve", "benchmarks.rivals.floor:Floor", "--host", HOST, "--port"]
    return Server("an empty Bento", lambda port: [*serve, str(port)], serve_environment(root, 0))


def on_fastapi(model: Path, runtime: str) -> Server:
    """By hand."""
    called = {"onnxruntime": "ONNX Runtime", "torch": "torch"}[runtime]
    return Server(
        f"FastAPI + {called}",
        lambda port: _uvicorn(sys.executable, "--factory", f"benchmarks.rivals.on_fastapi:with_{runtime}", port=port),
        _with_model(model),
    )


def on_litserve(model: Path) -> Server:
    """LitServe.

    Raises:
        NotInstalledError: pip could not install it.
    """
    python = python_with("litserve")
    return Server(
        "LitServe + ONNX Runtime",
        lambda port: [python, "-m", "benchmarks.rivals.on_litserve", str(port)],
        _with_model(model),
    )


def on_mlflow(model: Path, folder: Path) -> Server:
    """MLflow's scoring server under uvicorn, without the command that starts it.

    Raises:
        NotInstalledError: pip could not install it.
    """
    python = python_with("mlflow")
    saved = folder / "mlflow"
    source = ROOT / "benchmarks" / "rivals" / "on_mlflow.py"
    save = f"import mlflow; mlflow.pyfunc.save_model({str(saved)!r}, python_model={str(source)!r}, pip_requirements=[])"
    environment = {**_with_model(model), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    subprocess.run(
        [python, "-c", save],
        env={**os.environ, **environment, "PYTHONPATH": _PYTHONPATH},
        cwd=folder,
        stdout=sys.stderr,
        check=True,
    )
    return Server(
        "MLflow pyfunc + ONNX Runtime",
        lambda port: _uvicorn(python, "mlflow.pyfunc.scoring_server.app:app", port=port),
        {**environment, "__pyfunc_model_path__": str(saved)},
        "/invocations",
        _TENSOR,
    )


def _with_model(model: Path) -> dict[str, str]:
    return {FOLDER: str(model), "OMP_NUM_THREADS": "1"}


def _uvicorn(python: str, *application: str, port: int) -> list[str]:
    return [python, "-m", "uvicorn", *application, *_UVICORN, "--port", str(port)]
