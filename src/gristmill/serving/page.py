"""The page at `/`: what is served and how well it does, and a form to ask it, loading nothing from anywhere.

BentoML's own page at this path calls a tracker from the visitor's browser (measured), so ours takes its place. It is one
document: style and script stand in it and are allowed by their hashes, so whatever else got in could not run.
"""

import base64
import hashlib
import json
from html import escape
from typing import Any

from gristmill.serving.page_form import try_it
from gristmill.serving.page_script import SCRIPT
from gristmill.serving.page_style import STYLE


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


PAGE_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_hash(SCRIPT)}; style-src {_hash(STYLE)}; connect-src 'self'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}

_FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "macro F1",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
}
_RECORDS = {"holdout": "held out", "benchmark": "benchmark"}
_COUNTERS = {
    "requests": "requests",
    "refused": "refused",
    "failed": "failed",
    "in_flight": "in flight",
    "p50_ms": "median, ms",
    "p99_ms": "99th percentile, ms",
    "swaps": "swaps of the model",
    "since": "counted since",
}


def render_page(about: dict[str, Any], example: Any, address: str = "/") -> str:
    """The page for what `/model` says.

    Args:
        about: what `/model` says.
        example: a request that the model takes, or None where there is no model.
        address: of this page, as the visitor wrote it.
    """
    workload, version = str(about.get("workload") or "A model"), str(about.get("version") or "")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(f"{workload} {version}".strip())}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="eyebrow">Gristmill <span aria-hidden="true">·</span> service</p>
<h1>{escape(workload)} <span>{escape(version)}</span></h1>
{_verdict(about)}
{_refusal(about)}
</header>
<main>
{try_it(about["contract"], example, about.get("version")) if about.get("contract") else ""}
<dl class="tiles" id="counters" aria-label="Since the service started" hidden>{_counters()}</dl>
{_served(about)}
<section>
<h2>From a program</h2>
{_how_to_ask(example, address) if example else ""}<ul>
<li><a href="docs">/docs</a>, <a href="openapi.json">/openapi.json</a>: every route, to read and for programs</li>
<li><a href="schema">/schema</a>: what may be asked, with an example to copy</li>
<li><a href="model">/model</a>: what is served, and where it came from</li>
<li><a href="livez">/livez</a>, <a href="readyz">/readyz</a>: for whoever watches</li>
</ul>
</section>
</main>
<footer>Served by Gristmill. This page loads nothing from anywhere else.</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _verdict(about: dict[str, Any]) -> str:
    if not (verdict := about.get("verdict")):
        return ""
    tone = {"PROMOTE": "promote", "HOLD": "hold", "REJECT": "reject"}.get(verdict, "")
    sentence = escape(str(about.get("sentence") or ""))
    return f'<div class="verdict"><span class="badge {tone}">{escape(str(verdict))}</span><p>{sentence}</p></div>'


def _refusal(about: dict[str, Any]) -> str:
    return f'<p class="alert" role="alert">{escape(about["refused"])}</p>' if about.get("refused") else ""


def _counters() -> str:
    return "".join(f'<div><dt>{words}</dt><dd data-counter="{name}"></dd></div>' for name, words in _COUNTERS.items())


def _served(about: dict[str, Any]) -> str:
    facts = {
        "since": about.get("since"),
        "because": about.get("reason"),
        "kind": about.get("kind"),
        "data version": about.get("data_version"),
        "code": about.get("commit"),
        "model": about.get("model_sha256"),
    }
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{_shown(name, value)}</dd></div>" for name, value in facts.items() if value
    )
    if not rows:
        return ""
    return f'<section>\n<h2>What is served</h2>\n{_metrics(about)}<dl class="facts">{rows}</dl>\n</section>'


def _metrics(about: dict[str, Any]) -> str:
    tiles = ""
    for records, words in _RECORDS.items():
        figures = (about.get("metrics") or {}).get(records) or {}
        tiles += "".join(
            f"<div><dt>{metric}, {words}</dt>"
            f'<dd>{figures[name]:.4f}<span class="detail">{figures.get("n", 0):,} records</span></dd></div>'
            for name, metric in _FIGURES.items()
            if name in figures
        )
    return f'<dl class="tiles">{tiles}</dl>\n' if tiles else ""


def _how_to_ask(example: Any, address: str) -> str:
    text = json.dumps(example, ensure_ascii=False)
    return f"""<pre tabindex="0">curl -s {escape(address)}predict -H 'content-type: application/json' -d @request.json</pre>
<p>with a <code>request.json</code> such as</p>
<pre tabindex="0">{escape(text if len(text) <= 800 else text[:800] + " ...")}</pre>
"""


def _shown(name: str, value: Any) -> str:
    text = escape(str(value))
    return f"<code>{text}</code>" if name in ("data version", "code", "model") else text
