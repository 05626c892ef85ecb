"""What was asked, before what was found: a figure means little to a reader who does not know what it is for."""

from html import escape

from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.report.html import capital


def problem_section(page: Page) -> str:
    """Goal, decision, what each error costs, and who answers for the model."""
    problem = page.problem
    costs = "".join(
        f"<li><strong>{escape(capital(error))}</strong>: {escape(cost)}</li>" for error, cost in problem.costs.items()
    )
    entries = {
        "Goal": escape(problem.goal),
        "Decision": escape(problem.decision),
        "Errors": f'<ul class="reasons">{costs}</ul>',
        "Owner": escape(problem.owner),
    }
    return (
        '<dl class="asked">'
        + "".join(f"<div><dt>{term}</dt><dd>{words}</dd></div>" for term, words in entries.items())
        + "</dl>"
    )
