"""Cells and tables of the page; everything that came from data is escaped here."""

from collections.abc import Sequence
from html import escape

from gristmill.evaluation.words import figure, signed


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], css_class: str) -> str:
    """A table whose caption only those hear who cannot see it."""
    numeric = {"precision", "recall", "records", "rows", "admitted", "F1 against champion"}
    head = "".join(f'<th scope="col"{" class=number" if one in numeric else ""}>{escape(one)}</th>' for one in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{css_class}"><caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cell(text: str, *, header: bool = False) -> str:
    """Text from data, escaped."""
    return f'<th scope="row">{escape(text)}</th>' if header else f"<td>{escape(text)}</td>"


def number(value: float, *, is_best: bool = False) -> str:
    """A figure, set off where it is the best of its row."""
    return f'<td class="number">{f"<strong>{figure(value)}</strong>" if is_best else figure(value)}</td>'


def meter(share: float) -> str:
    """A share of one, drawn and written."""
    return (
        f'<td class="meter"><span class="track" aria-hidden="true"><span style="width:{100 * share:.1f}%"></span></span>'
        f"{figure(share)}</td>"
    )


def change(gain: float) -> str:
    """A gain with its sign, in the colour of better or worse."""
    shown = signed(gain)
    if not any(digit in shown for digit in "123456789"):
        return '<td class="number none">0</td>'
    return f'<td class="number {"better" if gain > 0 else "worse"}">{shown}</td>'


def capital(words: str) -> str:
    """A sentence's beginning."""
    return words[0].upper() + words[1:]
