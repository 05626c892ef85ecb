"""The gate: PROMOTE, HOLD or REJECT, with a sentence for each check.

    PROMOTE  every floor holds, and the challenger is surely not worse than the champion, nor than the best version so far,
             by more than the margin
    HOLD     the floors hold, but evidence is missing: a person may promote
    REJECT   a floor is broken, or the challenger is surely worse, or a rollback took this very model out

"Surely" is a test of non-inferiority: the whole interval of the paired difference lies above -margin. Asking only that the
challenger scored no lower would let through half of all equally good models and nearly half of the slightly worse ones. The
second comparison, with the best version so far, stops a hundred small steps down, each within the margin.

Floors are judged on the holdout's point value: they are a requirement, not a comparison, and the report shows their
interval beside them. The benchmark is reported and never gated on, or it would slowly be fitted to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from gristmill.evaluation.comparison import Difference, Interval, Resampling, compare, interval_of, point_value
from gristmill.evaluation.metrics import METRICS, Metric, higher_is_better
from gristmill.evaluation.tables import Predictions
from gristmill.evaluation.words import figure, metric_words, signed
from gristmill.ground.errors import GristmillError
from gristmill.ground.settings import Settings

Verdict = Literal["PROMOTE", "HOLD", "REJECT"]
Outcome = Literal["pass", "fail", "unsure"]


class GateSettings(Settings):
    """What a challenger must pass, on the held-out records."""

    metric: Metric
    """Compares challenger, champion and best; whether more or less of it is better follows from the metric."""
    floors: dict[Metric, float] = Field(min_length=1)
    """The least that a model in production must reach; for log_loss, mae and rmse the most that it may have."""
    margin: float = Field(ge=0)
    """How much worse than the champion (and than the best so far) is still acceptable, in units of `metric`."""
    confidence: float = Field(default=0.95, ge=0.5, le=0.999)
    """Of the interval; a model that is worse by exactly the margin passes in (1 - confidence) / 2 of all cases."""
    resamples: int = Field(default=10_000, ge=200, le=1_000_000)
    """Draws of the bootstrap; with 10,000 the ends of the interval wobble by about 1 % of its width."""
    seed: int = Field(default=0, ge=0)
    """Of the bootstrap: the same records and answers give the same verdict."""

    @property
    def resampling(self) -> Resampling:
        """How intervals are made."""
        return Resampling(self.confidence, self.resamples, self.seed)


class GateMetricError(GristmillError):
    """The gate asks for a metric that the task does not have."""

    def __init__(self, workload: str, metric: str, task: str) -> None:
        super().__init__(workload, metric, task)

    def __str__(self) -> str:
        workload, metric, task = self.args
        known = ", ".join(METRICS[task])
        return f"gate.metric or gate.floors in params/{workload}.yaml asks for '{metric}'; a {task} has {known}."


@dataclass(frozen=True)
class Evidence:
    """What the verdict is about."""

    workload: str
    task: str
    holdout: Predictions
    sha256: Mapping[str, str | None]
    """By role; None where there is no such model yet."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """By role: why a model could not be asked, as a sentence."""
    barred: Sequence[Mapping[str, Any]] = ()
    """What rollbacks took out: model_sha256, version, reason."""


@dataclass(frozen=True)
class Check:
    """One question that the gate asked, and its answer."""

    name: str
    outcome: Outcome
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it stands in gate.json."""
        return {"name": self.name, "outcome": self.outcome, "sentence": self.sentence, **self.numbers}


@dataclass(frozen=True)
class Decision:
    """The verdict and what it rests on."""

    verdict: Verdict
    sentence: str
    checks: list[Check]
    comparison: dict[str, Any]
    """The figures of the deciding metric, by role."""
    smallest_visible_difference: float | None
    """Half the width of the interval: a true difference smaller than this cannot be told from none. None: no records."""
    sensitivity: str
    """The same as a sentence."""


