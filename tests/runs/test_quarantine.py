"""The quarantine as a person sees it: what waits and why, in the terminal and on a page that shows nothing personal."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import gristmill
from tests.judged_turns import House, judge, land_applications
from tests.recorded_turns import W, started

from gristmill.data.manifest import Manifest, Part
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json, write_json
from gristmill.quality.suite import Column, Expectation, Meta, Suite
from gristmill.runs.deciding import decide
from gristmill.runs.quarantine.page import Page, render
from gristmill.runs.quarantine.rows import Fault, Row, Rows, rows_to_show
from gristmill.runs.quarantine.state import BatchState, States
from gristmill.runs.quarantine.words import waiting_table


def shown(house: House, batch: str) -> Rows:
    states = States(house.repository, W)
    return rows_to_show(states, house.repository.workload(W), states.of(batch))


def page_of(house: House, batch: str) -> str:
    typed = gristmill(house.repository.root, "quarantine", "show", W, batch)
    (path,) = re.findall(r"to see it: (.+)", typed.stdout)
    return Path(path).read_text("utf-8")


def test_the_list_names_what_waits_with_counts_reasons_and_what_landed_since(house: House) -> None:
    states = {state.batch: state for state in States(house.repository, W).waiting()}
    assert list(states) == [house.unjudged, house.whole, house.partial]  # the newest first; nothing of `good` waits
    table = waiting_table(list(states.values()))
    batch, landed, role, status, rows, why = (list(column.cells) for column in table.columns)
    assert batch == list(states)
    assert all(str(one).startswith("20") for one in landed) and set(role) == {"train"}
    assert status == ["unjudged", "quarantined", "partial"]
    assert rows == ["-", "40 quarantined of 40", "1 quarantined of 200"]
    assert why == [
        "the next turn judges it",
        "2 of 40 rows are bad, more than the share of 0.01 that a batch may have; "
        "1 of 40 rows cannot be read: whole.csv: 'Amount' is not a number; and 1 more",
        "Age: 1 of 200 rows is outside 18..100; Purpose: 1 of 200 rows is none of the 11 values expected",
    ]


def test_what_was_decided_since_the_last_turn_is_listed_until_a_turn_takes_it_in(own: House) -> None:
    decide(own.repository, own.repository.workload(W), own.good, "revert", "a test")
    told = json.loads(gristmill(own.repository.root, "quarantine", "list", W, "--json").stdout)
    (good,) = [entry for entry in told if entry["batch"] == own.good]
    assert (good["status"], good["n_rows"], good["rows"]) == ("admitted", 60, {"admitted": 60})
    (decided,) = good["decided_since"]
    assert (decided["decision"], decided["reason"]) == ("revert", "a test")
    judge(own.repository)
    (good,) = [state for state in States(own.repository, W).waiting() if state.batch == own.good]
    assert (good.status, good.since, good.rows) == ("reverted", (), {"reverted": 60})


def test_a_batch_whose_turn_failed_is_an_error_with_the_sentence_until_a_turn_judges_it(own: House) -> None:
    with pytest.raises(GristmillError), started(own.repository):
        raise GristmillError("validate: expectations/credit-risk.json cannot be trusted.")
    (late,) = [state for state in States(own.repository, W).waiting() if state.batch == own.unjudged]
    assert late.status == "error"
    assert late.fault == "validate: expectations/credit-risk.json cannot be trusted."
    after = land_applications(own.repository, "later.csv", 30, 5)
    assert States(own.repository, W).of(after).status == "unjudged"  # that turn knew nothing of it
    status = gristmill(own.repository.root, "status").stdout
    assert "the last turn failed: validate: expectations/credit-risk.json cannot be trusted.; its tree is" in status
    judge(own.repository)
    assert States(own.repository, W).of(own.unjudged).status == "admitted"


def test_the_rows_that_wait_come_with_their_reasons_and_the_columns_at_fault(house: House) -> None:
    (row,) = shown(house, house.partial).shown
    assert (row.position, row.status) == (6, "quarantined")
    assert row.faults == (
        Fault("Age: outside 18..100", ("Age",)),
        Fault("Purpose: none of the 11 values expected", ("Purpose",)),
    )
    rows = shown(house, house.whole)
    assert (len(rows.shown), rows.n_rows, rows.are_waiting) == (40, 40, True)
    assert [(row.position, row.faults) for row in rows.shown[:3]] == [
        (0, (Fault("Age: outside 18..100", ("Age",)),)),
        (1, (Fault("whole.csv: 'Amount' is not a number", ("Amount",)),)),
        (2, ()),
    ]
    fresh = shown(house, house.unjudged)
    assert (len(fresh.shown), fresh.are_waiting) == (30, False)


def test_the_page_of_a_table_marks_the_cells_at_fault_and_loads_nothing(house: House) -> None:
    page = page_of(house, house.partial[:8])
    assert re.findall(r'<mark title="([^"]+)">([^<]+)</mark>', page) == [
        ("Age: outside 18..100", "212"),
        ("Purpose: none of the 11 values expected", "&lt;b&gt;Yacht&lt;/b&gt;"),
    ]
    assert f"gristmill quarantine release {W} {house.partial} --reason" in page
    assert not re.search(r"""(?:src|href)\s*=\s*(?!"data:)|url\(|@import|https?:|<script""", page)


