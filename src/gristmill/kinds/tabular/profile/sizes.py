"""What a number of rows can show: how many to hold out, which floor noise cannot pass, which margin can be seen.

Two bounds, both from the counts alone:

    floor    chance plus three standard errors of a guess: a model that has learnt nothing passes once in about a thousand
    margin   half the width of a 95 % interval of the difference between two models that disagree on 15 % of the records
             (or, of a number, whose errors correlate by 0.9), as successors of one recipe do
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_NOISE = 3.0
_DISAGREE = 0.15
_Z = 1.96


@dataclass(frozen=True)
class Sizes:
    """What follows from the number of rows."""

    holdout_fraction: float
    validation_fraction: float
    n_holdout: int
    """About so many records are held out."""
    floor: float
    """Of balanced accuracy, or of r2."""
    margin: float
    """In units of the gate's metric: balanced accuracy, or rmse."""
    cross_validation: int | None
    hidden: tuple[int, ...]
    dropout: float
    epochs: int
    batch_size: int


def sizes_of_classes(counts: Sequence[int]) -> Sizes:
    """For a classification with so many rows of each class."""
    share, _ = _fractions(sum(counts))
    held_out = [max(1.0, n * share) for n in counts]
    chance = 1 / len(counts)
    error = math.sqrt(sum(chance * (1 - chance) / n for n in held_out)) / len(counts)
    floor = min(0.99, max(chance + 0.02, _ceil(chance + _NOISE * error, 2)))
    margin = _Z * math.sqrt(sum(_DISAGREE / n for n in held_out)) / len(counts)
    return _sizes(sum(counts), round(floor, 2), _ceil(margin, 2 if margin > 0.02 else 3))


def sizes_of_numbers(n_rows: int, deviation: float) -> Sizes:
    """For a regression whose target has that standard deviation."""
    share, _ = _fractions(n_rows)
    n_holdout = n_rows * share
    # A correlation with nothing lies within three standard errors, 3 / sqrt(n), and r2 is its square.
    floor = _ceil(max(0.05, _NOISE**2 / n_holdout), 2)
    # rmse of a model that explains half: 0.7 deviations; of the difference of two, see above.
    margin = _Z * 0.7 * deviation * math.sqrt((1 - 0.9) / n_holdout)
    return _sizes(n_rows, min(0.95, floor), _two_digits(margin))


def _sizes(n_rows: int, floor: float, margin: float) -> Sizes:
    holdout, validation = _fractions(n_rows)
    n_train = n_rows * (1 - holdout) * (1 - validation)
    batch_size = 32 if n_rows < 1_000 else 128 if n_rows < 50_000 else 512
    few = n_rows < 2_000
    return Sizes(
        holdout_fraction=holdout,
        validation_fraction=validation,
        n_holdout=round(n_rows * holdout),
        floor=floor,
        margin=margin,
        cross_validation=5 if few else None,
        hidden=(32,) if few else (64, 32),
        dropout=0.2 if few else 0.1,
        epochs=max(5, min(40, round(2_500 / max(1, n_train / batch_size)))),
        batch_size=batch_size,
    )


def _fractions(n_rows: int) -> tuple[float, float]:
    """Held out for judging, and of the rest for choosing the epoch: of few rows more, or they show nothing."""
    return (0.3, 0.15) if n_rows < 1_000 else (0.2, 0.1)


def _ceil(value: float, digits: int) -> float:
    scale: float = 10.0**digits
    return math.ceil(round(value * scale, 6)) / scale


def _two_digits(value: float) -> float:
    digits = 1 - math.floor(math.log10(value)) if value > 0 else 2
    return _ceil(value, digits)
