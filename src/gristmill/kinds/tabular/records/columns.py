"""What is wrong with the columns of a part as a whole."""

from collections import Counter
from collections.abc import Iterable

from gristmill.kinds.tabular.records.settings import IngestSettings

_NAME_CHARACTERS = 60
_MOST_NAMES = 5
"""Columns that a sentence names; of a table that is another one altogether, thousands would be strange."""


def column_problems(names: Iterable[str], settings: IngestSettings, holds_none: str) -> list[str]:
    """Columns that are missing, repeated or not declared; where none is declared, `holds_none` says so alone."""
    found, expected = Counter(names), settings.expected
    if len(expected) > 1 and not expected.keys() & found.keys():
        declared = ", ".join(f"'{name}'" for name in list(expected)[:_MOST_NAMES])
        return [f"{holds_none} that params declares ({declared})"]
    known = expected.keys() | set(settings.ignore)
    return [
        *(f"has {n} columns called '{_printable(name)}'" for name, n in found.items() if n > 1),
        *_named(
            [_printable(name) for name in found if name not in known], "has a column {} that params does not declare"
        ),
        *_named([name for name in expected if name not in found], "lacks the column {}"),
    ]


def _named(names: list[str], sentence: str) -> list[str]:
    sentences = [sentence.format(f"'{name}'") for name in names[:_MOST_NAMES]]
    return [*sentences, f"... and {len(names) - _MOST_NAMES:,} more like it"] if len(names) > _MOST_NAMES else sentences


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)[:_NAME_CHARACTERS]