def test_a_personal_column_is_masked_on_the_page_and_in_the_terminal(own: House) -> None:
    path = own.repository.workload(W).expectations
    suite = read_json(path)
    suite["meta"]["columns"]["Age"]["personal"] = True
    suite["meta"]["columns"]["record_id"] = {"type": "text", "personal": True}
    write_json(path, suite)
    (row,) = shown(own, own.partial).shown
    typed = gristmill(own.repository.root, "quarantine", "show", W, own.partial).stdout
    page = Path(re.findall(r"to see it: (.+)", typed)[0]).read_text("utf-8")
    assert '<mark title="Age: outside 18..100"><span class="masked">•••</span></mark>' in page
    assert "212" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert row.record_id not in page and row.record_id not in typed
    assert "row 7      •••  Age: outside 18..100; Purpose" in typed


def test_without_a_suite_that_can_be_trusted_nothing_is_shown(own: House) -> None:
    own.repository.workload(W).expectations.write_text("{}")
    typed = gristmill(own.repository.root, "quarantine", "show", W, own.partial)
    assert typed.returncode == 1 and "expectations/credit-risk.json" in typed.stdout
    assert not (own.repository.state / "quarantine").exists()


def test_pictures_are_shown_as_they_are_with_label_and_reason() -> None:
    pixels = np.arange(6, dtype=np.uint8)
    rows = [
        picture_row(target=1, pixels=pixels.tobytes()),
        picture_row(target=77, pixels=b"short"),
        picture_row(1, None),
    ]
    page = render(picture_page(rows))
    (address,) = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="label 1 Boot">', page)
    drawn = Image.open(io.BytesIO(base64.b64decode(address)))
    assert np.array_equal(np.asarray(drawn), pixels.reshape(2, 3))
    assert page.count('<div class="blank">no picture</div>') == 2
    assert "<b>77</b>" in page and '<div class="reason">border: above 112</div>' in page
    assert "image-rendering:pixelated" in page


def test_pictures_that_tell_of_a_person_are_not_drawn() -> None:
    page = render(picture_page([picture_row(1, bytes(6))], pixels=Column(type="bytes", personal=True)))
    assert "<img" not in page and "not shown: personal" in page


def test_of_very_many_rows_the_first_are_shown_and_the_others_counted() -> None:
    rows = Rows([picture_row(1, bytes(6))] * 200, 260, are_waiting=True)
    assert "The first 200 of 260 pictures that wait" in render(picture_page([])._replace(rows=rows))


def picture_row(target: int, pixels: bytes | None) -> Row:
    values = {"target": target, "pixels": pixels, "height": 2, "width": 3}
    return Row(0, "ab" * 16, "quarantined", (Fault("border: above 112", ("border",)),), values)


def picture_page(rows: list[Row], **columns: Column) -> Page:
    manifest = Manifest(batch="b1", role="train", parts=(Part(name="images", sha256="", size=1),), origin="a test")
    state = BatchState("shoes", manifest, "partial", None, 3, {"quarantined": 3}, [], {}, ())
    meta = Meta(columns={"target": Column(type="integer", called="label"), **columns})
    suite = Suite(name="shoes", meta=meta, expectations=(Expectation(type="expect_table_row_count_to_equal"),))
    return Page(state, Rows(rows, len(rows), are_waiting=True), suite, ["Shoe", "Boot"])
