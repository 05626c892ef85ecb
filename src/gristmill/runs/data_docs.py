"""Data Docs: what Great Expectations found in the newest batches, as pages under reports/<w>/data_docs/.

Made when a person asks, from the tables that the last turn left in the cache and the suite of the working tree; git ignores
them. No page needs a network, and none shows a value of a column that the suite calls personal.
"""

from collections.abc import Callable
from html import escape
from pathlib import Path

from gristmill.adapters.data_docs import batch_page, copy_assets
from gristmill.adapters.expectations import CompiledSuite
from gristmill.data.batches import read_batch
from gristmill.evaluation.report.html import cell, document, number, table
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_folder, write_text
from gristmill.ground.workload import Workload
from gristmill.quality.structure import check_structure
from gristmill.quality.suite import Suite, read_suite
from gristmill.runs.quarantine.state import BatchState, States
from gristmill.runs.repository import Repository


class NothingJudgedError(GristmillError):
    """No turn has judged anything yet."""

    def __str__(self) -> str:
        return f"{self.args[0]}: no turn has judged a batch yet. `gristmill run {self.args[0]}` makes one."


def build_data_docs(repository: Repository, workload: Workload, last: int, say: Callable[[str], None]) -> Path:
    """Write the pages of the newest batches, and an index.

    Args:
        repository: whose mill.
        workload: whose batches.
        last: how many batches, the newest.
        say: told of each page.

    Returns:
        The index.

    Raises:
        NoDataError: nothing has landed.
        NothingJudgedError: no turn has been recorded.
        CacheMissError: the cache lacks a table.
        SuiteError: the suite cannot be trusted.
    """
    suite = read_suite(workload.expectations, workload.name)
    states = States(repository, workload.name)
    judged = [states.of(batch) for batch in states.newest(states.turn.judged)[:last]]
    if not judged:
        raise NothingJudgedError(workload.name)
    compiled = CompiledSuite(suite, workload.expectations)
    personal = [name for name, column in suite.meta.columns.items() if column.personal]
    folder = workload.reports / "data_docs"
    with new_folder(folder) as pages:
        has_page = []
        for one in judged:
            if (page := _page(one, states.turn.table(one.batch), suite, compiled, personal)) is not None:
                write_text(pages / f"{one.batch}.html", page)
                has_page.append(one.batch)
            say(f"{one.batch} ({_called(one)}): {one.status}")
        copy_assets(pages)
        write_text(pages / "index.html", _index(workload.name, judged, has_page))
    return folder / "index.html"


def _page(state: BatchState, table: Path, suite: Suite, compiled: CompiledSuite, personal: list[str]) -> str | None:
    """The page of a batch, or None where its shape leaves nothing to be asked."""
    content = read_batch(table)
    structure = check_structure(state.batch, content.rows.schema, len(content.rows), content.problems, suite)
    asked = [i for i, entry in enumerate(suite.expectations) if structure.sound.issuperset(entry.columns)]
    if not len(content.rows) or not asked:
        return None
    rows = content.rows.select(
        [name for name in content.rows.column_names if name in structure.sound and name != "problems"]
    )
    return batch_page(compiled, rows, asked, f"{state.batch} {_called(state)}", personal)


def _index(workload: str, judged: list[BatchState], has_page: list[str]) -> str:
    rows = [
        [
            f'<td><a href="{one.batch}.html"><code>{one.batch}</code></a></td>'
            if one.batch in has_page
            else f"<td><code>{one.batch}</code></td>",
            cell(_called(one)),
            cell(one.status),
            number(one.n_rows or 0),
            cell("; ".join(line["reason"] for line in one.reasons if line["severity"] != "info") or "nothing amiss"),
        ]
        for one in judged
    ]
    heads = ["batch", "files", "status", "rows", "what was found"]
    return document(
        f"{workload}: what its data must satisfy",
        "Data Docs",
        f"<h1>{escape(workload)}</h1>",
        f"<section>{table('The newest batches', heads, rows, 'batches')}</section>",
        "The pages of the batches are Great Expectations' own; none of them needs a network.",
    )


def _called(state: BatchState) -> str:
    """What its files are called."""
    first, *others = (part.name for part in state.manifest.parts)
    return f"{first} and {len(others):,} more" if others else first
