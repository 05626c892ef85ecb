"""kill -9 of the flow, of dvc or of the stage, in each of the seven stages: no orphan, nothing half, the next turn succeeds.

Three cases, rotating, in the suite; all of them with GRISTMILL_PROVE=1. GRISTMILL_SEED repeats a choice.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import psutil
import pytest
from tests.applications import applications, write_applications
from tests.conftest import SEED, turn
from tests.e2e.test_turn import stage_process

from gristmill.ground.pipeline import STAGES
from gristmill.registry.history import read_history
from gristmill.registry.versions import read_versions
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

W = "credit-risk"
VICTIMS = ("flow", "dvc", "stage")


def cases() -> list[tuple[str, str, bool, float]]:
    """Victim, stage, whether SHELL is unset, and how many seconds the stage may work before (each takes at least 0.4)."""
    rng = random.Random(SEED)
    every = [
        (victim, stage, rng.random() < 0.5, round(rng.uniform(0, 0.25), 3))
        for victim, stage in product(VICTIMS, STAGES)
    ]
    if os.environ.get("GRISTMILL_PROVE"):
        return every
    return [rng.choice([case for case in every if case[0] == victim]) for victim in VICTIMS]


def processes_of(root: Path) -> list[psutil.Process]:
    """Processes that work in a repository or in one of its worktrees."""
    return [
        process
        for process in psutil.process_iter(["cwd", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(process.info["cwd"] or "").startswith(str(root))
    ]


def damaged_objects(cache: Path) -> list[Path]:
    """Files of a DVC cache whose content is not what their name says."""
    objects = [path for path in (cache / "files" / "md5").glob("??/*") if not path.name.endswith(".dir")]
    return [
        path
        for path in objects
        if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != path.parent.name + path.name
    ]


@pytest.mark.parametrize(("victim", "stage", "without_shell", "after_s"), cases(), ids=str)
def test_a_kill_leaves_no_orphan_and_nothing_half_and_the_next_turn_succeeds(
    victim: str, stage: str, without_shell: bool, after_s: float, turned: Repository, prefect_api: str
) -> None:
    number = VICTIMS.index(victim) * len(STAGES) + STAGES.index(stage)  # other data for each: none is in the run cache
    rows = applications(200, seed=SEED % 10_000 + number)
    land(turned, turned.workload(W), [write_applications(turned.root.parent / "more.csv", rows)])
    tip = turned.mill.tip()
    environment = {**os.environ, "PREFECT_API_URL": prefect_api}
    if without_shell:
        environment.pop("SHELL", None)
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "gristmill"), "run", W],
        cwd=turned.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as flow:
        running = stage_process(turned.root, stage)
        target = {"flow": flow.pid, "dvc": running.ppid(), "stage": running.pid}[victim]
        time.sleep(after_s)
        os.kill(target, signal.SIGKILL)
        printed, _ = flow.communicate(timeout=120)
    assert flow.returncode != 0
    if victim != "flow":
        assert f"gristmill: {stage}@{W}: " in printed or f"gristmill: stage {stage}@{W} failed" in printed

    deadline = time.monotonic() + 10
    while processes_of(turned.root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(turned.root) == []
    assert turned.mill.tip() == tip, "a turn that did not end leaves no record"
    assert damaged_objects(turned.cache) == []

    turn(turned.root, W, prefect_api)
    assert read_history(turned.mill, W)[0].subject != "land"
    assert len(read_versions(turned.git, W)) == 2
    assert damaged_objects(turned.cache) == []
    assert [path for path in (turned.state / "worktrees").iterdir() if path.is_dir()] == []