def judge(evidence: Evidence, settings: GateSettings) -> Decision:
    """Weigh the evidence.

    Raises:
        GateMetricError: a metric is not one of the task's.
    """
    for metric in (settings.metric, *settings.floors):
        if metric not in METRICS[evidence.task]:
            raise GateMetricError(evidence.workload, metric, evidence.task)
    n = len(evidence.holdout.record_ids)
    differences = _differences(evidence, settings) if n else {}
    own = interval_of(settings.metric, *_challenger(evidence), settings.resampling) if n else None

    checks = [*_barred(evidence), *(_floor(evidence, settings, metric) for metric in settings.floors)]
    checks += [
        _comparison(evidence, settings, role, differences.get(role))
        for role in ("champion", "best")
        if evidence.sha256[role] and (role == "champion" or evidence.sha256[role] != evidence.sha256["champion"])
    ]
    verdict: Verdict = "PROMOTE"
    if any(check.outcome == "fail" for check in checks):
        verdict = "REJECT"
    elif any(check.outcome == "unsure" for check in checks):
        verdict = "HOLD"
    visible, sensitivity = _sensitivity(evidence, settings, differences, own)
    return Decision(
        verdict=verdict,
        sentence=_summary(verdict, checks, evidence),
        checks=checks,
        comparison=_figures(evidence, settings, differences, own),
        smallest_visible_difference=visible,
        sensitivity=sensitivity,
    )


def _challenger(evidence: Evidence) -> tuple[Any, Any]:
    return evidence.holdout.target, evidence.holdout.answers["challenger"]


def _differences(evidence: Evidence, settings: GateSettings) -> dict[str, Difference]:
    """Of the challenger against each other model that could be asked; the very same model differs by exactly nothing."""
    target, challenger = _challenger(evidence)
    differences: dict[str, Difference] = {}
    for role in ("champion", "best"):
        if role not in evidence.holdout.answers:
            continue
        if evidence.sha256[role] == evidence.sha256["challenger"]:
            value = point_value(settings.metric, target, challenger)
            differences[role] = Difference(value, value, 0.0, Interval(0.0, 0.0), 0)
        elif role == "best" and "champion" in differences and evidence.sha256["champion"] == evidence.sha256["best"]:
            differences[role] = differences["champion"]
        else:
            answers = evidence.holdout.answers[role]
            differences[role] = compare(settings.metric, target, challenger, answers, settings.resampling)
    return differences


def _barred(evidence: Evidence) -> list[Check]:
    for entry in evidence.barred:
        if entry["model_sha256"] == evidence.sha256["challenger"]:
            sentence = (
                f"This very model is {entry['version']}, which a rollback took out of production ({entry['reason']}); "
                "it does not come back by itself, but a person can still promote it: "
                f"`gristmill promote {evidence.workload} {entry['version']} --reason ...`."
            )
            return [Check("barred", "fail", sentence)]
    return []


def _floor(evidence: Evidence, settings: GateSettings, metric: Metric) -> Check:
    floor, name = settings.floors[metric], metric_words(metric)
    bound = "floor" if higher_is_better(metric) else "ceiling"
    n = len(evidence.holdout.record_ids)
    if not n:
        sentence = f"No record is in the holdout yet, so {name} cannot be measured against its {bound} of {floor:g}."
        return Check(f"{bound}: {metric}", "unsure", sentence, {"floor": floor})
    target, answers = _challenger(evidence)
    value = point_value(metric, target, answers)
    interval = interval_of(metric, target, answers, settings.resampling)
    holds = value >= floor if higher_is_better(metric) else value <= floor
    broken = "below" if higher_is_better(metric) else "above"
    sentence = (
        f"{name[0].upper()}{name[1:]} is {figure(value)} on {n:,} held-out records ({_percent(settings)} interval "
        f"{figure(interval.lower)} to {figure(interval.upper)}); "
        + (f"the {bound} of {floor:g} holds." if holds else f"this is {broken} the {bound} of {floor:g}.")
    )
    numbers = {"value": value, "floor": floor, "lower": interval.lower, "upper": interval.upper}
    return Check(f"{bound}: {metric}", "pass" if holds else "fail", sentence, numbers)


def _comparison(evidence: Evidence, settings: GateSettings, role: str, difference: Difference | None) -> Check:
    name = f"not worse than the {_other(role)}"
    if difference is None:
        why = evidence.left_out.get(role, "") if evidence.holdout.record_ids else "The holdout is empty."
        return Check(name, "unsure", f"There is no comparison with the {_other(role)}. {why}".rstrip())
    if evidence.sha256[role] == evidence.sha256["challenger"]:
        sentence = f"The challenger is the {_other(role)} itself, bit for bit: the difference is exactly 0."
        return Check(name, "pass", sentence, _difference_numbers(difference))
    outcome: Outcome = "unsure"
    lead = "It cannot be said yet whether it is worse"
    if difference.interval.lower >= -settings.margin:
        outcome, lead = "pass", "Surely not worse"
    elif difference.interval.upper < -settings.margin:
        outcome, lead = "fail", "Surely worse"
    sentence = (
        f"{lead} than the {_other(role)} by more than the margin of {settings.margin:g}: "
        f"{_difference_words(evidence, settings, difference)}."
    )
    return Check(name, outcome, sentence, _difference_numbers(difference))


