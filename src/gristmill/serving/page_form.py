"""The page's form: a question of the model's kind, made from its contract, and what becomes of the answer."""

import json
from collections.abc import Callable
from html import escape
from typing import Any


def try_it(contract: dict[str, Any], example: dict[str, Any], version: str | None) -> str:
    """The section in which a visitor asks; empty for a kind that has no form."""
    if contract.get("kind") not in _QUESTIONS:
        return ""
    layout, question = _QUESTIONS[contract["kind"]]
    classes = contract["classes"] if contract["task"] == "classification" else None
    about = {
        "image": contract.get("image"),
        "columns": contract.get("columns"),
        "classes": classes,
        "example": example,
        "version": version,
    }
    return f"""<section>
<h2>Try it</h2>
<noscript><p>Asking from this page needs JavaScript; below is how to ask without.</p></noscript>
<div class="try {layout}">
<form id="question">
{question(contract, example)}
</form>
<div class="outcome" id="outcome">
<p class="alert" id="problem" role="alert"></p>
<form id="token-form" class="row" hidden>
<label>Access token<input id="token" type="password" required pattern="[!-~]+" autocomplete="off"></label>
<button>Use it</button>
</form>
<p class="fine" id="waiting">The answer will stand here.</p>
<p class="said" id="said" role="status"></p>
<div id="answer" hidden>
<div class="scroll">
<table class="bars" aria-label="Probability of each class, highest first"><tbody id="bars"></tbody></table>
</div>
<p class="fine">By <span id="answered-by"></span>, request <code id="request-id"></code>
<span id="other-version" hidden>This page was loaded while another version answered: <a href="">load it again</a>.</span></p>
<form id="feedback" class="row">
<label>Was it right? The true {"class" if classes else "value"} is {_truth(classes)}</label>
<button>Send</button>
</form>
<p id="noted" class="fine" role="status"></p>
</div>
</div>
</div>
<script type="application/json" id="model">{_data(about)}</script>
</section>"""


def _image(contract: dict[str, Any], _: dict[str, Any]) -> str:
    height, width = contract["image"]["height"], contract["image"]["width"]
    thickest, thickness = max(2, min(height, width) // 4), max(1, min(height, width) // 12)
    return f"""<div class="board"><canvas id="canvas" height="{height}" width="{width}" tabindex="0" role="application"
aria-label="Drawing, {height} rows of {width} pixels" aria-describedby="canvas-help"></canvas>
<span class="pen" id="pen"></span></div>
<p class="hidden" id="pen-place" role="status"></p>
<div class="tools">
<button type="button" id="example">Example</button>
<label class="button">Upload<input class="hidden" id="upload" type="file" accept="image/*"></label>
<button type="button" id="invert">Invert</button>
<button type="button" id="clear">Clear</button>
</div>
<label class="slider">Pen<input id="pen-width" type="range" min="1" max="{thickest}" value="{thickness}"></label>
<p class="tools"><button class="main" id="ask">Ask the model</button></p>
<p class="fine" id="canvas-help">Draw in white on black, with a mouse or a finger. With keys: arrows move the pen, the space
bar draws. The model sees these {height} × {width} pixels.</p>"""


def _row(contract: dict[str, Any], example: dict[str, Any]) -> str:
    (row,) = example["rows"]
    fields = "".join(
        f'<div><label for="field-{i}">{escape(column["name"])}</label>{_field(i, column, row[column["name"]])}</div>\n'
        for i, column in enumerate(contract["columns"])
    )
    return f"""<p class="fine">A field left empty is a value that is not known.</p>
<div class="fields">
{fields}</div>
<div class="tools">
<button class="main" id="ask">Ask the model</button>
<button type="button" id="example">Example</button>
<button type="button" id="clear">Clear</button>
</div>"""


def _field(i: int, column: dict[str, Any], value: Any) -> str:
    if column["type"] == "categorical":
        return f'<select id="field-{i}"><option value="">not known</option>{_options(column["categories"], value)}</select>'
    kind = 'number" step="any' if column["type"] == "numeric" else "date"
    return f'<input id="field-{i}" type="{kind}" value="{escape(str(value))}">'


def _truth(classes: list[str] | None) -> str:
    if classes is None:
        return '<input id="truth" type="number" step="any" required>'
    return f'<select id="truth">{_options(classes, None)}</select>'


def _options(names: list[str], chosen: str | None) -> str:
    """By number, for a name may be empty, which stands for no choice."""
    return "".join(
        f'<option value="{i}"{" selected" if name == chosen else ""}>{escape(name)}</option>'
        for i, name in enumerate(names)
    )


def _data(about: dict[str, Any]) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(about, ensure_ascii=False).replace("<", "\\u003c")


_QUESTIONS: dict[str, tuple[str, Callable[[dict[str, Any], dict[str, Any]], str]]] = {
    "images": ("", _image),
    "tabular": ("wide", _row),
}
