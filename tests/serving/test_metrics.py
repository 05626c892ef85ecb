"""What is counted, and the dashboard that shows it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.serving.metrics import REASONS, Metrics

DASHBOARD = Path(__file__).resolve().parents[2] / "services" / "grafana.json"


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    for status in (200, *REASONS):
        metrics.observe("/predict", status, 0.003)
    for counter in (metrics.swaps, metrics.trials, metrics.feedback):
        counter.labels("one").inc()
    metrics.serves("champion", "v1.0.0")
    return metrics


def test_every_metric_of_the_dashboard_exists_and_has_the_labels_that_it_is_asked_for(metrics: Metrics) -> None:
    text = metrics.text(3).decode()
    expressions = [
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    ]
    asked = {name for expression in expressions for name in re.findall(r"gristmill_\w+", expression)}
    there = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert asked - there == set()
    ours = {re.sub("_(bucket|sum|count|created|total)$", "", name) for name in there}
    shown = {re.sub("_(bucket|total)$", "", name) for name in asked}
    assert {name for name in ours if name.startswith("gristmill_")} - shown == set(), "every metric is shown"
    for expression in expressions:
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            [name] = re.findall(r"gristmill_\w+", expression)
            lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
            assert lines and all(f"{label.strip()}=" in lines[0] for label in labels.split(",")), expression


def test_a_quantile_lies_in_the_bucket_of_what_was_measured(metrics: Metrics) -> None:
    counters = metrics.counters()
    assert counters["requests"] == len(REASONS) + 1 and counters["refused"] == len(REASONS)
    assert 2.5 < counters["p50_ms"] <= 5.0 and 2.5 < counters["p99_ms"] <= 5.0
    assert Metrics().counters()["p50_ms"] is None


WORKER = """
import os, sys
from gristmill.serving.metrics import Metrics
metrics = Metrics()
metrics.observe("/predict", 200, 0.001)
metrics.serves("champion", "v1.0.0")
if len(sys.argv) > 1:
    print(metrics.counters()["requests"])
os._exit(0)  # as a worker that is killed: what it counted stays
"""


def test_the_numbers_of_all_processes_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    subprocess.run([sys.executable, "-c", WORKER], check=True)
    done = subprocess.run([sys.executable, "-c", WORKER, "tell"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "2"
    alive = "from gristmill.serving.metrics import Metrics\nprint(Metrics().text(0).decode())"
    text = subprocess.run([sys.executable, "-c", alive], check=True, capture_output=True, text=True).stdout
    assert 'gristmill_requests_total{route="/predict",status="200"} 2.0' in text
    assert "v1.0.0" not in text, "what a dead worker answered with, nobody does any more"


def test_a_path_that_a_caller_made_up_is_no_label(metrics: Metrics) -> None:
    for number in range(50):
        metrics.observe(f"/{number}", 404, 0.001)
    assert 'route="other",status="404"} 50.0' in metrics.text(0).decode()
    assert 'route="/7"' not in metrics.text(0).decode()
