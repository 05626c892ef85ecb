"""Great Expectations' pages: whole without a network, and silent about what is personal."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from tools.vendor import ALLOWED, PACKAGES

from gristmill.adapters import data_docs
from gristmill.adapters.data_docs import ASSETS, DataDocsError, asset_names, batch_page, copy_assets, offline
from gristmill.adapters.expectations import CompiledSuite
from gristmill.ground.files import read_json
from gristmill.quality.suite import Suite

VENDORED = Path(data_docs.__file__).parent / "docs_assets"
ROWS = pa.table({"age": [20, 40, 311], "name": ["Ada", "Grace", "Voldemort"], "town": ["Rome", "Oslo", "Atlantis"]})
SUITE = {
    "name": "shop",
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "max_value": 120}},
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "age", "max_value": 50}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "age", "max_value": 50}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "name", "value_set": ["Ada", "Grace"]}},
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "name", "value_set": ["Ada"]}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "name", "max_value": 5}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "town", "value_set": ["Rome", "Oslo"]}},
        {
            "type": "expect_column_kl_divergence_to_be_less_than",
            "kwargs": {
                "column": "town",
                "threshold": 0.1,
                "partition_object": {"values": ["Rome", "Oslo"], "weights": [0.5, 0.5]},
            },
        },
    ],
}


@pytest.fixture(scope="module")
def compiled() -> CompiledSuite:
    return CompiledSuite(Suite.model_validate(SUITE), Path("shop.json"))


def page(compiled: CompiledSuite, *personal: str) -> str:
    return batch_page(compiled, ROWS, range(len(SUITE["expectations"])), "3f2a monday.csv", personal)


def test_a_page_names_nothing_of_another_host_and_all_that_it_loads_is_there(compiled: CompiledSuite) -> None:
    made = page(compiled)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", made)
    loaded = set(re.findall(rf'{ASSETS}/([^"]+)', made))
    assert loaded and loaded <= asset_names()
    assert "3f2a monday.csv" in made


def test_a_value_is_shown_unless_its_column_is_personal(compiled: CompiledSuite) -> None:
    made = page(compiled)
    assert "Voldemort" in made and "Atlantis" in made and "311" in made
    made = page(compiled, "name", "age")
    assert "Voldemort" not in made and "311" not in made
    assert "Atlantis" in made and "1 unexpected values found" in made


@pytest.mark.parametrize(
    "asks",
    [
        '<script src="https://cdn.example.org/npm/unheard-of@3"></script>',
        "<img src='//example.org/logo.png'>",
        "<style>body{background:url(https://example.org/a.png)}</style>",
        '<link rel="stylesheet" href="https://example.org/other.css">',
    ],
)
def test_a_page_that_asks_for_something_new_is_not_written(asks: str) -> None:
    with pytest.raises(DataDocsError, match=r"would load .*example"):
        offline(f"<html>{asks}</html>")


def test_what_is_vendored_is_what_was_fetched_under_licences_that_allow_it(tmp_path: Path) -> None:
    about = read_json(VENDORED / "assets.json")
    assert {one["package"] for one in about} == set(PACKAGES)
    assert all(one["licence"] in ALLOWED for one in about)
    fetched = {name: sha256 for one in about for name, sha256 in one["files"].items()}
    assert {p.name for p in VENDORED.iterdir()} == {*fetched, "assets.json"}
    assert {name: hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() for name in fetched} == fetched
    copy_assets(tmp_path)
    for sheet in (tmp_path / ASSETS).glob("*.css"):
        for name in re.findall(r"url\(([^)'\"]+\.woff2)\)", sheet.read_text("utf-8")):
            assert Path(name).name == name, f"{sheet.name} looks for {name} elsewhere"


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
def test_a_browser_without_a_network_shows_the_page_with_its_styles_icons_and_charts(
    compiled: CompiledSuite, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(page(compiled), "utf-8")
    assert _colours(tmp_path)[(0, 123, 255)] < 50, "without what it loads the page is bare"
    copy_assets(tmp_path)
    colours = _colours(tmp_path)
    assert colours[(0, 123, 255)] > 1000, "a button of Bootstrap's"
    assert colours[(40, 167, 69)] > 30, "a tick of Font Awesome's"
    assert colours[(76, 120, 168)] > 1000, "a bar of Vega's"


def _colours(folder: Path) -> dict[tuple[int, int, int], int]:
    """Pixels by colour of the page as a browser without any host shows it."""
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000", "--window-size=1200,2400"),
        *(f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'shot.png'}"),
    ]
    subprocess.run(
        ["chromium", *options, (folder / "page.html").as_uri()], check=True, capture_output=True, timeout=120
    )
    pixels = Image.open(folder / "shot.png").convert("RGB")
    counted = {colour: n for n, colour in pixels.getcolors(pixels.width * pixels.height) or []}
    return {key: counted.get(key, 0) for key in ((0, 123, 255), (40, 167, 69), (76, 120, 168))}
