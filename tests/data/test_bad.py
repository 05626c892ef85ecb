"""The corpus of bad inputs: none is admitted, each is told by its reason, and no byte is lost."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.data.bad import pictures, tables
from tests.data.bad.case import Case
from tests.landed_data import land_files, workload

from gristmill.ground.files import read_json, write_json
from gristmill.ground.workload import Workload
from gristmill.runs.accounting import check_every_row_has_a_status
from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate

CORPUS: dict[str, Any] = {"tabular": tables, "images": pictures}
EVERY = [
    pytest.param(kind, case, id=f"{kind}: {case.name}") for kind, module in CORPUS.items() for case in module.CASES
]


class Judged(NamedTuple):
    """All cases of one kind, as batches of one workload."""

    workload: Workload
    batches: dict[str, str]
    """By the name of the case."""
    report: dict[str, Any]
    """By the id of the batch."""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Judged]]:
    found = {}
    for kind, module in CORPUS.items():
        made = workload(tmp_path_factory.mktemp(kind), kind, module.PARAMS)
        write_json(made.expectations, module.SUITE)
        batches = {case.name: land_files(made, case.files) for case in module.CASES}
        assert len(set(batches.values())) == len(module.CASES), "two cases are the same bytes"
        ingest(made)
        validate(made)
        report = read_json(made.reports / "validation.json")
        found[kind] = Judged(made, batches, {entry["batch"]: entry for entry in report["batches"]})
    yield found


@pytest.mark.parametrize(("kind", "case"), EVERY)
def test_a_bad_input_is_kept_out_with_its_reason(kind: str, case: Case, judged: dict[str, Judged]) -> None:
    found = judged[kind]
    batch = found.batches[case.name]
    entry = found.report[batch]
    told = [line["reason"] for line in entry["reasons"] if line["severity"] == "critical"]
    assert any(re.search(case.reason, reason) for reason in told), told
    admitted = {one["batch"]: one["rows"] for one in read_json(found.workload.admitted)["batches"]}
    if case.rows is None:
        assert entry["status"] == "quarantined" and batch not in admitted
        whole = json.loads((found.workload.quarantine / batch / "reason.json").read_text("utf-8"))
        assert any(re.search(case.reason, reason) for reason in whole["reasons"])
    else:
        assert entry["status"] == "partial"
        kept_in = {row for start, stop in admitted[batch] for row in range(start, stop)}
        assert set(range(entry["n_rows"])) - kept_in == set(case.rows)


@pytest.mark.parametrize(("kind", "case"), EVERY)
def test_a_bad_input_stays_as_it_was_received(kind: str, case: Case, judged: dict[str, Judged]) -> None:
    [folder] = judged[kind].workload.landing.glob(f"*/{judged[kind].batches[case.name]}")
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {name: content for name, content in kept.items() if name != "manifest.json"} == case.files


@pytest.mark.parametrize("kind", CORPUS)
def test_no_row_of_the_corpus_is_lost(kind: str, judged: dict[str, Judged]) -> None:
    assert check_every_row_has_a_status(judged[kind].workload) > 0
