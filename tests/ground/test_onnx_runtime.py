"""ONNX Runtime says nothing to its maker: neither an id of this machine nor anything to be sent is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.toy_models import IMAGES, write_model

LOADED_BY_US = "from gristmill.ground.onnx_runtime import open_session; open_session({model!r})"
LOADED_BY_ITSELF = "import onnxruntime; onnxruntime.InferenceSession({model!r}, providers=['CPUExecutionProvider'])"


def kept(folder: Path, code: str, *runner: str) -> list[str]:
    """What a process that loads a model leaves in a user's cache folder."""
    write_model(folder / "model", IMAGES)
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home" / "cache")}
    command = [*runner, sys.executable, "-c", code.format(model=str(folder / "model" / "model.onnx"))]
    subprocess.run(command, env=environment, check=True)
    return [path.name for path in (folder / "home").rglob("*") if path.is_file()]


def test_a_model_that_we_open_leaves_nothing_about_this_machine(tmp_path: Path) -> None:
    assert kept(tmp_path, LOADED_BY_US) == []


def test_the_check_above_would_see_it(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a network namespace, from which nothing is really sent, needs root")
    assert "deviceid" in kept(tmp_path, LOADED_BY_ITSELF, "unshare", "-n")
