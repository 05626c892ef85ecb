"""Data Docs: what Great Expectations found in the newest batches, as pages under reports/<w>/data_docs/.

Made when a person asks, from the tables that the last turn left in the cache and the suite of the working tree; git ignores
them. No page needs a network, and none shows a value of a column that the suite calls personal.
"""

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.adapters.data_docs import batch_page, copy_assets
from gristmill.adapters.dvc import CacheMissError, locked_output, read_lock
from gristmill.adapters.expectations import CompiledSuite
from gristmill.data.batches import read_batch
from gristmill.evaluation.report.html import cell, number, table
from gristmill.evaluation.report.style import STYLE
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_folder, write_text
from gristmill.ground.workload import Workload
from gristmill.quality.structure import check_structure
from gristmill.quality.suite import Suite, read_suite
from gristmill.registry.history import read_history
from gristmill.runs.repository import Repository


class NothingJudgedError(GristmillError):
    """No turn has judged anything yet."""

    def __str__(self) -> str:
        return f"{self.args[0]}: no turn has judged a batch yet. `gristmill run {self.args[0]}` makes one."


class Judged(NamedTuple):
    """One batch of the last turn."""

    batch: str
    name: str
    """What its files are called."""
    entry: dict[str, Any]
    """What validation.json says of it."""
    table: Path
    """In the cache."""


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
        NothingJudgedError: no turn has been recorded.
        CacheMissError: the cache lacks a table.
        SuiteError: the suite cannot be trusted.
    """
    suite = read_suite(workload.expectations, workload.name)
    judged = _judged(repository, workload.name)[:last]
    compiled = CompiledSuite(suite, workload.expectations)
    personal = [name for name, column in suite.meta.columns.items() if column.personal]
    folder = workload.reports / "data_docs"
    with new_folder(folder) as pages:
        has_page = []
        for one in judged:
            if (page := _page(one, suite, compiled, personal)) is not None:
                write_text(pages / f"{one.batch}.html", page)
                has_page.append(one.batch)
            say(f"{one.batch} ({one.name}): {one.entry['status']}")
        copy_assets(pages)
        write_text(pages / "index.html", _index(workload.name, judged, has_page))
    return folder / "index.html"


def _judged(repository: Repository, name: str) -> list[Judged]:
    """The batches of the last turn, the newest landing first."""
    tip = repository.mill.tip()
    tables = tip and locked_output(
        read_lock(repository.mill.read("dvc.lock", tip)), f"ingest@{name}", f"data/{name}/batches"
    )
    report = tip and repository.mill.read(f"reports/{name}/validation.json", tip)
    if not tables or not report:
        raise NothingJudgedError(name)
    entries = {entry["batch"]: entry for entry in json.loads(report)["batches"]}
    listing = repository.dvc.listing(tables["md5"])
    landings = {
        event.trailers["Batch"]: event for event in read_history(repository.mill, name) if "Batch" in event.trailers
    }
    found = []
    for batch in sorted(entries, key=lambda batch: landings[batch].at if batch in landings else "", reverse=True):
        path = repository.dvc.object_path(listing[f"{batch}.parquet"])
        if not path.is_file():
            raise CacheMissError(repository.cache, f"{batch}.parquet")
        subject = landings[batch].subject.partition(": ")[2] if batch in landings else ""
        found.append(Judged(batch, subject, entries[batch], path))
    return found


def _page(judged: Judged, suite: Suite, compiled: CompiledSuite, personal: list[str]) -> str | None:
    """The page of a batch, or None where its shape leaves nothing to be asked."""
    content = read_batch(judged.table)
    structure = check_structure(judged.batch, content.rows.schema, len(content.rows), content.problems, suite)
    asked = [i for i, entry in enumerate(suite.expectations) if structure.sound.issuperset(entry.columns)]
    if not len(content.rows) or not asked:
        return None
    rows = content.rows.select(
        [name for name in content.rows.column_names if name in structure.sound and name != "problems"]
    )
    return batch_page(compiled, rows, asked, f"{judged.batch} {judged.name}", personal)


def _index(workload: str, judged: list[Judged], has_page: list[str]) -> str:
    rows = [
        [
            f'<td><a href="{one.batch}.html"><code>{one.batch}</code></a></td>'
            if one.batch in has_page
            else f"<td><code>{one.batch}</code></td>",
            cell(one.name),
            cell(one.entry["status"]),
            number(one.entry["n_rows"]),
            cell(
                "; ".join(line["reason"] for line in one.entry["reasons"] if line["severity"] != "info")
                or "nothing amiss"
            ),
        ]
        for one in judged
    ]
    heads = ["batch", "files", "status", "rows", "what was found"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{escape(workload)}: what its data must satisfy</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<header><p class="eyebrow">Gristmill <span aria-hidden="true">·</span> Data Docs</p><h1>{escape(workload)}</h1></header>
<main><section>{table("The newest batches", heads, rows, "batches")}</section></main>
<footer>The pages of the batches are Great Expectations' own; none of them needs a network.</footer>
</body>
</html>
"""
