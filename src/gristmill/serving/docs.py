"""The page at `/docs`: what may be asked, read from the service's own description; plain HTML, no script, no other host."""

import html
import json
from typing import Any

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: what may be asked</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.55 system-ui, sans-serif; --line: #8886; --soft: #8881; }}
body {{ max-width: 52rem; margin: 2.5rem auto; padding: 0 1.2rem; }}
h2 {{ margin: 2.4rem 0 .3rem; font-size: 1.15rem; }}
h2 b {{ font: 600 .8rem/1 ui-monospace, Menlo, monospace; padding: .25rem .5rem; border: 1px solid; border-radius: .4rem; }}
code, pre {{ font: .85rem/1.5 ui-monospace, Menlo, Consolas, monospace; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; max-height: 18rem; overflow-y: auto; padding: .8rem 1rem;
border: 1px solid var(--line); border-radius: .5rem; background: var(--soft); }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); }}
th {{ width: 5rem; }}
</style>
</head>
<body>
<h1>{title} <small>{version}</small></h1>
<p>{about} For programs: <a href="openapi.json">/openapi.json</a>.</p>
{routes}
</body>
</html>
"""
_LONGEST = 1500


def render_docs(described: dict[str, Any]) -> str:
    """The page for what `/openapi.json` says; everything in it is escaped."""
    carried = " Every request but those for /livez and /readyz carries `authorization: Bearer TOKEN`."
    address = described["servers"][0]["url"]
    routes = [
        _route(path, method, operation, address, described)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    return _PAGE.format(
        title=html.escape(described["info"]["title"]),
        version=html.escape(described["info"]["version"]),
        about=html.escape(described["info"]["description"] + (carried if "security" in described else "")),
        routes="\n".join(routes),
    )


def _route(path: str, method: str, operation: dict[str, Any], address: str, described: dict[str, Any]) -> str:
    parts = [
        f"<h2><b>{method.upper()}</b> <code>{html.escape(path)}</code></h2><p>{html.escape(operation['summary'])}</p>"
    ]
    token = ' -H "authorization: Bearer $TOKEN"' if "security" in described and "security" not in operation else ""
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        file = "request.json" if media_type == "application/json" else "request.bin"
        typed = f"curl -s {address}{path}{token} -H 'content-type: {media_type}' --data-binary @{file}"
        parts.append(f"<pre>{html.escape(typed)}</pre>")
        if "example" in body:
            parts.append(f"<p>with a {file} such as</p><pre>{html.escape(_cut(body['example']))}</pre>")
        if media_type == "application/json":
            parts.append(f"<p>It has to fit:</p><pre>{html.escape(_cut(body['schema']))}</pre>")
    if not content:
        parts.append(f"<pre>{html.escape(f'curl -s {address}{path}{token}')}</pre>")
    rows = "".join(
        f"<tr><th scope=row>{status}</th><td>{html.escape(response['description'])}</td></tr>"
        for status, response in operation["responses"].items()
    )
    return "\n".join([*parts, f"<table>{rows}</table>"])


def _cut(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
