"""PROMOTE, HOLD or REJECT: the verdict on a challenger, and the page that shows what it rests on.

A verdict is data: all three end this stage well. What acts on it is the flow, and a person.
"""

import csv
from pathlib import Path
from typing import Any

from gristmill.evaluation.gates import Evidence, GateSettings, judge
from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.report.page import render
from gristmill.evaluation.report.problem import ProblemSettings
from gristmill.evaluation.tables import ROLES, read_predictions
from gristmill.ground.files import read_json, write_json, write_text
from gristmill.ground.workload import Workload


def gate(workload: Workload) -> None:
    """Write reports/<w>/{gate.json, report.html} from the figures and predictions of the earlier stages.

    Raises:
        SettingsError: the section `gate` or `problem` does not fit.
        GateMetricError: it asks for a metric that the task does not have.
    """
    settings = GateSettings.read(workload.params, "gate")
    problem = ProblemSettings.read(workload.params, "problem")
    metrics = read_json(workload.reports / "evaluation.json")
    evidence = Evidence(
        workload=workload.name,
        task=metrics["task"],
        holdout=read_predictions(workload.reports / "predictions" / "holdout.parquet"),
        sha256={role: metrics[f"{role}_sha256"] for role in ROLES},
        left_out=metrics["left_out"],
        barred=read_json(workload.barred)["models"],
    )
    decision = judge(evidence, settings)
    page = Page(
        workload=workload.name,
        problem=problem,
        settings=settings,
        decision=decision,
        holdout=evidence.holdout,
        metrics=metrics,
        validation=read_json(workload.reports / "validation.json"),
        training=read_json(workload.reports / "training.json"),
        curves=_curves(workload.reports / "training.csv"),
    )
    write_text(workload.reports / "report.html", render(page))
    write_json(
        workload.reports / "gate.json",
        {
            "verdict": decision.verdict,
            "sentence": decision.sentence,
            **{f"{role}_sha256": evidence.sha256[role] for role in ROLES},
            "checks": [check.to_json() for check in decision.checks],
            "comparison": decision.comparison,
            "smallest_visible_difference": decision.smallest_visible_difference,
            "sensitivity": decision.sensitivity,
        },
    )
    print(f"{decision.verdict}: {decision.sentence}", flush=True)


def _curves(path: Path) -> list[dict[str, Any]]:
    """Rows of training.csv: epoch, split, and figures."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: value if key == "split" else float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
