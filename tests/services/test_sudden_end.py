"""`kill -9` of everything while it answers: at most the last second of the log is missing, and that is counted."""

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
from tests.hammer import Hammer
from tests.real_servers import lean_command, wait_until_ready
from tests.toy_models import IMAGES, write_bento

from gristmill.ground.files import write_json
from gristmill.runs.repository import Repository
from gristmill.runs.requests import answers_of, find_labels, roll
from gristmill.serving.command import free_port

W = "credit-risk"


def test_of_what_was_answered_the_log_lacks_at_most_the_last_second(repository: Repository, tmp_path: Path) -> None:
    root, port = repository.serving(W), free_port()
    write_bento(tmp_path / "bento", IMAGES)
    write_json(tmp_path / "bento" / "deployment.json", {"version": "v1.0.0", "personal": []})
    (tmp_path / "numbers").mkdir()
    numbers = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "numbers")}
    environment = {**os.environ, **numbers, "GRISTMILL_BENTO": str(tmp_path / "bento"), "GRISTMILL_SERVING": str(root)}
    process = subprocess.Popen(lean_command(port, workers=2), env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        family = psutil.Process(process.pid).children(recursive=True)
        with Hammer(f"{url}/predict", json.dumps({"images": [[[0, 0, 0]] * 4]}).encode()) as hammer:
            hammer.wait_for(500)
            early = hammer.answers[0].content["request_id"]
            assert httpx.post(f"{url}/feedback", json={"request_id": early, "label": "boot"}).status_code == 200
            hammer.wait_for(1500)
            for pid in (process.pid, *(worker.pid for worker in family)):
                os.kill(pid, signal.SIGKILL)
            hammer.wait_for(10**9)  # until the first connection breaks
    finally:
        process.kill()
        process.wait()
    given = {answer.content["request_id"]: answer.at for answer in hammer.answers if answer.status == 200}
    totals = roll(repository, repository.workload(W))
    kept = {asked.request_id: asked for asked in answers_of(repository, W)}
    missing = given.keys() - kept.keys()
    last = max(given.values())
    assert all(last - given[one] < 1.0 for one in missing)
    assert totals["dropped"] == 0 and len(missing) <= totals["lost"] <= len(missing) + 100
    assert totals["offered"] >= len(given)
    assert [label.label for label in find_labels(repository, kept[early])] == ["boot"]
