"""Whether the rows of a batch are distributed as those that the champion learnt from, and its answers as before.

Statistics decide, not p-values: with enough rows, any two batches of real data differ surely. A statistic is a warning
above the greater of two bounds: what chance gives in 1 of 1,000 clean batches of this size, over all columns together
(Bonferroni), and the smallest difference that is worth a sentence.

    KS    the largest distance between two cumulative distributions, of numbers (Kolmogorov-Smirnov);
          chance: sqrt(-ln(alpha / 2) / 2) sqrt(1/n + 1/m)
    PSI   the population stability index, sum of (p - q) ln(p / q) over bins: tenths of the reference, or categories;
          without drift, PSI / (1/n + 1/m) follows chi-squared with one degree of freedom less than bins (Yurdakul 2018).
          Bins in which fewer than five rows are expected are one, and half a row is added to each.

The features are compared with the champion's training data. Its answers are compared with those to its own holdout, each
class's probability by itself: univariate KS on the softmax outputs with Bonferroni's correction finds most shifts of any
single test, on images too (Rabanser, Guennemann and Lipton 2019, "Failing Loudly").
"""

# N rows of the batch, M rows of the reference, B bins, C classes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

CHANCE = 1e-3
"""Of a warning about a clean batch, for each of: KS of features, PSI of features, PSI of answered classes, KS of answers."""
SMALLEST_KS = 0.05
"""A normal variable that moved by an eighth of its standard deviation."""
SMALLEST_PSI = 0.02
"""Likewise: an eighth to a seventh of its standard deviation."""
SMALLEST_KS_OF_ANSWERS = 0.05
_BINS = 10
_ROWS_PER_BIN = 10
_FEWEST_EXPECTED = 5
_NAMED = 3

Columns = Mapping[str, NDArray[Any]]


def check_drift(
    features: Columns,
    training: Columns,
    answers: NDArray[np.floating[Any]],
    holdout_answers: NDArray[np.floating[Any]],
    classes: Sequence[str],
) -> dict[str, Any]:
    """Compare a batch with the champion's training data, and what it answers with what it answered before.

    Args:
        features: columns of the batch: floating [N] are numbers, NaN where missing; integers [N] are categories.
        training: the same columns of the champion's training data, [M].
        answers: the champion's, to the batch: probabilities [N, C], or predictions [N].
        holdout_answers: the champion's, to its holdout.
        classes: names; empty for a regression.

    Returns:
        Figures, as docs/checks.md describes them; `alarms` names what fired, with a sentence each.
    """
    shifts = {name: _shift(features[name], training[name], len(features)) for name in features}
    drifted = sorted(filter(lambda name: _excess(shifts[name]) > 1, shifts), key=lambda name: -_excess(shifts[name]))
    alarms: dict[str, str] = {}
    if drifted:
        named = ", ".join(f"'{name}' ({_told(shifts[name])})" for name in drifted[:_NAMED])
        more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
        alarms["features"] = f"drift from the champion's training data: {named}{more}"
    answered = _answers(answers, holdout_answers, classes, alarms)
    return {
        "n_checked": len(answers),
        "n_training": len(next(iter(training.values()), ())),
        "n_holdout": len(holdout_answers),
        "largest_psi": max((shift["psi"] for shift in shifts.values()), default=0.0),
        "largest_ks": max((shift["ks"] for shift in shifts.values() if "ks" in shift), default=0.0),
        "drifted": drifted,
        **answered,
        "alarms": alarms,
        "features": shifts,
    }


def ks(batch_N: NDArray[Any], reference_M: NDArray[Any]) -> float:
    """The largest distance between the cumulative distributions of two sets of numbers; 0 where one is empty."""
    if not len(batch_N) or not len(reference_M):
        return 0.0
    batch_N, reference_M = np.sort(batch_N), np.sort(reference_M)
    both = np.concatenate([batch_N, reference_M])
    share_N, share_M = (np.searchsorted(one, both, side="right") / len(one) for one in (batch_N, reference_M))
    return float(np.abs(share_N - share_M).max())


def ks_limit(n: int, m: int, n_tests: int, smallest: float = SMALLEST_KS) -> float:
    """The largest KS of n and m rows that is no warning, where `n_tests` are made at once."""
    if not n or not m:
        return 1.0
    return max(smallest, float(np.sqrt(-np.log(CHANCE / n_tests / 2) / 2 * (1 / n + 1 / m))))


