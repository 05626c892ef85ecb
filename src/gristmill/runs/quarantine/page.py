"""The page on which a person sees what waits: pictures on one sheet, or rows with the cells that are at fault marked.

One file, no script, no network; everything that came from data is escaped, and what the suite calls personal is masked.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any, NamedTuple

from gristmill.evaluation.report.charts import share_bar
from gristmill.evaluation.report.html import capital, document
from gristmill.quality.suite import Suite
from gristmill.runs.quarantine.pictures import is_picture, picture
from gristmill.runs.quarantine.rows import Row, Rows
from gristmill.runs.quarantine.state import BatchState
from gristmill.runs.quarantine.words import DONE, MASKED, next_steps

_TONES = {"admitted": "promote", "collapsed": "promote", "quarantined": "reject", "error": "reject"}
_BAR = ("admitted", "collapsed", "withheld", "dropped", "reverted", "quarantined")
_SEVERITIES = {"critical": ("fail", "keeps out"), "warning": ("unsure", "warning"), "info": ("pass", "noted")}
_MOST_COLUMNS = 80
_MOST_PARTS = 20
_LONGEST_VALUE = 120

_STYLE = """
header,main,footer{max-width:1240px}
.identity{color:var(--soft);margin:-8px 0 16px}
.verdict{margin-bottom:18px}
.why{list-style:none;margin:0;padding:0}
.why li{display:flex;gap:12px;align-items:baseline;padding:7px 0;border-bottom:1px solid var(--line);max-width:92ch}
.why li:last-child{border-bottom:0}
.why .mark{flex:none;min-width:92px;text-align:center}
.decisions{margin:0;padding-left:18px}
.decisions li{margin-bottom:6px}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:18px 14px;margin:4px 0 0;padding:0}
.sheet figure{margin:0;break-inside:avoid}
.sheet img,.sheet .blank{display:block;width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;
background:#000;border:1px solid var(--line);border-radius:6px}
.sheet .blank{display:grid;place-items:center;background:var(--ground);color:var(--soft);font-size:12.5px;text-align:center;
padding:8px}
.sheet figcaption{font-size:12px;line-height:1.4;padding-top:6px;overflow-wrap:anywhere}
.sheet figcaption b{display:block;color:var(--ink);font-size:13px}
.sheet figcaption code{font-size:11px;color:var(--faint)}
.id{display:block;max-width:15ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.sheet .reason{color:var(--bad)}
.rows{font-size:13px}
.rows td,.rows th{white-space:nowrap;padding:7px 12px;font-variant-numeric:tabular-nums}
.rows tbody th,.rows thead th:first-child{position:sticky;left:0;background:var(--paper);z-index:1;
box-shadow:1px 0 0 var(--line);padding-left:2px}
.rows tbody th{font-weight:500}
.rows tbody th small{display:block;color:var(--faint);font-size:11.5px;font-weight:400}
.rows .told{white-space:normal;min-width:270px;max-width:380px;color:var(--bad)}
.rows .told div+div{margin-top:3px}
.rows thead .fault{color:var(--bad)}
.rows mark{background:var(--bad-soft);color:var(--bad);font-weight:650;cursor:help;box-shadow:0 0 0 1.5px currentColor;
border-radius:3px;padding:1px 6px;margin:0 -6px}
.rows .empty,.masked{color:var(--faint)}
.steps dt{font:12.5px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.steps dd{margin:0 0 12px;color:var(--soft);font:13.5px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
.steps dd:last-child{margin-bottom:0}
@media print{@page{size:landscape}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}section{break-inside:auto}
.scroll{overflow:visible}.rows{font-size:8px}.rows td,.rows th{padding:3px 4px}.rows tbody th,.rows thead th:first-child{
position:static}.sheet{grid-template-columns:repeat(8,1fr)}}
"""


class Page(NamedTuple):
    """What the page shows."""

    state: BatchState
    rows: Rows
    suite: Suite
    """What columns are called, and which of them tell of a person."""
    classes: Sequence[str]
    """Names of the classes, where a target is the number of one."""

    def is_personal(self, column: str) -> bool:
        """Whether the values of a column must not be seen."""
        declared = self.suite.meta.columns.get(column)
        return declared is not None and declared.personal


def render(page: Page) -> str:
    """The page as HTML."""
    state = page.state
    sections = [
        ("Why it waits" if state.status != "admitted" else "What was noticed", _reasons(page)),
        ("What was decided", _decisions(page)),
        (_rows_title(page), _pictures(page) if _are_pictures(page.rows) else _table(page)),
        ("What you can do", _steps(page)),
        ("What landed", _what_landed(page)),
    ]
    body = "\n".join(f"<section><h2>{escape(title)}</h2>{content}</section>" for title, content in sections if content)
    landed = f"landed {datetime.fromisoformat(state.landed):%Y-%m-%d %H:%M}" if state.landed else "landed"
    header = f"""<h1>{escape(state.workload)}</h1>
<p class="identity">batch <code>{escape(state.batch)}</code> <span aria-hidden="true">·</span>
{escape(state.manifest.role)} <span aria-hidden="true">·</span> {landed}</p>
<div class="verdict"><strong class="badge">{escape(state.status.upper())}</strong>
<p class="lead">{escape(_lead(state))}</p></div>
{_tiles(page)}"""
    title = f"{state.status}: batch {state.batch} of {state.workload}"
    footer = "Written by `gristmill quarantine show`; this file needs no network."
    return document(title, "quarantine", header, body, footer, tone=_TONES.get(state.status, "hold"), style=_STYLE)


def _lead(state: BatchState) -> str:
    if state.status == "error":
        return "The turn that would have judged it failed; the next one judges it."
    if state.status == "unjudged":
        return "No turn has judged it yet."
    waiting = {
        status: n for status, n in state.rows.items() if status in ("quarantined", "withheld", "dropped", "reverted")
    }
    if state.n_rows and waiting.get("quarantined") == state.n_rows:
        return f"None of its {state.n_rows:,} rows is in."
    told = ", ".join(f"{n:,} {status}" for status, n in waiting.items())
    return f"Of its {state.n_rows:,} rows, {told}." if told else "Nothing keeps it out."


def _tiles(page: Page) -> str:
    state = page.state
    if state.n_rows is None:
        return ""
    shares = [(status, state.rows.get(status, 0)) for status in _BAR]
    keys = "".join(f'<span class="key part-{status}">{status} {n:,}</span>' for status, n in shares if n)
    words = ", ".join(f"{n:,} {status}" for status, n in shares if n) or "none"
    return f'{share_bar(shares, f"Rows of the batch: {words}")}<p class="legend">{keys}</p>' if state.n_rows else ""


def _reasons(page: Page) -> str:
    lines = [("critical", f"the turn failed: {page.state.fault}")] if page.state.fault else []
    lines += [(line["severity"], line["reason"]) for line in page.state.reasons]
    items = []
    for severity, reason in lines:
        mark, word = _SEVERITIES[severity]
        items.append(f'<li><span class="mark {mark}">{word}</span><span>{escape(reason)}</span></li>')
    return f'<ul class="why">{"".join(items)}</ul>' if items else ""


def _decisions(page: Page) -> str:
    items = []
    for name, decision in page.state.decisions.items():
        n_rows = len(decision.rows or decision.targets or ())
        about = f" {n_rows:,} {'row' if n_rows == 1 else 'rows'}" if n_rows else ""
        pending = ' <span class="mark unsure">waits for the next turn</span>' if name in page.state.since else ""
        found = "".join(
            f'<div class="fine">{escape(warning)}</div>'
            for warning in (decision.finding.warnings if decision.finding else ())
        )
        items.append(
            f"<li><strong>{capital(DONE[decision.decision])}</strong>{about} by {escape(decision.actor)}, "
            f"{decision.at:%Y-%m-%d %H:%M}: {escape(decision.reason)}{pending}{found}</li>"
        )
    return f'<ul class="decisions">{"".join(items)}</ul>' if items else ""


def _rows_title(page: Page) -> str:
    what = "pictures" if _are_pictures(page.rows) else "rows"
    shown, all_rows = len(page.rows.shown), page.rows.n_rows
    which = f"{what} that wait" if page.rows.are_waiting else f"{what} of the batch"
    return f"The {shown:,} {which}" if shown == all_rows else f"The first {shown:,} of {all_rows:,} {which}"


def _are_pictures(rows: Rows) -> bool:
    return bool(rows.shown) and is_picture(rows.shown[0].values)


def _pictures(page: Page) -> str:
    figures = "".join(_figure(page, row) for row in page.rows.shown)
    return f'<div class="sheet">{figures}</div>'


def _figure(page: Page, row: Row) -> str:
    label = _target(page, row)
    reasons = [fault.reason for fault in row.faults] or ([row.status] if row.status not in ("", "quarantined") else [])
    address = None if page.is_personal("pixels") else picture(row.values)
    words = f"{page.suite.called('target')} {label}"
    if address:
        shown = f'<img src="{address}" alt="{escape(words)}">'
    else:
        shown = f'<div class="blank">{"not shown: personal" if page.is_personal("pixels") else "no picture"}</div>'
    told = "".join(f'<div class="reason">{escape(reason)}</div>' for reason in reasons)
    return f"<figure>{shown}<figcaption><b>{escape(label)}</b>{told}{_record(page, row)}</figcaption></figure>"


def _target(page: Page, row: Row) -> str:
    value = row.values["target"]
    if page.is_personal("target"):
        return MASKED
    if isinstance(value, int) and 0 <= value < len(page.classes):
        return f"{value} {page.classes[value]}"
    return "none" if value is None else str(value)


def _record(page: Page, row: Row) -> str:
    if page.is_personal("record_id"):
        return f'<code class="masked">{MASKED}</code>'
    return f'<code class="id" title="{escape(row.record_id)}">{escape(row.record_id)}</code>'


def _table(page: Page) -> str:
    if not page.rows.shown:
        return ""
    blamed = Counter(name for row in page.rows.shown for fault in row.faults for name in fault.columns)
    names = list(page.rows.shown[0].values)
    first = [name for name, _ in blamed.most_common() if name in names]
    columns = [*first, *(name for name in names if name not in first)]
    heads = "".join(
        f'<th scope="col"{" class=fault" if name in blamed else ""}>{escape(page.suite.called(name))}</th>'
        for name in columns[:_MOST_COLUMNS]
    )
    body = "".join(_table_row(page, row, columns[:_MOST_COLUMNS]) for row in page.rows.shown)
    more = len(columns) - _MOST_COLUMNS
    rest = f'<p class="fine">And {more:,} more columns, in which no cell is marked.</p>' if more > 0 else ""
    why = '<th scope="col">why</th>' if any(row.faults or row.status for row in page.rows.shown) else ""
    return (
        '<div class="scroll" tabindex="0"><table class="rows"><caption class="hidden">Rows with the cells at fault marked'
        f'</caption><thead><tr><th scope="col">record</th>{why}{heads}</tr></thead><tbody>{body}</tbody></table></div>{rest}'
    )


def _table_row(page: Page, row: Row, columns: Sequence[str]) -> str:
    at_fault: dict[str, list[str]] = {}
    for fault in row.faults:
        for name in fault.columns:
            at_fault.setdefault(name, []).append(fault.reason)
    status = [row.status] if row.status not in ("", "quarantined") else []
    told = "".join(f"<div>{escape(one)}</div>" for one in [*status, *(fault.reason for fault in row.faults)])
    has_why = any(one.faults or one.status for one in page.rows.shown)
    cells = "".join(_cell(page, name, row.values[name], at_fault.get(name)) for name in columns)
    head = f'<th scope="row">{_record(page, row)}<small>row {row.position + 1:,}</small></th>'
    return f"<tr>{head}{f'<td class=told>{told}</td>' if has_why else ''}{cells}</tr>"


def _cell(page: Page, name: str, value: Any, reasons: list[str] | None) -> str:
    if page.is_personal(name):
        shown = f'<span class="masked">{MASKED}</span>'
    elif value is None or value != value:  # NaN
        shown = "no value" if reasons else '<span class="empty">empty</span>'
    else:
        shown = escape(_written(value))
    if not reasons:
        return f"<td>{shown}</td>"
    told = "; ".join(reasons)
    return f'<td><mark title="{escape(told)}">{shown}</mark></td>'


def _written(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _steps(page: Page) -> str:
    steps = "".join(f"<dt>{escape(typed)}</dt><dd>{escape(does)}</dd>" for typed, does in next_steps(page.state))
    return f'<dl class="steps commands">{steps}</dl>' if steps else ""


def _what_landed(page: Page) -> str:
    manifest = page.state.manifest
    parts = ", ".join(f"{part.name} ({part.size:,} bytes)" for part in manifest.parts[:_MOST_PARTS])
    if (n_more := len(manifest.parts) - _MOST_PARTS) > 0:
        parts += f" and {n_more:,} more"
    about = {"Files": parts, "Origin": manifest.origin, "Licence": manifest.licence, "Terms": manifest.terms}
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in about.items() if text)
    return f'<dl class="identities">{items}</dl>'
