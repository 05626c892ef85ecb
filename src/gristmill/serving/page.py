"""The page at `/`: what is served and how to ask, in plain HTML that loads nothing from anywhere.

BentoML's own page at this path calls a tracker from the visitor's browser (measured), so ours takes its place.
"""

import html
import json
from typing import Any

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.55 system-ui, sans-serif; --line: #8886; --soft: #8881; }}
body {{ max-width: 46rem; margin: 2.5rem auto; padding: 0 1.2rem; }}
h1 {{ margin-bottom: .2rem; letter-spacing: -.02em; }}
h2 {{ margin-top: 2.2rem; font-size: 1.2rem; }}
h1 span {{ font-weight: 400; opacity: .65; }}
code, pre {{ font: .85rem/1.5 ui-monospace, Menlo, Consolas, monospace; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; max-height: 14rem; overflow-y: auto; padding: .8rem 1rem;
border: 1px solid var(--line); border-radius: .5rem; background: var(--soft); }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem 1.5rem .3rem 0; overflow-wrap: anywhere; }}
th {{ font-weight: 600; white-space: nowrap; }}
li {{ margin: .2rem 0; }}
</style>
</head>
<body>
<h1>{workload} <span>{version}</span></h1>
<p>{state}</p>
<table>{rows}</table>
<h2>How to ask</h2>
<pre>curl -s {address}predict -H 'content-type: application/json' -d @request.json</pre>
<p>with a <code>request.json</code> such as</p>
<pre>{example}</pre>
<h2>More</h2>
<ul>
<li><a href="schema">/schema</a>: what may be asked, with an example to copy</li>
<li><a href="model">/model</a>: what is served, and where it came from</li>
<li><a href="livez">/livez</a>, <a href="readyz">/readyz</a>: for whoever watches</li>
</ul>
</body>
</html>
"""

_FIGURES = ("accuracy", "balanced_accuracy", "f1_macro", "mae", "rmse")


def render_page(about: dict[str, Any], example: Any, address: str = "/") -> str:
    """The page for what `/model` says; a long example is cut.

    Args:
        about: what `/model` says.
        example: a request that the model takes.
        address: of this page, as the visitor wrote it.
    """
    facts = {
        "verdict": about.get("verdict"),
        "in words": about.get("sentence"),
        "held out": _figures(about, "holdout"),
        "benchmark": _figures(about, "benchmark"),
        "data version": about.get("data_version"),
        "code": about.get("commit"),
        "model": about.get("model_sha256"),
        "kind": about.get("kind"),
    }
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{_shown(name, str(value))}</td></tr>"
        for name, value in facts.items()
        if value
    )
    workload, version = str(about.get("workload") or "A model"), str(about.get("version") or "")
    text = json.dumps(example, ensure_ascii=False)
    return _PAGE.format(
        title=html.escape(f"{workload} {version}".strip()),
        workload=html.escape(workload),
        version=html.escape(version),
        state=html.escape(str(about.get("refused") or "Served by Gristmill.")),
        rows=rows,
        address=html.escape(address),
        example=html.escape(text if len(text) <= 800 else text[:800] + " ..."),
    )


def _figures(about: dict[str, Any], records: str) -> str | None:
    figures = (about.get("metrics") or {}).get(records) or {}
    shown = [f"{name.replace('_', ' ')} {figures[name]:.4f}" for name in _FIGURES if name in figures]
    return ", ".join([*shown, f"{figures.get('n', 0):,} records"]) if shown else None


def _shown(name: str, value: str) -> str:
    text = html.escape(value)
    return f"<code>{text}</code>" if name in ("data version", "code", "model") else text
