"""`gristmill up`: it turns by itself, and whatever is killed, every file is in one batch and the newest data is milled."""

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.conftest import SEED, copy_of_todays_code, gristmill
from tests.houses import House, wait_for

from gristmill.runs.up import read_up

PROVE = os.environ.get("GRISTMILL_PROVE") == "1"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(copy_of_todays_code(tmp_path / "repo"))
    yield made
    made.kill()


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
    house.drop("churn", "before.csv", seed=1, n_rows=400)  # while nothing runs: found at the start
    with up(house):
        # a workload that is made meanwhile gets an inbox and a deployment, and turns beside the first
        house.add_workload("leavers", seed=2)
        inbox = house.root / "data" / "leavers" / "inbox"
        wait_for("an inbox of the new workload", inbox.is_dir, house.log)
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
            house.kill()
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
