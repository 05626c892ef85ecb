"""Fill the tables of settings in docs/reference.md from the classes that read them: `python -m tools.reference`.

A table stands between `<!-- settings: module.Class -->` and `<!-- end -->`; tests/test_docs.py fails where one is stale.
"""

import importlib
import re
import sys
import types
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
_TABLE = re.compile(r"(<!-- settings: (?P<cls>[\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "multiple_of": "a multiple of"}
_WORDS: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    date: "date",
    datetime: "time stamp",
}


def filled(page: str) -> str:
    """The page with each of its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(found['cls'])}{found[3]}", page)


def _table(name: str) -> str:
    module, _, cls = name.rpartition(".")
    fields: dict[str, FieldInfo] = getattr(importlib.import_module(module), cls).model_fields
    if not fields:
        return "Nothing to set.\n"
    rows = [
        f"| `{key}` | {_allowed(field)} | {_default(field)} | {_cell(field.description)} |\n"
        for key, field in fields.items()
    ]
    return "| key | takes | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _allowed(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {_number(getattr(one, key))}"
        for one in field.metadata
        for key, sign in _BOUNDS.items()
        if getattr(one, key, None) is not None
    ]
    return ", ".join([_takes(field.annotation), *bounds])


def _takes(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    inside = get_args(kind)
    match get_origin(kind):
        case origin if origin is Literal:
            return ", ".join(f"`{one}`" for one in inside)
        case origin if origin in (Union, types.UnionType):
            return " or ".join("none" if one is type(None) else _takes(one) for one in inside)
        case origin if origin is tuple:
            return f"list of {_takes(inside[0])}"
        case origin if origin is dict:
            return f"map of name to {_takes(inside[1])}"
        case origin if origin is Annotated:
            return _takes(inside[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"`{kind.__name__}`"
    return "anything" if kind is Any else str(kind)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value in ((), {}, ""):
        return "empty"
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else _plain(value)}`"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _plain(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else f"{value}"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    before = PAGE.read_text("utf-8")
    PAGE.write_text(after := filled(before), "utf-8")
    sys.stdout.write("docs/reference.md: " + ("filled\n" if after != before else "up to date\n"))
