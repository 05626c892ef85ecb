"""How to come back to what this page is about, and make it again."""

from html import escape

from gristmill.evaluation.report.contents import ROLE_NAMES, Page


def reproduce_section(page: Page) -> str:
    """The commands, and the identities of what was compared."""
    name = escape(page.workload)
    model = str(page.metrics["challenger_sha256"])[:8]
    commands = "\n".join(
        [
            f"gristmill versions {name}",
            f"git switch --detach {name}@<b>VERSION</b>",
            "dvc checkout --allow-missing",
            f"dvc repro --force --no-run-cache package@{name}",
        ]
    )
    identities = "".join(
        f"<div><dt>{role_name}</dt><dd><code>{escape(page.metrics[f'{role}_sha256'] or 'none yet')}</code></dd></div>"
        for role, role_name in ROLE_NAMES.items()
    )
    return (
        f"<p>A version is a git tag that holds data, code and parameters of a run. The first line names the one whose model "
        f"is <code>{model}</code>; the others bring all of it into your tree, and make the model again from the bytes that "
        "landed, bit for bit.</p>"
        f'<pre class="commands">{commands}</pre>'
        f"<p>A challenger that was rejected has no version: <code>gristmill history {name}</code> shows its run, whose "
        "trailers name the code (<code>Code:</code>) and what it started from (<code>Base:</code>).</p>"
        f"<h3>What was compared</h3><p>A model's identity is the SHA-256 of its weights.</p>"
        f'<dl class="identities">{identities}</dl>'
    )
