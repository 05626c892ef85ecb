"""A client that asks as fast as it is answered: wrk, on the same machine, with a body to be posted.

Each connection asks again when it has its answer. So a server that stalls is asked less in that time, and the 99th
percentile of a slow server looks better than its users would say: compare latencies at equal rates, or with this in mind.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

_SCRIPT = """
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["content-type"] = os.getenv("CONTENT_TYPE")
file:close()
local pause_ms = tonumber(os.getenv("PAUSE_MS"))
if pause_ms > 0 then
  function delay() return pause_ms end
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"answered": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\\n',
    summary.requests - errors.status, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, failed))
end
"""


class Question(NamedTuple):
    """What is posted."""

    body: bytes
    content_type: str = "application/json"


class Load(NamedTuple):
    """What came of asking for a while."""

    answered: int
    """With a status below 400."""
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int
    """Refused, broken off, or not answered within ten seconds."""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


def has_client() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def load(url: str, question: Question, connections: int, seconds: int, pause_ms: int = 0) -> Load:
    """Ask the same question over so many connections at once, from one thread, with a pause before each next one."""
    with tempfile.TemporaryDirectory(prefix="gristmill-wrk-") as folder:
        script, body = Path(folder) / "post.lua", Path(folder) / "body"
        script.write_text(_SCRIPT, "utf-8")
        body.write_bytes(question.body)
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", str(seconds)]
        told = {"BODY": str(body), "CONTENT_TYPE": question.content_type, "PAUSE_MS": str(pause_ms)}
        done = subprocess.run(
            [*command, "--timeout", "10", "--script", str(script), url],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            check=True,
        )
    return Load(**json.loads(done.stdout.splitlines()[-1]))
