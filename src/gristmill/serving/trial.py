"""A version that is tried on live requests before anyone relies on it: as a shadow, or as a canary.

A shadow is asked copies of requests, from a bounded queue that drops rather than waits; its answers are written down and
given to nobody. A canary answers a share of the requests itself, chosen by a hash of the request id, and the champion is
asked beside it. Either is held against limits; one that breaks them ends itself, in all workers, and trial.json says why.

    .gristmill/serving/<w>/trial.json    {"bundle": ..., "version": ..., "mode": "canary", "share": 0.1, "limits": {...},
                                          "began": ..., "ended": null}
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json, write_json

Mode = Literal["shadow", "canary"]
Model = TypeVar("Model")


class TrialError(GristmillError):
    """A trial that cannot be."""


@dataclass(frozen=True)
class Limits:
    """What a version on trial must keep to."""

    after: int = 200
    """Requests of one worker from which on agreement and latency are judged."""
    errors: float = 0.01
    """Share of requests that it may fail to answer; judged after twenty."""
    agreement: float = 0.8
    """Share of items that it must answer as the champion does (classes alike, numbers within 5 %)."""
    latency: float = 3.0
    """How many times the champion's mean time it may take."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not (self.after >= 1 and 0 <= self.errors <= 1 and 0 <= self.agreement <= 1 and self.latency > 0):
            raise TrialError("limits: errors and agreement lie between 0 and 1, latency and after are above 0.")


@dataclass
class Tally:
    """What this worker has seen of a trial."""

    n: int = 0
    n_errors: int = 0
    n_items: int = 0
    n_agreed: int = 0
    seconds: float = 0.0
    champion_seconds: float = 0.0

    def broken(self, limits: Limits) -> str | None:
        """Which limit is broken, in words."""
        if self.n >= 20 and self.n_errors > limits.errors * self.n:
            return f"it failed to answer {self.n_errors} of {self.n} requests; {limits.errors:.1%} are allowed"
        if self.n < limits.after:
            return None
        if self.n_items and self.n_agreed < limits.agreement * self.n_items:
            return (
                f"it agreed with the champion in {self.n_agreed / self.n_items:.1%} of {self.n_items} items; "
                f"{limits.agreement:.1%} are asked for"
            )
        if self.seconds > limits.latency * self.champion_seconds:
            times = self.seconds / self.champion_seconds
            return f"it took {times:.1f} times as long as the champion; {limits.latency:g} are allowed"
        return None


@dataclass(frozen=True)
class Trial(Generic[Model]):
    """A version on trial, as trial.json has it."""

    path: Path
    bundle: str
    model: Model
    mode: Mode
    share: float
    limits: Limits
    tally: Tally = field(default_factory=Tally)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(
        self, answers: list[dict[str, Any]] | None, champion: list[dict[str, Any]], took: float, beside: float
    ) -> str:
        """Count one request that both were asked, and end the trial where a limit is broken.

        Args:
            answers: of the version on trial; None where it failed.
            champion: the champion's.
            took: seconds of the version on trial.
            beside: the champion's seconds.

        Returns:
            What came of it: `agreed`, `differed` or `failed`.
        """
        agreed = sum(map(_alike, answers, champion)) if answers is not None else 0
        with self.lock:
            tally = self.tally
            tally.n += 1
            if answers is None:
                tally.n_errors += 1
            else:
                tally.n_items += len(answers)
                tally.n_agreed += agreed
                tally.seconds += took
                tally.champion_seconds += beside
            why = tally.broken(self.limits)
        if why is not None:
            end_trial(self.path, self.bundle, why)
        return "failed" if answers is None else "agreed" if agreed == len(answers) else "differed"


def read_trial(path: Path, load: Callable[[Any], Model]) -> Trial[Model] | None:
    """The trial that a file describes, or None where there is none, or it has ended.

    Raises:
        TrialError: the file describes none that can be.
        GristmillError: its model cannot be loaded.
    """
    if not path.exists():
        return None
    try:
        told = read_json(path)
        if told.get("ended"):
            return None
        mode, share, limits = told["mode"], float(told["share"]), Limits(**told["limits"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrialError(f"{path.name} describes no trial ({type(error).__name__}: {error}).") from error
    if mode not in ("shadow", "canary") or not 0 < share <= 1:
        raise TrialError(f"{path.name}: the mode is shadow or canary, and the share above 0 and at most 1.")
    return Trial(path, str(told["bundle"]), load(told["bundle"]), mode, share, limits)


def end_trial(path: Path, bundle: str, why: str) -> None:
    """Write down that a trial has ended, unless that was written already, or another has begun."""
    told = read_json(path) if path.exists() else {}
    if told.get("bundle") == bundle and not told.get("ended"):
        ended = {"why": why, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        write_json(path, {**told, "ended": ended})


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if "label" in one:
        return bool(one["label"] == other["label"])
    a, b = one["prediction"], other["prediction"]
    return bool(abs(a - b) <= 0.05 * max(abs(a), abs(b)))
