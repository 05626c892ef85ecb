"""What tests of real server processes share."""

import subprocess
import sys
import time

import httpx


def lean_command(port: int, workers: int = 1) -> list[str]:
    """The lean application under uvicorn; the environment names its Bento and its serving folder."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "gristmill.serving.app:from_environment"]
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--log-level", "warning"]


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
