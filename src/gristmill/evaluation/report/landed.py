"""The data behind the model: what landed, what came in, and what was stopped for which reason."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gristmill.evaluation.report.charts import share_bar
from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.report.html import cell, table

_MOST_BATCHES = 50
_STATUSES = ("admitted", "collapsed", "unjudged", "withheld", "dropped", "reverted", "quarantined")


def data_section(page: Page) -> str:
    """Rows by status, and each batch with its reasons."""
    rows, batches = page.validation["rows"], page.validation["batches"]
    shares = [(status, rows.get(status, 0)) for status in _STATUSES]
    keys = "".join(f'<span class="key part-{status}">{status} {count:,}</span>' for status, count in shares if count)
    words = ", ".join(f"{count:,} {status}" for status, count in shares if count) or "none"
    bar = share_bar(shares, f"Rows that landed: {words}")
    total = f"<p>{rows.get('total', 0):,} rows landed in {len(batches):,} {'batch' if len(batches) == 1 else 'batches'}.</p>"
    notable = sorted(batches, key=lambda batch: (batch["status"] == "admitted", not _n_warnings(batch), batch["batch"]))
    listed = [
        [
            f'<th scope="row"><code>{escape(batch["batch"])}</code></th>',
            cell(batch["role"]),
            _status(batch["status"]),
            f'<td class="number">{batch["n_rows"]:,}</td>',
            f'<td class="number">{batch["rows"].get("admitted", 0):,}</td>',
            f"<td>{_reasons(batch['reasons'])}</td>",
        ]
        for batch in notable[:_MOST_BATCHES]
    ]
    more = len(notable) - _MOST_BATCHES
    rest = f'<p class="fine">And {more:,} more batches.</p>' if more > 0 else ""
    heads = ["batch", "role", "status", "rows", "admitted", "reasons"]
    return (
        f'{total}{bar}<p class="legend">{keys}</p>'
        + _warned(batches)
        + table("Batches", heads, listed, "batches")
        + rest
    )


def _warned(batches: Sequence[Mapping[str, Any]]) -> str:
    """What the checks at landing said, in one line; what they saw stands beside each batch."""
    if not (n := sum(_n_warnings(batch) > 0 for batch in batches)):
        return ""
    what = "1 batch" if n == 1 else f"{n:,} batches"
    return f'<p><span class="mark unsure">warning</span> The checks of labels and drift at landing warn of {what}.</p>'


def _n_warnings(batch: Mapping[str, Any]) -> int:
    return len((batch.get("finding") or {}).get("warnings", ()))


def _status(status: str) -> str:
    mark = {"admitted": "pass", "partial": "unsure"}.get(status, "fail")
    return f'<td><span class="mark {mark}">{escape(status)}</span></td>'


def _reasons(reasons: Sequence[Mapping[str, Any]]) -> str:
    if not reasons:
        return '<span class="none">none</span>'
    items = "".join(
        f"<li>{escape(str(one['reason']))}"
        + (f' <span class="unit">{one["n_rows"]:,} rows</span>' if one.get("n_rows") else "")
        + "</li>"
        for one in reasons
    )
    return f'<ul class="reasons">{items}</ul>'
