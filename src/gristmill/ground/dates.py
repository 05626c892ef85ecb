"""A date as a number: days since 1970-01-01 in UTC, with the time of day as a fraction.

One function for whoever reads a date, from a landed table or from a request, so that both mean the same moment.
"""

import re
from datetime import UTC, datetime

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]|$)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400.0


def days_since_1970(text: str, date_format: str | None = None) -> float | None:
    """Read a date or a moment; without a zone it is taken as UTC.

    Args:
        text: ISO 8601 (`2026-01-31`, `2026-01-31T12:00:00+02:00`, `2026-01-31 12:00`), spaces around it ignored.
        date_format: how else it is written, in strptime's directives.

    Returns:
        Days, or None where the text is no such date.
    """
    text = text.strip()
    if not date_format and not _ISO.match(
        text
    ):  # fromisoformat also takes 20260131 and 2026-W05, which are numbers and codes
        return None
    try:
        moment = datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, moved by its zone
        return None
    return (moment - _EPOCH).total_seconds() / _DAY_S
