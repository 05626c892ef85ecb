"""The flow as Prefect sees it: outcomes are state names, the verdict is an artifact, nothing is pickled."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import commit_all, gristmill, turn

from gristmill.adapters.dvc import Dvc, StageTimeoutError
from gristmill.runs.repository import Repository

W = "credit-risk"


def asked(prefect_api: str, what: str) -> list[dict[str, Any]]:
    body = json.dumps({"sort": "CREATED_DESC", "limit": 100} if what == "artifacts" else {"limit": 100}).encode()
    return list(httpx.post(f"{prefect_api}/{what}/filter", content=body, timeout=60).json())


def test_outcomes_are_state_names_and_each_stage_is_a_task_with_its_log_lines(
    turned: Repository, prefect_api: str
) -> None:
    turn(turned.root, W, prefect_api)
    names = {run["state_name"] for run in asked(prefect_api, "flow_runs")}
    assert {"Promoted", "Unchanged"} <= names
    tasks = {run["name"] for run in asked(prefect_api, "task_runs")}
    assert {
        f"{stage}@{W}" for stage in ("ingest", "validate", "prepare", "train", "evaluate", "gate", "package")
    } <= tasks
    logs = {line["message"].strip() for line in asked(prefect_api, "logs")}
    assert any("Stage 'train@credit-risk' didn't change" in line or "samples/s" in line for line in logs)


def test_the_gates_decision_is_an_artifact_of_the_workload(turned: Repository, prefect_api: str) -> None:
    artifacts = [one for one in asked(prefect_api, "artifacts") if one["key"] == f"{W}-gate"]
    assert artifacts
    assert "PROMOTE" in artifacts[-1]["data"] and "floor" in artifacts[-1]["data"]


def test_neither_an_outcome_nor_a_failure_is_pickled(turned: Repository, prefect_api: str, tmp_path: Path) -> None:
    home = {"PREFECT_HOME": str(tmp_path / "home"), "PREFECT_API_URL": prefect_api}
    assert gristmill(turned.root, "run", W, **home).returncode == 0
    (turned.root / "src" / "gristmill" / "evaluation" / "metrics.py").write_text("raise RuntimeError\n")
    commit_all(turned.root, "break evaluation")
    assert gristmill(turned.root, "run", W, **home).returncode == 1
    stored = [path for path in (tmp_path / "home" / "storage").rglob("*") if path.is_file()]
    assert stored, "Prefect stores the exception of a failed flow; if it no longer does, this test says nothing"
    for path in stored:
        assert json.loads(path.read_text("utf-8")).keys() == {"__exc_type__", "message"}, "the exception, as text"


def test_a_stage_that_works_too_long_is_ended_with_all_its_processes(
    tmp_path: Path, make_file: Callable[[str, str], Path]
) -> None:
    folder = tmp_path / "repo"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (folder / "dvc.yaml").write_text("stages:\n  slow:\n    cmd: exec sleep 600\n")
    started = time.monotonic()
    with pytest.raises(StageTimeoutError, match=r"stage slow was ended after 2 s.*turn\.stage_timeout_s"):
        Dvc(folder, folder / ".dvc" / "cache").reproduce("slow", print, timeout_s=2)
    assert time.monotonic() - started < 60
