"""How often the gate promotes what it should not, on made answers whose truth is known.

Two models answer the same records; a tenth of them one model gets right and the other wrong. The challenger is truly worse
by exactly the margin, or truly equal. Non-inferiority at 95 % allows one false PROMOTE in forty.
"""

import numpy as np

from benchmarks.figures import tell
from gristmill.evaluation.comparison import Resampling, compare

_DUELS, _DISAGREE, _RIGHT = 2_000, 0.1, 0.85


def main() -> None:
    for n_records, margin in ((7_500, 0.01), (250, 0.1)):
        for title, loss, target in (("worse by exactly the margin", margin, "<= 0.03"), ("equally good", 0.0, None)):
            promoted = share_promoted(n_records, margin, loss)
            tell(f"promoted though {title}: {n_records:,} records, margin {margin:g}", promoted, "", target)


def share_promoted(n_records: int, margin: float, loss: float) -> float:
    """The share of duels in which the gate would find the challenger surely not worse by more than the margin."""
    rng = np.random.default_rng(0)
    disagree = max(_DISAGREE, 1.5 * loss)
    shares = [
        _RIGHT - disagree / 2,
        (disagree - loss) / 2,
        (disagree + loss) / 2,
    ]  # both, challenger alone, champion alone
    passed = 0
    for duel in range(_DUELS):
        outcome = rng.choice(4, n_records, p=[*shares, 1 - sum(shares)])
        target = rng.integers(0, 2, n_records)
        challenger = _answers(target, np.isin(outcome, (0, 1)))
        champion = _answers(target, np.isin(outcome, (0, 2)))
        difference = compare("accuracy", target, challenger, champion, Resampling(0.95, 1_000, duel))
        passed += difference.interval.lower >= -margin
    return passed / _DUELS


def _answers(target: "np.ndarray[tuple[int], np.dtype[np.int64]]", right: "np.ndarray[tuple[int], np.dtype[np.bool_]]"):  # type: ignore[no-untyped-def]
    return np.eye(2)[np.where(right, target, 1 - target)]


if __name__ == "__main__":
    main()
