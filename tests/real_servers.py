"""What tests of real server processes share."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gristmill.serving.command import free_port


def lean_command(port: int, workers: int = 1) -> list[str]:
    """The lean application under uvicorn; the environment names its Bento and its serving folder."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "gristmill.serving.app:from_environment"]
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--log-level", "warning"]


@contextmanager
def lean_server(bento: Path, **environment: str) -> Iterator[str]:
    """The lean application over an unpacked Bento, in a process of its own; yields its address."""
    port = free_port()
    process = subprocess.Popen(lean_command(port), env={**os.environ, "GRISTMILL_BENTO": str(bento), **environment})
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield url
    finally:
        process.kill()
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Wait for /readyz, but not for a process that has ended."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} did not become ready")
