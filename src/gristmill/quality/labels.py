"""Whether the given labels are as good as those that the champion was judged on.

The champion's answers to its own holdout say how often it agrees with labels that were good enough to promote it. A batch
from the same source agrees as often; where it does so surely less, its labels are the likelier fault (or its rows are
others: quality/drift.py tells). Each figure is a z-score, negative where the batch is worse, and exact for few rows: the
chance, as a point of the normal distribution, that so few of n rows are right where k of m were before (the beta-binomial
distribution, with Jeffreys' half a row on either side).

    agreement  rows whose label is the champion's answer; a warning below -4
    recall     the same for each class; a warning where chance alone would do it in 1 of 1,000 batches, all classes together
    review     rows whose label the champion gives less than 0.02 are listed; a warning where there are more than in the
               holdout, below -4: one wrong label in a hundred shows here before it shows in the agreement

For a regression, `agreement` is the mean error, each row's cut off at the holdout's 99 %, and the rows for review are those
whose residual is more than 6 robust standard deviations off the holdout's median.

Before there is a champion, a simple model learns from two thirds of the batch and is asked about the rest, three times.
"""

# N rows of the batch, M held-out rows, C classes, F numbers of a row
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, logsumexp, ndtri, ndtri_exp

GATE = -4.0
"""z-scores below are a warning: chance alone gives 1 in 30,000."""
RECALL_CHANCE = 1e-3
"""Of a warning about the recall of any class of a clean batch."""
SUSPICIOUS = 0.02
"""A label that the champion gives a smaller probability is listed: of clean labels about 1 in 100, of wrong ones 9 in 10."""
FAR_OFF = 6.0
"""Robust standard deviations beyond which a regression's row is listed."""
LISTED = 100
SELF_CHECK_ROWS = 4_000
"""Rows that the self-check learns from at most; evenly taken."""
HARDLY = 0.1
"""Of the way from guessing to perfect: a simple model that surely gets no further has found nothing to learn."""

_CUT = 0.99
_LARGEST_Z = 8.0  # agreement beyond all doubt has no end; JSON has no infinity
_FOLDS = 3
_COMPONENTS = 30
_SURE = 2.33  # one-sided 99 %


@dataclass(frozen=True)
class Answered:
    """Rows with their targets, and what the champion answered."""

    target: NDArray[Any]
    """Class indices or numbers, [N]."""
    answers: NDArray[np.floating[Any]]
    """Probabilities [N, C] or predictions [N]."""


def check_classes(
    batch: Answered, holdout: Answered, classes: Sequence[str], record_ids: Sequence[str]
) -> dict[str, Any]:
    """Compare the labels of a batch with those of the champion's holdout.

    Returns:
        Figures, as docs/checks.md describes them; `alarms` names what fired, with a sentence each.
    """
    right, before = (one.answers.argmax(1) == one.target for one in (batch, holdout))
    agreement_z = _z(right.sum(), len(right), before.sum(), len(before))
    recall = {
        name: _recall(right[batch.target == index], before[holdout.target == index])
        for index, name in enumerate(classes)
    }
    recall_gate = float(ndtri(RECALL_CHANCE / len(classes)))
    low = {name: one for name, one in recall.items() if one["z"] < recall_gate}
    given_N, given_M = (one.answers[np.arange(len(one.target)), one.target] for one in (batch, holdout))
    suspicious = np.flatnonzero(given_N < SUSPICIOUS)
    usual = (given_M < SUSPICIOUS).mean()
    review_z = _z(len(right) - len(suspicious), len(right), (given_M >= SUSPICIOUS).sum(), len(before))
    alarms = {}
    if agreement_z < GATE:
        alarms["agreement"] = (
            f"the labels agree with the champion in {right.mean():.1%} of {_rows(len(right))}, and in {before.mean():.1%} "
            f"of its holdout (z {agreement_z:.1f}, gate {GATE:g})"
        )
    if low:
        worst = min(low, key=lambda name: low[name]["z"])
        one = low[worst]
        others = f", and so {len(low) - 1} more" if len(low) > 1 else ""
        alarms["recall"] = (
            f"of {_rows(one['n'])} labelled '{worst}' the champion calls {one['recall']:.1%} so, and {one['expected']:.1%} "
            f"in its holdout (z {one['z']:.1f}, gate {recall_gate:.1f}){others}"
        )
    if review_z < GATE:
        alarms["review"] = (
            f"the champion gives the label of {_rows(len(suspicious))} of {len(right):,} less than {SUSPICIOUS:.0%}, where "
            f"{usual * len(right):.3g} would be usual: look at them"
        )
    most_first = suspicious[np.argsort(given_N[suspicious], kind="stable")][:LISTED]
    return {
        "check": "champion",
        "n_checked": len(right),
        "n_holdout": len(before),
        "agreement": _rounded(right.mean()),
        "expected_agreement": _rounded(before.mean()),
        "agreement_z": _rounded(agreement_z),
        "lowest_recall_z": min(one["z"] for one in recall.values()),
        "recall_gate": _rounded(recall_gate),
        "n_review": len(suspicious),
        "expected_review": _rounded(usual * len(right)),
        "review_z": _rounded(review_z),
        "gate": GATE,
        "alarms": alarms,
        "recall": recall,
        "review": [
            {
                "record_id": record_ids[row],
                "target": classes[batch.target[row]],
                "predicted": classes[batch.answers[row].argmax()],
                "p_target": _rounded(given_N[row], 6),
            }
            for row in most_first
        ],
    }


