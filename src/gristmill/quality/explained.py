"""What stands beside a batch in quarantine for a person: what landed, why it waits, and what can be done about it.

Not when it landed: no output of a stage depends on that (`gristmill quarantine list` says it).
"""

from gristmill.data.manifest import Manifest
from gristmill.quality.accounting import Account, batch_status, told
from gristmill.quality.statuses import count

_HEADINGS = {"critical": "Why it waits", "warning": "To be known besides", "info": "Noted"}
_MOST_PARTS = 20


def explained(account: Account, manifest: Manifest, workload: str) -> str:
    """quarantine/<batch>/reason.md, of a batch that has quarantined rows or none at all.

    Args:
        account: what became of its rows.
        manifest: what landed.
        workload: whose it is.
    """
    reasons = told(account)
    lines = [
        f"# Batch {account.batch} of {workload}: {_headline(account)}",
        "",
        *_what_landed(account, manifest, workload),
    ]
    for severity, heading in _HEADINGS.items():
        if sentences := [f"- {line['reason']}" for line in reasons if line["severity"] == severity]:
            lines += ["", f"## {heading}", "", *sentences]
    return "\n".join([*lines, "", "## What you can do", "", *_next_steps(account, workload), ""])


def _headline(account: Account) -> str:
    if account.whole:
        return "quarantined"
    n_rows = count(account.statuses)["quarantined"]
    return f"{batch_status(account)}, {n_rows:,} of {account.n_rows:,} rows are quarantined"


def _what_landed(account: Account, manifest: Manifest, workload: str) -> list[str]:
    parts = [f"- `{part.name}`, {part.size:,} bytes" for part in manifest.parts[:_MOST_PARTS]]
    if (n_more := len(manifest.parts) - _MOST_PARTS) > 0:
        parts.append(f"- and {n_more:,} more files")
    about = {"Origin": manifest.origin, "Licence": manifest.licence, "Terms": manifest.terms}
    rows = f"{account.n_rows:,} {'row' if account.n_rows == 1 else 'rows'}"
    return [
        f"{rows}, role {account.role}; as it was received, it lies in `data/{workload}/landing/*/{account.batch}/`:",
        "",
        *parts,
        *(line for name, value in about.items() if value for line in ("", f"{name}: {value}")),
    ]


def _next_steps(account: Account, workload: str) -> list[str]:
    batch = f"{workload} {account.batch}"
    typed = [(f"gristmill quarantine show {batch}", "look at what waits: its page is written and named")]
    if account.n_rows:
        what = "all of it, in spite of the reasons" if account.whole else "the rows, in spite of their reasons"
        typed += [
            (f'gristmill quarantine release {batch} --reason "..."', f"admit {what}; --row ID for single ones"),
            (f'gristmill data correct {workload} corrections.csv --reason "..."', "give rows their right target"),
        ]
    typed.append((f'gristmill quarantine drop {batch} --reason "..."', "never admit it; --row ID for single rows"))
    steps = [line for command, does in typed for line in (f"    {command}", f"        {does}")]
    return [
        *steps,
        "",
        f"What you decide is taken in by the next turn (`gristmill run {workload}`); until then it waits here.",
    ]
