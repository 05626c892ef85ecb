"""A scratch repository with `gristmill up` in it, and looking into it from outside as a person could."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from examples.churn.customers import customers, write_csv
from tests.conftest import commit_all, gristmill, make_quick

from gristmill.ground.locks import is_owned
from gristmill.registry.history import read_history
from gristmill.runs.repository import Repository
from gristmill.runs.up import read_up
from gristmill.runs.waiting import data_waiting

PATIENCE_S = 240


def wait_for(what: str, get: Callable[[], Any], log: Path | None = None, patience_s: float = PATIENCE_S) -> Any:
    """Whatever `get` returns once it is anything."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if found := get():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen in {patience_s:.0f} s\n{log.read_text('utf-8') if log else ''}")


class House:
    """A scratch repository and its `gristmill up`."""

    def __init__(self, root: Path) -> None:
        self.repository = Repository(root)
        self.root = self.repository.root
        self.log = self.root.parent / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def add_workload(self, name: str, seed: int = 1) -> None:
        """A quick workload of made customers, committed; nothing has landed."""
        file = write_csv(self.root.parent / f"{name}-first.csv", customers(400, seed))
        done = gristmill(self.root, "new", name, "--from", str(file), "--target", "churned", "--id", "customer_id")
        assert done.returncode == 0, done.stdout
        make_quick(self.root / "params" / f"{name}.yaml")
        commit_all(self.root, f"Add {name}")

    def start(self) -> None:
        command = [str(Path(sys.executable).parent / "gristmill"), "up", "--port", "0", "--serve-from", "0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.root, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def await_up(self) -> None:
        wait_for("up", lambda: (up := read_up(self.repository)) and up.prefect and self.part("flows watch"), self.log)

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        """End it as suddenly as can be, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            children = self.descendants()
            self.process.kill()
            self.process.wait()
            psutil.wait_procs(children, timeout=10)

    def part(self, words: str) -> psutil.Process | None:
        """A process of this house whose command line holds the words, the deepest of them."""
        found = None
        if self.process is not None and self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                try:
                    if words in " ".join(child.cmdline()):
                        found = child
                except psutil.Error:
                    continue
        return found

    def descendants(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def drop(self, workload: str, name: str, seed: int, n_rows: int = 300) -> None:
        """A file of customers, copied in under a temporary name and renamed."""
        inbox = self.root / "data" / workload / "inbox"
        inbox.mkdir(parents=True, exist_ok=True)
        rows = customers(n_rows, seed, first_id=1_000 * seed)
        write_csv(inbox / f".{name}.part", rows).rename(inbox / name)

    def batches(self) -> list[str]:
        """The files of all landings."""
        landed = [event for event in read_history(self.repository.mill) if "Batch" in event.trailers]
        return sorted(event.subject.removeprefix("land churn: ") for event in landed)

    def prefect_runs(self, **state: Any) -> list[dict[str, Any]]:
        up = read_up(self.repository)
        assert up is not None
        query = {"flow_runs": {"state": state}} if state else {}
        answer: list[dict[str, Any]] = (
            httpx.post(f"{up.prefect}/api/flow_runs/filter", json=query).raise_for_status().json()
        )
        return answer

    def is_all_milled(self) -> bool:
        inboxes = [p for p in self.root.glob("data/*/inbox/*") if not p.name.startswith(".")]
        return not inboxes and not data_waiting(self.repository)

    def nothing_is_left(self, before: list[psutil.Process]) -> None:
        """No process, no lock, no worktree, no half-written file."""
        psutil.wait_procs(before, timeout=15)
        assert [p for p in before if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
        state = self.repository.state
        assert [lock.name for lock in (state / "locks").glob("*.lock") if is_owned(lock)] == []
        assert not (state / "up.json").exists()
        assert [p.name for p in (state / "worktrees").glob("*")] == []
