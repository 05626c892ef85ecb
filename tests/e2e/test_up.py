"""`gristmill up`: it turns by itself, and whatever is killed, every file is in one batch and the newest data is milled."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from examples.churn.customers import customers, write_csv
from tests.conftest import SEED, commit_all, copy_of_todays_code, gristmill, make_quick

from gristmill.registry.history import read_history
from gristmill.runs.locks import is_owned
from gristmill.runs.repository import Repository
from gristmill.runs.up import read_up
from gristmill.runs.waiting import data_waiting

PROVE = os.environ.get("GRISTMILL_PROVE") == "1"
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

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(copy_of_todays_code(folder / "repo"))
        self.root = self.repository.root
        self.log = folder / "up.log"
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


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        children = made.descendants()
        made.process.kill()
        psutil.wait_procs(children, timeout=10)


@contextmanager
def up(house: House) -> Iterator[None]:
    house.start()
    house.await_up()
    yield
    children = house.descendants()
    assert house.stop() == 0
    house.nothing_is_left(children)


def test_files_in_inboxes_become_champions_that_answer_with_no_command_typed(house: House) -> None:
    house.add_workload("churn")
    house.add_workload("leavers", seed=2)
    house.drop("churn", "before.csv", seed=1, n_rows=400)  # while nothing runs
    with up(house):
        # found at the start; a second workload turns beside the first
        house.drop("leavers", "first.csv", seed=2, n_rows=400)
        services = wait_for(
            "two services", lambda: (u := read_up(house.repository)) and len(u.services) == 2 and u.services, house.log
        )
        spans = {
            run["name"]: (run["start_time"], run["end_time"] or "9999")
            for run in house.prefect_runs(type={"any_": ["COMPLETED", "RUNNING"]})
        }
        assert spans["churn"][0] < spans["leavers"][1] and spans["leavers"][0] < spans["churn"][1], "two turn at once"

        # the cron deployment has yielded a run, for a time to come
        scheduled = wait_for("a scheduled run", lambda: house.prefect_runs(type={"any_": ["SCHEDULED"]}), house.log)
        assert {run["name"] for run in scheduled} and all(run["auto_scheduled"] for run in scheduled)

        def version() -> str | None:
            try:
                return str(httpx.get(f"{services['churn']}/model").json()["version"])
            except httpx.TransportError:
                return None

        wait_for("v1.0.0", lambda: version() == "v1.0.0", house.log)

        # six files within three seconds make one run
        wait_for("all to be milled", house.is_all_milled, house.log)
        n_runs = len(house.prefect_runs(type={"any_": ["COMPLETED", "RUNNING", "PENDING", "FAILED", "CRASHED"]}))
        for i in range(6):
            house.drop("churn", f"part-{i}.csv", seed=10 + i)
            time.sleep(0.45)
        wait_for("the six to be milled", house.is_all_milled, house.log)
        wait_for("the turn to end", lambda: not house.prefect_runs(type={"any_": ["RUNNING", "PENDING"]}), house.log)
        ended = house.prefect_runs(type={"any_": ["COMPLETED", "FAILED", "CRASHED"]})
        assert len(ended) == n_runs + 1, house.log.read_text("utf-8")
        gate = json.loads(house.repository.mill.read("reports/churn/gate.json") or b"{}")
        if gate["verdict"] == "PROMOTE":
            wait_for("the new champion to answer", lambda: version() == "v1.0.1", house.log)

        # what cannot land is named, stays, and stops nothing
        stranger = house.root / "data" / "nobody" / "inbox"
        stranger.mkdir(parents=True)
        (stranger / "x.csv").write_text("a\n1\n", "utf-8")
        pictures = house.root / "data" / "mnist" / "inbox"
        (pictures / "alone").write_bytes((2051).to_bytes(4, "big") + bytes(12))
        told = wait_for(
            "a sentence", lambda: (s := gristmill(house.root, "status").stdout) and "alone waits" in s and s
        )
        assert "params.yaml knows no workload 'nobody'" in told
        assert "it holds images without labels" in told
        assert (stranger / "x.csv").exists() and (pictures / "alone").exists()

        again = gristmill(house.root, "up")
        assert again.returncode == 1
        assert f"it is up already, process {house.process.pid}" in again.stdout  # type: ignore[union-attr]
    log = house.log.read_text("utf-8")
    assert "churn: before.csv landed as batch" in log and "s after it was asked for" in log
    assert "run: Promoted v1.0.0" in log


def test_down_from_another_terminal_ends_it_in_order_and_a_taken_port_is_a_sentence(house: House) -> None:
    done = gristmill(house.root, "down")
    assert done.returncode == 1 and "nothing is up in this repository" in done.stdout
    house.start()
    house.await_up()
    children = house.descendants()
    done = gristmill(house.root, "down")
    assert done.returncode == 0, done.stdout
    assert house.process is not None and house.process.wait(60) == 0
    house.nothing_is_left(children)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = str(listener.getsockname()[1])
        done = gristmill(house.root, "up", "--port", taken)
    assert done.returncode == 1 and f"port {taken} of 127.0.0.1 is in use" in done.stdout


@pytest.mark.parametrize("at", random.Random(SEED).sample(range(2, 30), 10 if PROVE else 2))
def test_ctrl_c_at_any_moment_leaves_nothing(house: House, at: int) -> None:
    house.add_workload("churn")
    house.drop("churn", "first.csv", seed=1, n_rows=400)
    house.start()
    time.sleep(at)
    assert house.process is not None
    children = house.descendants() if house.process.poll() is None else []
    assert house.stop() in (0, 130)
    house.nothing_is_left(children)


VICTIMS = {"watcher": "flows watch", "worker": "prefect worker", "server": "create_app", "flow": "prefect.engine"}


def test_after_kills_at_random_moments_every_file_is_in_one_batch_and_the_newest_data_is_milled(house: House) -> None:
    rng = random.Random(SEED)
    house.add_workload("churn")
    house.drop("churn", "file-0.csv", seed=1, n_rows=400)
    kills = [victim for victim in VICTIMS for _ in range(10 if PROVE else 2)]
    rng.shuffle(kills)
    n_files = 1
    for victim in kills:
        house.start()
        house.await_up()
        house.drop("churn", f"file-{n_files}.csv", seed=100 + n_files, n_rows=100)
        n_files += 1
        target = wait_for(f"the {victim}", lambda words=VICTIMS[victim]: house.part(words), house.log)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 6))
        if target.is_running():
            target.kill()
        time.sleep(rng.uniform(0, 2))
        assert house.process is not None
        if rng.random() < 0.5:  # the house itself goes down as suddenly
            children = house.descendants()
            house.process.kill()
            house.process.wait()
            psutil.wait_procs(children, timeout=10)
        else:
            assert house.stop() == 0
    house.start()
    house.await_up()
    wait_for("everything to be milled", house.is_all_milled, house.log)
    wait_for(
        "the last turn to end",
        lambda: not house.prefect_runs(type={"any_": ["RUNNING", "PENDING", "CANCELLING"]}),
        house.log,
    )
    assert house.batches() == sorted(f"file-{i}.csv" for i in range(n_files)), "each file is in exactly one batch"
    children = house.descendants()
    assert house.stop() == 0
    house.nothing_is_left(children)
