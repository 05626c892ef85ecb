"""A date as a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.ground.dates import days_since_1970


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-01", 0.0),
        (" 1970-01-02 ", 1.0),
        ("1969-12-31", -1.0),
        ("1970-01-02T06:00", 1.25),
        ("1970-01-02 06:00:00Z", 1.25),
        ("1970-01-02T06:00:00+06:00", 1.0),
        ("2026-11-24", 20_781.0),
    ],
)
def test_a_date_is_days_since_1970_in_utc(text: str, days: float) -> None:
    assert days_since_1970(text) == days


@pytest.mark.parametrize(
    "text",
    ["", "2026", "20260131", "2026-W05-1", "2026-02-30", "31.01.2026", "2026-01-31 o'clock", "0001-01-01T00:00+14:00"],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert days_since_1970(text) is None


def test_another_way_of_writing_is_declared() -> None:
    assert days_since_1970("02.01.1970", "%d.%m.%Y") == 1.0
    assert days_since_1970("1970-01-02", "%d.%m.%Y") is None


@given(st.text(max_size=30) | st.dates().map(str) | st.datetimes(timezones=st.timezones()).map(str))
def test_any_text_is_a_number_or_none(text: str) -> None:
    days = days_since_1970(text)
    assert days is None or abs(days) < 4_000_000
