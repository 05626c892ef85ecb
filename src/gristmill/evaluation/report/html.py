"""A page's frame, its cells and tables; everything that came from data is escaped here."""

from collections.abc import Sequence
from html import escape

from gristmill.evaluation.report.style import STYLE
from gristmill.evaluation.words import figure, signed


def document(title: str, kind: str, header: str, main: str, footer: str, *, tone: str = "", style: str = "") -> str:
    """A whole page: one file, no script, and a head that forbids it to load anything at all.

    Args:
        title: of the window, escaped here; the rest is HTML already.
        kind: what sort of page of Gristmill it is.
        header: what stands below that.
        main: the sections.
        footer: one sentence.
        tone: a verdict's class, which colours the page.
        style: rules of its own.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}{style}</style>
</head>
<body class="{tone}">
<header>
<p class="eyebrow">Gristmill <span aria-hidden="true">·</span> {kind}</p>
{header}
</header>
<main>
{main}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


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