def psi(counts_B: NDArray[Any], reference_B: NDArray[Any]) -> tuple[float, int]:
    """The population stability index of counts in bins, and how many bins it was computed of: rare ones are one."""
    n, m = counts_B.sum(), reference_B.sum()
    if not n or not m:
        return 0.0, 1
    rare = n * reference_B / m < _FEWEST_EXPECTED
    if rare.any():
        counts_B, reference_B = (np.append(one[~rare], one[rare].sum()) for one in (counts_B, reference_B))
    p, q = ((one + 0.5) / (one.sum() + 0.5 * len(one)) for one in (counts_B, reference_B))
    return float(((p - q) * np.log(p / q)).sum()), len(p)


def psi_limit(n: int, m: int, n_bins: int, n_tests: int) -> float:
    """The largest PSI of n and m rows that is no warning, where `n_tests` are made at once."""
    if not n or not m or n_bins < 2:
        return max(SMALLEST_PSI, 1.0)
    return max(SMALLEST_PSI, float(chdtri(n_bins - 1, CHANCE / n_tests) * (1 / n + 1 / m)))


def _shift(batch_N: NDArray[Any], reference_M: NDArray[Any], n_tests: int) -> dict[str, float]:
    """PSI of a column, and KS where it holds numbers, each with its limit."""
    n, m = len(batch_N), len(reference_M)
    if not np.issubdtype(reference_M.dtype, np.floating):
        n_bins = int(max(batch_N.max(initial=0), reference_M.max(initial=0))) + 1
        return _psi_of(np.bincount(batch_N, minlength=n_bins), np.bincount(reference_M, minlength=n_bins), n_tests)
    known_N, known_M = (one[~np.isnan(one)] for one in (batch_N, reference_M))
    n_bins = min(_BINS, max(2, n // _ROWS_PER_BIN))
    edges = np.unique(np.quantile(known_M, np.arange(1, n_bins) / n_bins)) if len(known_M) else np.empty(0)
    counts_B, reference_B = (
        np.append(np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1), n_rows - len(known))
        for known, n_rows in ((known_N, n), (known_M, m))
    )
    return {
        **_psi_of(counts_B, reference_B, n_tests),
        "ks": _rounded(ks(known_N, known_M)),
        "ks_limit": _rounded(ks_limit(len(known_N), len(known_M), n_tests)),
    }


def _psi_of(
    counts_B: NDArray[np.integer[Any]], reference_B: NDArray[np.integer[Any]], n_tests: int
) -> dict[str, float]:
    value, n_bins = psi(counts_B, reference_B)
    limit = psi_limit(int(counts_B.sum()), int(reference_B.sum()), n_bins, n_tests)
    return {"psi": _rounded(value), "psi_limit": _rounded(limit)}


def _answers(
    answers: NDArray[Any], before: NDArray[Any], classes: Sequence[str], alarms: dict[str, str]
) -> dict[str, Any]:
    """Figures of what the champion answers; what is beyond its limit is added to the alarms."""
    outputs = {name: (answers[:, i], before[:, i]) for i, name in enumerate(classes)} or {"": (answers, before)}
    limit = ks_limit(len(answers), len(before), len(outputs), SMALLEST_KS_OF_ANSWERS)
    distances = {name: _rounded(ks(*pair)) for name, pair in outputs.items()}
    furthest = max(distances, key=lambda name: distances[name])
    if distances[furthest] > limit:
        what = f"gives '{furthest}' other probabilities" if furthest else "answers other numbers"
        alarms["answers"] = f"the champion {what} than in its holdout (KS {distances[furthest]:.3f}, limit {limit:.3f})"
    figures: dict[str, Any] = {"answers_ks": distances[furthest], "answers_ks_limit": _rounded(limit)}
    if classes:
        counts_C, before_C = (np.bincount(one.argmax(1), minlength=len(classes)) for one in (answers, before))
        answered = _psi_of(counts_C, before_C, 1)
        figures |= {"answered_psi": answered["psi"], "answered_psi_limit": answered["psi_limit"]}
        if answered["psi"] > answered["psi_limit"]:
            alarms["answered_classes"] = (
                f"the champion answers other classes than in its holdout "
                f"(PSI {answered['psi']:.3f}, limit {answered['psi_limit']:.3f})"
            )
    return {**figures, "answers": distances}


def _excess(shift: Mapping[str, float]) -> float:
    """How many times its limit a column's shift is, by whichever statistic says more."""
    return max(shift["psi"] / shift["psi_limit"], shift["ks"] / shift["ks_limit"] if "ks" in shift else 0.0)


def _told(shift: Mapping[str, float]) -> str:
    told = [f"PSI {shift['psi']:.3f}, limit {shift['psi_limit']:.3f}"] if shift["psi"] > shift["psi_limit"] else []
    if "ks" in shift and shift["ks"] > shift["ks_limit"]:
        told.append(f"KS {shift['ks']:.3f}, limit {shift['ks_limit']:.3f}")
    return "; ".join(told)


def _rounded(value: float) -> float:
    return round(value, 4)
