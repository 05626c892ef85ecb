"""The page that a person reads before they trust a model: one file, no script, no network, the same bytes when remade.

It opens with the verdict and what was asked, and ends with how to make it again. Everything that came from data, down to a
class name, is escaped; a content security policy forbids the page to load anything at all.
"""

from collections.abc import Callable
from html import escape

from gristmill.evaluation.metrics import higher_is_better
from gristmill.evaluation.report.asked import problem_section
from gristmill.evaluation.report.checks import checks_section
from gristmill.evaluation.report.contents import ROLE_NAMES, Page, is_repeated
from gristmill.evaluation.report.figures import classes_section, confusion_section, models_section
from gristmill.evaluation.report.html import capital, document
from gristmill.evaluation.report.landed import data_section
from gristmill.evaluation.report.learning import training_section
from gristmill.evaluation.report.reproduce import reproduce_section
from gristmill.evaluation.report.residuals import residuals_section
from gristmill.evaluation.tables import ROLES
from gristmill.evaluation.words import figure, metric_words


def render(page: Page) -> str:
    """The page as HTML."""
    sections: list[tuple[str, str, Callable[[Page], str]]] = [
        ("asked", "What was asked", problem_section),
        ("gate", "What the gate asked", checks_section),
        ("models", "The models side by side", models_section),
        ("classes", "Class by class", classes_section),
        ("confusion", "What is mistaken for what", confusion_section),
        ("residuals", "How far off the answers are", residuals_section),
        ("training", "Training", training_section),
        ("data", "The data behind it", data_section),
        ("notes", "Notes", _notes),
        ("reproduce", "Make it again", reproduce_section),
    ]
    bodies = [(name, title, body) for name, title, make in sections if (body := make(page))]
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in bodies)
    parts = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}</h2>{body}</section>'
        for name, title, body in bodies
    )
    verdict = page.decision.verdict
    header = f"""<h1>{escape(page.workload)}</h1>
<div class="verdict"><strong class="badge">{verdict}</strong><p class="lead">{_lead(page)}</p></div>
<p class="sentence">{escape(page.decision.sentence)}</p>
{_tiles(page)}
<nav aria-label="On this page">{links}</nav>"""
    footer = "Written by the stage gate of Gristmill; this file needs no network."
    title = f"{verdict}: {page.workload}"
    return document(title, "gate report", header, parts, footer, tone=verdict.lower())


def _lead(page: Page) -> str:
    if page.decision.verdict == "HOLD":
        return "Not bad, but the evidence is not enough: a person decides."
    if page.decision.verdict == "REJECT":
        return "Not good enough for production."
    if page.metrics["champion_sha256"] is None:
        return "Good enough to be the first in production."
    if page.metrics["champion_sha256"] == page.metrics["challenger_sha256"]:
        return "The model in production, judged again."
    return "Good enough, and surely not worse than what is in production."


def _tiles(page: Page) -> str:
    metric, comparison = page.settings.metric, page.decision.comparison
    name = capital(metric_words(metric))
    tiles = []
    for role in ROLES:
        if comparison.get(role) is not None and not is_repeated(page, role):
            detail = _tile_detail(page, role)
            tiles.append((f"{name}, {ROLE_NAMES[role]}", figure(comparison[role]), detail))
    benchmark = page.metrics["benchmark"]
    if "challenger" in benchmark:
        tiles.append(
            (f"{name} on the benchmark", figure(benchmark["challenger"][metric]), f"{benchmark['n']:,} records")
        )
    tiles.append(("Held-out records", f"{comparison['n']:,}", "seen by no model"))
    if page.decision.smallest_visible_difference is not None:
        detail = f"margin {page.settings.margin:g}"
        tiles.append(("Smallest visible difference", figure(page.decision.smallest_visible_difference), detail))
    return (
        '<dl class="tiles">'
        + "".join(
            f'<div><dt>{escape(term)}</dt><dd>{escape(value)}<span class="detail">{escape(detail)}</span></dd></div>'
            for term, value, detail in tiles
        )
        + "</dl>"
    )


def _tile_detail(page: Page, role: str) -> str:
    if role == "challenger":
        floor = page.settings.floors.get(page.settings.metric)
        bound = "floor" if higher_is_better(page.settings.metric) else "ceiling"
        return f"{bound} {floor:g}" if floor is not None else ""
    return f"model {str(page.metrics[f'{role}_sha256'])[:8]}"


def _notes(page: Page) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in page.metrics["notes"])
    return f"<ul>{items}</ul>" if items else ""
