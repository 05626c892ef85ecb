"""What answers requests, whatever stands in front of it: models, ids, log, feedback, numbers and tokens of one worker."""

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gristmill.ground.errors import GristmillError
from gristmill.serving.access import Access
from gristmill.serving.feedback import Feedback
from gristmill.serving.ids import Ids, share_of
from gristmill.serving.live import Live, NotReadyError, Serving, State
from gristmill.serving.metrics import Metrics
from gristmill.serving.request_log import Entry, RequestLog

MAX_BESIDE = 256
"""Requests that wait to be put to the other model of a trial; more are dropped."""
_IDLE_S = 0.02

_logger = logging.getLogger("gristmill.serving")


class _Asked(NamedTuple):
    """A request that was answered, with what the answer took."""

    request_id: str
    at: float
    columns: Any
    predictions: list[dict[str, Any]]
    latency_s: float
    took: float
    """Seconds of the model alone."""


class Service:
    """Answers with the champion, and tries out what is on trial."""

    def __init__(self, carried: Path, root: Path | None, access: Access) -> None:
        """Load nothing yet.

        Args:
            carried: the `src` folder of the Bento that runs.
            root: the workload's serving folder: pointers, bundles, request log, feedback; None for a Bento on its own.
            access: who may ask.
        """
        self.access = access
        self.live = Live(carried, root, self._on_change)
        self._root = root
        self._beside: deque[tuple[State, _Asked]] = deque()
        self._stopped = threading.Event()
        self._asker = threading.Thread(target=self._ask_beside, name="trial", daemon=True)

    def start(self) -> None:
        """Load the model and begin to keep books; once in each worker, before its first request."""
        self.metrics = Metrics()
        self.ids = Ids(self._root)
        self.feedback = Feedback(self._root, self.ids)
        self.log = RequestLog(self._root, self.ids.blind, self.metrics.log_dropped.inc)
        self.live.start()
        self.log.start()
        self._asker.start()

    def stop(self) -> None:
        """End the threads; what was answered is written down first."""
        self._stopped.set()
        self.live.stop()
        self._asker.join()
        self.log.stop()

    def answer(self, request: Any) -> dict[str, Any]:
        """Answer a request; the stamp belongs to the very model that answered.

        Raises:
            NotReadyError: no model is loaded.
            GristmillError: the request is not one that the contract allows.
        """
        at, began = time.time(), time.perf_counter()
        state = self.live.state
        if (champion := state.champion) is None:
            raise NotReadyError(self.live.refusal)
        columns = champion.predictor.columns(request)
        request_id = self.ids.new(len(next(iter(columns.values()))))
        trial = state.trial if state.trial is not None and share_of(request_id) < state.trial.share else None
        is_canary = trial is not None and trial.mode == "canary"
        read = time.perf_counter()
        predictions = _answered(trial.model, columns) if trial is not None and is_canary else None
        serving = champion if trial is None or predictions is None else trial.model
        if predictions is None:  # also where the canary failed: nobody who asks pays for a trial
            predictions = champion.predictor.answer(columns)
        ended = time.perf_counter()
        asked = _Asked(request_id, at, columns, predictions, ended - began, ended - read)
        self.log.put(_entry(serving, "champion" if serving is champion else "canary", asked))
        if is_canary and serving is champion:
            self._judge(state, None, asked, 0.0)
        elif trial is not None:
            self._put_beside(state, asked)
        return {
            "request_id": request_id,
            "version": serving.version,
            "model_sha256": serving.package["model_sha256"],
            "predictions": predictions,
        }

    def take_feedback(self, body: Any) -> dict[str, Any]:
        """Keep a true label.

        Raises:
            GristmillError: why not.
        """
        kept = self.feedback.take(body, self.live.ask().predictor.contract)
        self.metrics.feedback.labels(kept["result"]).inc()
        return kept

    def describe(self) -> dict[str, Any]:
        """What `/model` says: what was deployed and packaged, what is on trial, and what is not as it should be."""
        state = self.live.state
        about: dict[str, Any] = {"workload": None, "version": None, "refused": self.live.refusal}
        if (serving := state.champion) is not None:
            manifest, contract = serving.predictor.manifest, serving.predictor.contract
            about |= {"workload": manifest.get("workload"), **serving.deployment, **serving.package}
            about |= {"contract": contract, "manifest": manifest}
            if state.since is not None:
                about["since"] = state.since
        trial = state.trial
        about["trial"] = trial and {"version": trial.model.version, "mode": trial.mode, "share": trial.share}
        about["trial_refused"], about["log_fault"] = self.live.trial_refusal, self.log.fault
        return about

    def _on_change(self, is_swapped: bool | None) -> None:
        if is_swapped is not None:
            self.metrics.swaps.labels("swapped" if is_swapped else "refused").inc()
        champion, trial = self.live.state.champion, self.live.state.trial
        for role, serving in (("champion", champion), ("trial", trial.model if trial else None)):
            self.metrics.serves(role, None if serving is None else serving.version or "unregistered")

    def _put_beside(self, state: State, asked: _Asked) -> None:
        if len(self._beside) < MAX_BESIDE:
            self._beside.append((state, asked))
        else:
            self.metrics.trials.labels("dropped").inc()

    def _ask_beside(self) -> None:
        """Put what was asked to the other model: a shadow to the version on trial, a canary's to the champion."""
        while not self._stopped.wait(0 if self._beside else _IDLE_S):
            if not self._beside:
                continue
            state, asked = self._beside.popleft()
            try:
                self._compare(state, asked)
            except Exception:
                _logger.exception("a request could not be compared")

    def _compare(self, state: State, asked: _Asked) -> None:
        trial, champion = state.trial, state.champion
        if trial is None or champion is None or self.live.state.trial is not trial:
            return
        other = champion if trial.mode == "canary" else trial.model
        began = time.perf_counter()
        answers = _answered(other, asked.columns)
        took = time.perf_counter() - began
        if answers is not None:
            self.log.put(_entry(other, "shadow", asked._replace(predictions=answers, latency_s=took)))
        elif other is champion:
            return
        self._judge(state, answers, asked, took)

    def _judge(self, state: State, others: list[dict[str, Any]] | None, asked: _Asked, took: float) -> None:
        trial = state.trial
        assert trial is not None
        if trial.mode == "canary" and others is not None:
            outcome = trial.note(asked.predictions, others, asked.took, took)
        else:
            outcome = trial.note(others, asked.predictions, took, asked.took)
        self.metrics.trials.labels(outcome).inc()


def _answered(serving: Serving, columns: Any) -> list[dict[str, Any]] | None:
    """What a model on trial answers; None where it cannot."""
    try:
        predictions = serving.predictor.answer(columns)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the champion answers
        if not isinstance(error, GristmillError):
            _logger.error("%s failed to answer: %s", serving.version, type(error).__name__)
        return None
    numbers = [value for one in predictions for value in one.get("probabilities", one).values()]
    return predictions if np.isfinite(numbers).all() else None


def _entry(serving: Serving, role: str, asked: _Asked) -> Entry:
    return Entry(
        request_id=asked.request_id,
        at=asked.at,
        version=serving.version,
        model_sha256=serving.package["model_sha256"],
        role=role,
        latency_s=asked.latency_s,
        columns=asked.columns,
        personal=serving.personal,
        predictions=asked.predictions,
    )
