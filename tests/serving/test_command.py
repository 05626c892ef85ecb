"""How a bundle is started."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gristmill.serving.command import PortInUseError, check_port, serve_command, serve_environment


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_in_use_is_told_before_anything_is_started(taken: int, tmp_path: Path) -> None:
    with pytest.raises(PortInUseError, match=f"port {taken} .* is in use.*--port"):
        serve_command(tmp_path, taken)


def test_a_port_that_a_service_just_left_is_free() -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listening.accept()[0].close()  # the side that closes first is left waiting
    check_port(port)


def test_it_serves_on_the_loopback_address_alone(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = serve_command(tmp_path, port)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == str(port)


def test_the_environment_names_the_pointers_and_tracks_nobody(tmp_path: Path) -> None:
    environment = serve_environment(tmp_path, 3000)
    assert environment["GRISTMILL_SERVING"] == str(tmp_path.resolve())
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert environment["BENTOML_HOME"] != serve_environment(tmp_path, 3001)["BENTOML_HOME"]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_what_it_starts_ends_with_a_parent_that_was_killed() -> None:
    parent = """
import subprocess, time
from gristmill.ground.lifetime import dying_with_caller
child = subprocess.Popen([*dying_with_caller(), "sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        child = psutil.Process(int(process.stdout.readline()))
        end = time.monotonic() + 10
        while child.name() != "sleep" and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    while time.monotonic() < end and child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