def _difference_words(evidence: Evidence, settings: GateSettings, difference: Difference) -> str:
    better = "" if higher_is_better(settings.metric) else " (positive is better)"
    return (
        f"{metric_words(settings.metric)} {figure(difference.value)} against {figure(difference.other)} on the same "
        f"{len(evidence.holdout.record_ids):,} records, a difference of {signed(difference.gain)}{better}, "
        f"{_percent(settings)} interval {signed(difference.interval.lower)} to {signed(difference.interval.upper)}"
    )


def _difference_numbers(difference: Difference) -> dict[str, float]:
    return {
        "value": difference.value,
        "other": difference.other,
        "difference": difference.gain,
        "lower": difference.interval.lower,
        "upper": difference.interval.upper,
        "n_disagree": difference.n_disagree,
    }


def _sensitivity(
    evidence: Evidence, settings: GateSettings, differences: Mapping[str, Difference], own: Interval | None
) -> tuple[float | None, str]:
    """How small a difference this gate can see.

    With another model to compare with: half the width of the interval, at the disagreement that was observed. Without one:
    what it would be for two models of this quality that fail on unrelated records (variances add), which real successors
    stay below.
    """
    n, name = len(evidence.holdout.record_ids), metric_words(settings.metric)
    if own is None:
        return None, "The holdout is empty, so this gate can see no difference at all. Land more data."
    others = [one for role, one in differences.items() if evidence.sha256[role] != evidence.sha256["challenger"]]
    if others:
        visible = max(one.interval.half_width for one in others)
        sentence = f"With these {n:,} records, this gate sees differences in {name} of about {figure(visible)} or more"
    else:
        visible = own.half_width * 2**0.5
        sentence = (
            f"With {n:,} records, this gate will see differences in {name} of about {figure(visible)} or more, and smaller "
            "ones between models that agree on most records"
        )
    if visible <= settings.margin:
        return visible, f"{sentence}; the margin is {settings.margin:g}."
    mostly = "would mostly" if others else "may"  # without a comparison the estimate is the worst case
    return visible, (
        f"{sentence}. The margin of {settings.margin:g} is narrower than that: even an equally good model {mostly} end in "
        "HOLD. More records make the gate sharper; a wider margin makes it milder."
    )


def _figures(
    evidence: Evidence, settings: GateSettings, differences: Mapping[str, Difference], own: Interval | None
) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "metric": settings.metric,
        "higher_is_better": higher_is_better(settings.metric),
        "margin": settings.margin,
        "confidence": settings.confidence,
        "n": len(evidence.holdout.record_ids),
        "challenger": point_value(settings.metric, *_challenger(evidence)) if own else None,
        "champion_sha256": evidence.sha256["champion"],
        "best_sha256": evidence.sha256["best"],
    }
    for role in ("champion", "best"):
        figures[role] = differences[role].other if role in differences else None
    return figures


def _summary(verdict: Verdict, checks: list[Check], evidence: Evidence) -> str:
    if verdict == "REJECT":
        return " ".join(check.sentence for check in checks if check.outcome == "fail")
    unsure = [check.sentence for check in checks if check.outcome == "unsure"]
    if verdict == "HOLD":
        floors_hold = all(check.outcome == "pass" for check in checks if ":" in check.name)
        return ("Every floor holds, but evidence is missing. " if floors_hold else "Evidence is missing. ") + " ".join(
            unsure
        )
    compared = [check.sentence for check in checks if check.name.startswith("not worse")]
    if not compared:
        floors = " ".join(check.sentence for check in checks)
        return f"{floors} There is no champion yet to compare with."
    return "Every floor holds. " + " ".join(compared)


def _other(role: str) -> str:
    return "champion" if role == "champion" else "best version so far"


def _percent(settings: GateSettings) -> str:
    return f"{settings.confidence * 100:g} %"
