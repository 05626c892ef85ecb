"""What the page shows, and what its models are called there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.evaluation.gates import Decision, GateSettings
from gristmill.evaluation.report.problem import ProblemSettings
from gristmill.evaluation.tables import Predictions

ROLE_NAMES = {"challenger": "challenger", "champion": "champion", "best": "best so far"}


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    workload: str
    problem: ProblemSettings
    settings: GateSettings
    decision: Decision
    holdout: Predictions
    """What each model answered to the held-out records."""
    metrics: Mapping[str, Any]
    """evaluation.json."""
    validation: Mapping[str, Any]
    """validation.json."""
    training: Mapping[str, Any]
    """training.json."""
    curves: Sequence[Mapping[str, Any]]
    """Rows of training.csv."""


def is_repeated(page: Page, role: str) -> bool:
    """Whether the best so far is the champion, and needs no place of its own."""
    return role == "best" and page.metrics["best_sha256"] == page.metrics["champion_sha256"]
