"""kill -9 at any moment of a landing: each file is in the inbox or on `mill`, and in the end on `mill` alone, once.

Five moments in the suite, fifty with GRISTMILL_PROVE=1, spread evenly over the time that a landing takes and moved a little
at random; GRISTMILL_SEED repeats them.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import SEED

from gristmill.registry.history import read_history
from gristmill.runs.landing import landing_md5
from gristmill.runs.repository import Repository

W = "credit-risk"
N_KILLS = 50 if os.environ.get("GRISTMILL_PROVE") else 5
TAKES = """
import sys
from pathlib import Path
from gristmill.runs.dropped import entries
from gristmill.runs.inbox import take
from gristmill.runs.repository import Repository
import gristmill.adapters.dvc, gristmill.runs.landing

repository = Repository(Path.cwd())
print("ready", flush=True)
sys.stdin.readline()
for entry in entries(repository):
    take(repository, entry, entry.fingerprint())
print("done", flush=True)
"""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def drop(inbox: Path, number: int) -> set[str]:
    """A file and a folder of two for the inbox; the hashes of what is in them."""
    folder = inbox / f"folder {number}"
    folder.mkdir(parents=True)
    contents = {inbox / f"{number}.csv": b"one", folder / "a.csv": b"two", folder / "b.csv": b"three"}
    for path, text in contents.items():
        path.write_bytes(text + b",%d\n" % number)
    return {sha256(path.read_bytes()) for path in contents}


def in_the_inbox(inbox: Path) -> set[str]:
    return {sha256(path.read_bytes()) for path in inbox.rglob("*") if path.is_file()}


def on_mill(repository: Repository) -> Counter[str]:
    """How often each content stands in what has landed, from bytes that the cache really holds."""
    pointer = repository.mill.read(f"data/{W}/landing.dvc") if repository.mill.tip() else None
    listing = repository.dvc.listing(landing_md5(pointer)) if pointer else {}
    objects = [repository.dvc.object_path(md5) for path, md5 in listing.items() if path.endswith(".csv")]
    return Counter(sha256(path.read_bytes()) for path in objects)


def landing(repository: Repository) -> Iterator[subprocess.Popen[str]]:
    """A process that takes whatever is in the inbox, from the moment at which it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKES],
        cwd=repository.root,
        env={**os.environ, "PYTHONPATH": str(repository.root / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin and process.stdout and process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        yield process


def test_at_whatever_moment_a_landing_is_killed_each_file_is_in_the_inbox_or_on_mill_and_in_the_end_once(
    repository: Repository,
) -> None:
    inbox, rng = repository.workload(W).inbox, random.Random(SEED)
    dropped = drop(inbox, 0)
    for process in landing(repository):
        started = time.monotonic()
        assert process.stdout and process.stdout.readline() == "done\n"
        took_s = time.monotonic() - started
    outcomes, before = Counter[str](), len(on_mill(repository))
    for number in range(1, N_KILLS + 1):
        dropped |= drop(inbox, number)
        for process in landing(repository):
            time.sleep(took_s * (number - rng.random()) / N_KILLS)
            process.send_signal(signal.SIGKILL)
        waiting, landed = in_the_inbox(inbox), on_mill(repository)
        assert dropped <= waiting | landed.keys(), "a file is nowhere"
        assert set(landed.values()) <= {1}, "a file landed twice"
        outcomes["in both places" if waiting & landed.keys() else f"{len(landed) - before} files landed"] += 1
        before = len(landed)
    print(outcomes)
    for process in landing(repository):
        assert process.stdout and process.stdout.readline() == "done\n"
    assert in_the_inbox(inbox) == set() and on_mill(repository) == Counter(dropped)
    assert sum("Batch" in event.trailers for event in read_history(repository.mill, W)) == 2 * (N_KILLS + 1)
    assert [path for path in (repository.state / "worktrees").iterdir() if path.is_dir()] == []
