"""A bad input: its files, and what a person must be told of it."""

from typing import NamedTuple


class Case(NamedTuple):
    """What lands, and what must come of it."""

    name: str
    files: dict[str, bytes]
    reason: str
    """A regular expression that one of the batch's critical reasons must match."""
    rows: tuple[int, ...] | None = None
    """The bad rows, which alone are kept out; None where the whole batch is."""
