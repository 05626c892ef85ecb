"""Every entry that docs/expectations.md shows is one that a run takes."""

import json
import re
from pathlib import Path

import pytest

from gristmill.adapters.expectations import refused
from gristmill.quality.profile import read_profile
from gristmill.quality.suite import Suite, check_suite

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "expectations.md").read_text("utf-8"), re.DOTALL)


def test_the_page_shows_entries_that_mean_what_it_says(tmp_path: Path) -> None:
    rows = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    entries = [rows, *(json.loads(entry) for entry in ENTRIES)]
    assert len(entries) == 7
    path = tmp_path / "fashion-mnist.json"
    path.write_text(json.dumps({"name": "fashion-mnist", "expectations": entries}), "utf-8")
    profile = ROOT / "expectations" / "fashion-mnist.profile.json"
    (tmp_path / profile.name).write_bytes(profile.read_bytes())
    suite, faults = check_suite(path, "fashion-mnist")
    assert suite is not None and faults == [] and refused(suite, path) == []


@pytest.mark.parametrize("entry", ENTRIES, ids=range(len(ENTRIES)))
def test_an_entry_of_the_page_stands_in_the_shipped_suite_or_is_plain(entry: str) -> None:
    shipped = Suite.model_validate_json((ROOT / "expectations" / "fashion-mnist.json").read_text("utf-8")).expectations
    shown = Suite(name="page", expectations=(json.loads(entry),)).expectations[0]
    assert (shown.type, shown.kwargs, shown.each) in [(one.type, one.kwargs, one.each) for one in shipped]


def test_the_sentence_that_the_page_quotes_has_the_bounds_of_the_shipped_profile() -> None:
    figures = read_profile(ROOT / "expectations" / "fashion-mnist.profile.json").figures("left", 9)
    assert figures is not None
    low, high = (figures["mean"] + sign * 0.2 * figures["sigma"] for sign in (-1, 1))
    assert f"is outside {low:.4g}..{high:.4g} (wrong labels, or mirrored)" in (
        ROOT / "docs" / "expectations.md"
    ).read_text("utf-8")
