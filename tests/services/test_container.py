"""The image, as far as it can be tested without Docker: what its Dockerfile says, and its commands on a real Bento."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.real_servers import wait_until_ready
from tests.toy_models import IMAGES, SERVICES, write_workload

from gristmill.serving.bundle import point_at, unpack_bundle
from gristmill.serving.command import free_port
from gristmill.stages.package import package

QUESTION = {"images": [[[200, 10, 90], [0, 255, 3], [9, 9, 9], [77, 0, 1]]]}
READ_ONLY = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount --make-rprivate / && mount -o remount,bind,ro / && exec "$@"',
    "sh",
]


def instructions() -> list[tuple[str, str]]:
    text = (SERVICES / "Dockerfile").read_text("utf-8")
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def told(instruction: str) -> list[str]:
    return [rest for name, rest in instructions() if name == instruction]


def words(rest: str) -> list[str]:
    """The command in the form that needs no shell."""
    command = json.loads(rest[rest.index("[") :])
    assert isinstance(command, list)
    return command


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("container")
    workload = write_workload(folder, IMAGES)
    package(workload)
    return unpack_bundle(workload.package, {"workload": "toy", "version": "v1.0.0"}, folder / "serving")


@pytest.fixture(scope="module")
def environment(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As in the image: the wheel is installed, BentoML and this repository are not."""
    installed = tmp_path_factory.mktemp("installed")
    (wheel,) = (bundle / "src").glob("gristmill_serving-*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(installed)]
    subprocess.run([*install, str(wheel)], check=True)
    (installed / "bentoml.py").write_text("raise ImportError('there is no BentoML in the image')\n", "utf-8")
    named = dict(word.split("=", 1) for rest in told("ENV") for word in rest.split())
    return {**os.environ, **named, "GRISTMILL_BENTO": str(bundle), "PYTHONPATH": str(installed)}


@contextmanager
def started(environment: dict[str, str], prefix: list[str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The image's command on the loopback interface; what else it says stays."""
    port = free_port()
    (command,) = map(words, told("CMD"))
    assert command[command.index("--host") + 1] == "0.0.0.0"  # noqa: S104 - within the container
    command[command.index("--host") + 1] = "127.0.0.1"
    other = {"python": sys.executable, "3000": str(port)}
    with subprocess.Popen([*prefix, *(other.get(word, word) for word in command)], env=environment, cwd="/") as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()


def test_nothing_compiles_nothing_comes_from_an_address_and_root_serves_nobody() -> None:
    text = (SERVICES / "Dockerfile").read_text("utf-8")
    assert not re.search(r"apt-get|apk |build-essential|gcc|curl|wget|https?://(?!127\.0\.0\.1)", text)
    assert told("ADD") == []
    names = [name for name, _ in instructions()]
    (user,) = told("USER")
    assert all(int(number) >= 1000 for number in user.split(":"))
    assert names.index("USER") > max(position for position, name in enumerate(names) if name in ("RUN", "COPY"))
    assert told("ARG") == ["BASE=python:3.11-slim"] and told("FROM") == ["${BASE}"]
    installs = [rest for rest in told("RUN") if "pip" in rest]
    assert installs and all("--only-binary :all:" in rest or "--no-index" in rest for rest in installs)


def test_every_path_that_is_copied_is_in_a_bento_and_its_libraries_are_pinned(bundle: Path) -> None:
    sources = [word for rest in told("COPY") for word in rest.split()[:-1]]
    assert sources
    assert all((bundle / source).exists() for source in sources)
    lines = (bundle / "env/python/requirements.txt").read_text("utf-8").splitlines()
    lean = [line for line in lines if line and not line.startswith("bentoml==")]
    assert len(lean) >= 5
    assert all(re.fullmatch(r"[a-z_]+==[\w.]+", line) for line in lean)


def test_its_command_answers_without_bentoml_and_its_health_check_agrees(environment: dict[str, str]) -> None:
    (check,) = map(words, told("HEALTHCHECK"))

    def healthy(url: str) -> bool:
        asked = [sys.executable if word == "python" else word.replace("http://127.0.0.1:3000", url) for word in check]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    with started(environment, []) as (url, process):
        answer = httpx.post(f"{url}/predict", json=QUESTION)
        assert answer.status_code == 200
        assert answer.json()["version"] == "v1.0.0"
        assert healthy(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
        assert not healthy(url)


def test_it_follows_the_pointer_in_the_mounted_folder(
    environment: dict[str, str], bundle: Path, tmp_path: Path
) -> None:
    root = bundle.parents[1]
    with started({**environment, "GRISTMILL_SERVING": str(root)}, []) as (url, _):
        later = write_workload(tmp_path, IMAGES, seed=7)
        package(later)
        point_at(root, unpack_bundle(later.package, {"workload": "toy", "version": "v1.1.0"}, root))
        end = time.monotonic() + 20
        while httpx.post(f"{url}/predict", json=QUESTION).json()["version"] != "v1.1.0":
            assert time.monotonic() < end
            time.sleep(0.05)
    (root / "current.json").unlink()


@pytest.mark.skipif(
    subprocess.run([*READ_ONLY, "true"], capture_output=True, check=False).returncode != 0,
    reason="a mount namespace of one's own needs root",
)
def test_it_writes_nothing_so_that_its_file_system_may_be_read_only(
    environment: dict[str, str], tmp_path: Path
) -> None:
    refused = subprocess.run([*READ_ONLY, "touch", str(tmp_path / "file")], capture_output=True, check=False)
    if refused.returncode == 0:
        pytest.skip("temporary files lie on a file system of their own here")
    with started(environment, READ_ONLY) as (url, _):
        assert httpx.post(f"{url}/predict", json=QUESTION).status_code == 200
        assert httpx.post(f"{url}/predict", json={}).status_code == 400
        assert httpx.get(f"{url}/").status_code == 200
