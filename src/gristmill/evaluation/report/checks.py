"""What the gate asked: each check in a sentence, the interval as a drawing, and the rule."""

from html import escape

from gristmill.evaluation.report.charts import Whisker, difference_chart
from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.report.html import capital, cell, table
from gristmill.evaluation.words import metric_words, signed


def checks_section(page: Page) -> str:
    """Each check, the differences as a drawing, and how small a difference can be seen."""
    marks = {"pass": "✓ pass", "fail": "✗ fail", "unsure": "? unsure"}
    rows = [
        [
            cell(_check_name(check.name), header=True),
            f'<td><span class="mark {check.outcome}">{marks[check.outcome]}</span></td>',
            cell(check.sentence),
        ]
        for check in page.decision.checks
    ]
    asked = table("Checks of the gate", ["check", "outcome", "in words"], rows, "checks")
    return asked + _differences(page) + f"<p>{escape(page.decision.sensitivity)}</p>" + _rule(page)


def _check_name(name: str) -> str:
    bound, _, metric = name.partition(": ")
    return capital(f"{bound}: {metric_words(metric)}" if metric else bound)


def _differences(page: Page) -> str:
    whiskers = [
        Whisker(
            "against the " + ("champion" if "champion" in check.name else "best"),
            check.numbers["difference"],
            check.numbers["lower"],
            check.numbers["upper"],
        )
        for check in page.decision.checks
        if "difference" in check.numbers
        and check.numbers["lower"] < check.numbers["upper"]  # else it is the same model
    ]
    if not whiskers:
        return ""
    words = "; ".join(
        f"{one.label}: {signed(one.value)}, from {signed(one.lower)} to {signed(one.upper)}" for one in whiskers
    )
    margin = page.settings.margin
    caption = (
        f"Difference in {metric_words(page.settings.metric)}, {page.settings.confidence * 100:g} % interval of a paired "
        "bootstrap. Right of zero the challenger is better. PROMOTE needs the whole interval right of the margin."
    )
    chart = difference_chart(whiskers, margin, f"Interval of the difference, margin {-margin:g}. {words}.")
    return f"<figure>{chart}<figcaption>{escape(caption)}</figcaption></figure>"


def _rule(page: Page) -> str:
    settings = page.settings
    return (
        f'<p class="fine">The rule, as declared in <code>params/{escape(page.workload)}.yaml</code>: margin '
        f"{settings.margin:g} in {escape(metric_words(settings.metric))}, confidence {settings.confidence:g}, "
        f"{settings.resamples:,} resamples, seed {settings.seed}. Floors are judged on the held-out records; the benchmark "
        "decides nothing.</p>"
    )
