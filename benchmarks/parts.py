"""Where the time of an answer goes: py-spy looks at a server from outside, while it is asked."""

import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.client import load
from benchmarks.figures import tell
from benchmarks.rivals.installed import NotInstalledError, python_with
from benchmarks.servers import Server, running

CONNECTIONS, _SECONDS, _PER_SECOND = 8, 10, 300
PARTS = {
    "the model in ONNX Runtime": "onnxruntime/",
    "checking the pixels": "kinds/images/answers/",
    "uvicorn: writing the answer": "RequestResponseCycle.send",
    "handing it to the log": "RequestLog.put",
    "labels, stamp, encoding": "serving/app.py",
    "counting": "serving/metrics.py",
    "the guard: headers, body, decoding": "serving/guard.py",
    "uvicorn: reading, and the event loop": "uvicorn/",
}
"""By what stands in a stack; one that holds the words of several parts belongs to the first of them."""


def tell_parts(server: Server, folder: Path) -> None:
    """The share of each part, or a sentence where py-spy cannot be had or may not look."""
    try:
        spy = Path(python_with("py_spy")).parent / "py-spy"
    except NotInstalledError as error:
        print(f"serving: its parts are left out: {error}")
        return
    stacks = folder / "stacks"
    options = ["--format", "raw", "--duration", str(_SECONDS), "--rate", str(_PER_SECOND), "--output", str(stacks)]
    with running(server) as alive:
        load(alive.url, server.question, CONNECTIONS, 1)
        command = [str(spy), "record", "--pid", str(alive.root.pid), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as looking:
            load(alive.url, server.question, CONNECTIONS, _SECONDS + 1)
            _, said = looking.communicate()
    if looking.returncode != 0:
        print(f"serving: its parts are left out: py-spy may not look ({' '.join(said.split())[-200:]})")
        return
    for part, share in shares(stacks.read_text("utf-8").splitlines()).items():
        tell(f"share of {part}, {server.name}, c={CONNECTIONS}", 100 * share, "%")


def shares(stacks: Iterable[str]) -> dict[str, float]:
    """What each of PARTS has of the time of the thread that answers, the greatest first.

    Args:
        stacks: lines of py-spy's raw format: a stack from its outermost frame on, joined by semicolons, and how often
            it was seen.
    """
    seen: Counter[str] = Counter()
    for line in stacks:
        stack, _, times = line.rpartition(" ")
        if part := next((part for part, word in PARTS.items() if word in stack), None):  # else it is another thread
            seen[part] += int(times)
    return {part: times / seen.total() for part, times in seen.most_common()}
