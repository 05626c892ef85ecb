"""Marks: values of a column that only grows, as a database gives them and as a ledger keeps them."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from gristmill.data.growing.ledger import JsonMark

Mark = int | float | Decimal | datetime | str

_FURTHEST_ZONE = timedelta(hours=14)


def as_mark(value: Any, like: Mark) -> Mark | None:
    """A value of the mark column, or None where it is no mark of the type of `like`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        value = int(value) if value == value.to_integral_value() else value.normalize()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if _kind(value) is _kind(like) else None


def to_json(mark: Mark) -> JsonMark:
    """As the ledger keeps it: a time stamp in ISO 8601, one with a zone in UTC; an exact fraction as text."""
    if isinstance(mark, datetime):
        return (mark.astimezone(UTC) if mark.tzinfo else mark).isoformat()
    return str(mark) if isinstance(mark, Decimal) else mark


def from_json(mark: JsonMark, like: Mark) -> Mark:
    """Back from the ledger.

    Raises:
        ValueError: it is no mark of the type of `like`.
    """
    if isinstance(like, datetime) and isinstance(mark, str):
        return datetime.fromisoformat(mark)
    if not isinstance(like, str | datetime) and isinstance(mark, str):
        return Decimal(mark)
    if isinstance(like, str) != isinstance(mark, str):
        raise ValueError(mark)
    return mark


def behind(mark: Mark, distance: float) -> Mark:
    """The mark so far before; text has no distances."""
    if isinstance(mark, datetime):
        return mark - timedelta(seconds=distance)
    if isinstance(mark, str):
        return mark
    if isinstance(mark, float):
        return mark - distance
    return mark - (int(distance) if distance == int(distance) else Decimal(str(distance)))


def is_before(mark: Mark, other: Mark) -> bool:
    """Whether one comes before another; of text only the database knows."""
    if isinstance(mark, datetime) and isinstance(other, datetime):
        return _in_utc(mark) < _in_utc(other)
    return not isinstance(mark, str) and mark < other  # type: ignore[operator]


def newest(mark: Mark, other: Mark, now: datetime) -> Mark:
    """The later one, and never one that is still to come: a wrong clock must not carry the mark past what follows.

    Args:
        mark: of the last row, in the database's order.
        other: the newest before.
        now: a time stamp without a zone may be ahead of it by as much as the furthest zone is.
    """
    if isinstance(mark, datetime):
        latest = now if mark.tzinfo else now.replace(tzinfo=None) + _FURTHEST_ZONE
        mark = min(mark, latest)
    return other if is_before(mark, other) else mark


def _kind(value: Any) -> type | None:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float
    return next((kind for kind in (datetime, str) if isinstance(value, kind)), None)


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