def check_numbers(batch: Answered, holdout: Answered, record_ids: Sequence[str]) -> dict[str, Any]:
    """Compare the residuals of a batch with those of the champion's holdout; figures as `check_classes`."""
    residual_N, residual_M = (one.target.astype(np.float64) - one.answers for one in (batch, holdout))
    n, m = len(residual_N), len(residual_M)
    largest = np.quantile(np.abs(residual_M), _CUT)
    error_N, error_M = (np.minimum(np.abs(residual), largest) for residual in (residual_N, residual_M))
    spread = error_M.std() * np.sqrt(1 / n + 1 / m)
    agreement_z = float((error_M.mean() - error_N.mean()) / spread) if spread else 0.0
    median = np.median(residual_M)
    deviation = 1.4826 * np.median(np.abs(residual_M - median))  # of a normal distribution, its standard deviation
    off_N, off_M = ((residual - median) / (deviation or np.inf) for residual in (residual_N, residual_M))
    suspicious = np.flatnonzero(np.abs(off_N) > FAR_OFF)
    usual = (np.abs(off_M) > FAR_OFF).mean()
    review_z = _z(n - len(suspicious), n, (np.abs(off_M) <= FAR_OFF).sum(), m)
    alarms = {}
    if agreement_z < GATE:
        alarms["agreement"] = (
            f"the champion is {error_N.mean():.4g} off the targets of {_rows(n)} on average, and {error_M.mean():.4g} in "
            f"its holdout (z {agreement_z:.1f}, gate {GATE:g})"
        )
    if review_z < GATE:
        alarms["review"] = (
            f"the targets of {_rows(len(suspicious))} of {n:,} are far off what the champion says, where "
            f"{usual * n:.3g} would be usual: look at them"
        )
    most_first = suspicious[np.argsort(-np.abs(off_N[suspicious]), kind="stable")][:LISTED]
    return {
        "check": "champion",
        "n_checked": n,
        "n_holdout": m,
        "error": _significant(error_N.mean()),
        "expected_error": _significant(error_M.mean()),
        "agreement_z": _rounded(agreement_z),
        "n_review": len(suspicious),
        "expected_review": _rounded(usual * n),
        "review_z": _rounded(review_z),
        "gate": GATE,
        "alarms": alarms,
        "review": [
            {
                "record_id": record_ids[row],
                "target": _significant(batch.target[row]),
                "predicted": _significant(batch.answers[row]),
                "robust_z": _rounded(off_N[row]),
            }
            for row in most_first
        ],
    }


def check_classes_alone(numbers_NF: NDArray[np.floating[Any]], target_N: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Whether classes can be learnt from the rows at all: balanced accuracy, for which guessing is right in 1 of C.

    Raises:
        TooFewRowsError: no two classes have three rows.
    """
    names, count = np.unique(target_N, return_counts=True)
    kept = np.flatnonzero(np.isin(target_N, names[count >= _FOLDS]))
    kept = kept[evenly(len(kept), SELF_CHECK_ROWS)]
    classes, target, count = np.unique(target_N[kept], return_inverse=True, return_counts=True)
    if len(classes) < 2 or count.min() < _FOLDS:
        raise TooFewRowsError(len(target_N))
    predicted = _answered_out_of_fold(numbers_NF[kept], target, is_class=True)
    recall = np.bincount(target[predicted == target], minlength=len(classes)) / count
    score, guessing = float(recall.mean()), 1 / len(classes)
    # Half a row on either side: a class that is always, or never, found is not surely so.
    shrunk = (recall * count + 0.5) / (count + 1)
    error = float(np.sqrt((shrunk * (1 - shrunk) / count).sum())) / len(classes)
    alarms = {}
    if score + _SURE * error < guessing + HARDLY * (1 - guessing):
        alarms["self_check"] = (
            f"the labels hardly follow from the rows: a simple model, asked about rows that it did not learn from, finds "
            f"{score:.1%} of each class on average, and guessing {guessing:.1%} (there is no champion to ask yet)"
        )
    return {
        "check": "self",
        "n_checked": len(target),
        "n_classes": len(classes),
        "accuracy": _rounded((predicted == target).mean()),
        "majority": _rounded(count.max() / len(target)),
        "balanced_accuracy": _rounded(score),
        "guessing": _rounded(guessing),
        "standard_error": _rounded(error),
        "alarms": alarms,
    }


def check_numbers_alone(numbers_NF: NDArray[np.floating[Any]], target_N: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Whether numbers can be learnt from the rows at all: correlation of target and answer, and R2.

    Raises:
        TooFewRowsError: fewer than ten rows, or all targets are equal.
    """
    kept = evenly(len(target_N), SELF_CHECK_ROWS)
    target = target_N[kept].astype(np.float64)
    if len(target) < 10 or not target.std():
        raise TooFewRowsError(len(target_N))
    predicted = _answered_out_of_fold(numbers_NF[kept], target, is_class=False)
    correlation = float(np.corrcoef(target, predicted)[0, 1]) if predicted.std() else 0.0
    r2 = 1 - ((target - predicted) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    most = float(np.tanh(np.arctanh(np.clip(correlation, -0.999, 0.999)) + _SURE / np.sqrt(len(target) - 3)))  # Fisher
    alarms = {}
    if most < HARDLY:
        alarms["self_check"] = (
            f"the targets hardly follow from the rows: what a simple model answers about rows that it did not learn from "
            f"has a correlation of {correlation:.2f} with them (there is no champion to ask yet)"
        )
    return {
        "check": "self",
        "n_checked": len(target),
        "correlation": _rounded(correlation),
        "r2": _rounded(r2),
        "alarms": alarms,
    }


class TooFewRowsError(ValueError):
    """Too few rows to learn anything from; their number is its argument."""


def evenly(n_rows: int, at_most: int) -> NDArray[np.int64]:
    """Positions of at most so many rows, evenly taken, so that a sorted batch is seen from end to end."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, at_most)).astype(np.int64)) if n_rows else np.arange(0)


def _recall(right: NDArray[np.bool_], before: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "n": len(right),
        "recall": _rounded(right.mean()) if len(right) else None,
        "expected": _rounded(before.mean()) if len(before) else None,
        "z": _rounded(_z(right.sum(), len(right), before.sum(), len(before))),
    }


def _z(k: int, n: int, k_before: int, n_before: int) -> float:
    """How surely k of n are fewer than chance makes of k_before of n_before; 0 where either has no rows."""
    if not n or not n_before:
        return 0.0
    a, b = k_before + 0.5, n_before - k_before + 0.5
    i = np.arange(k + 1)
    chosen = gammaln(n + 1) - gammaln(i + 1) - gammaln(n - i + 1)
    at_most_k = logsumexp(chosen + betaln(i + a, n - i + b) - betaln(a, b))
    return float(min(ndtri_exp(min(at_most_k, 0.0)), _LARGEST_Z))


def _answered_out_of_fold(numbers_NF: NDArray[Any], target_N: NDArray[Any], is_class: bool) -> NDArray[Any]:
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n_components = min(_COMPONENTS, numbers_NF.shape[1], len(target_N) * (_FOLDS - 1) // _FOLDS)
    model = LogisticRegression(class_weight="balanced", max_iter=200) if is_class else Ridge()
    learner = make_pipeline(StandardScaler(), PCA(n_components, svd_solver="full", whiten=True), model)
    folds = (StratifiedKFold if is_class else KFold)(_FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # near enough, for what is asked
        predicted: NDArray[Any] = cross_val_predict(learner, numbers_NF, target_N, cv=folds)
    return predicted


def _rows(n: int) -> str:
    return f"{n:,} {'row' if n == 1 else 'rows'}"


def _rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)


def _significant(value: Any) -> float:
    return float(f"{float(value):.6g}")
