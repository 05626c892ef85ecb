"""Great Expectations' Data Docs of a batch, as a page that opens without a network and tells nothing personal.

Its pages load style sheets and scripts from six hosts, and a logo with a time stamp from a seventh on every view (release
1.24). Here each of these is taken from docs_assets/ (tools/vendor.py), and what is not there is removed; a page that would
still load anything from elsewhere is not written, so that another release of Great Expectations is noticed.
"""

import json
import re
import shutil
import warnings
from collections.abc import Collection, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.adapters.expectations import CompiledSuite
from gristmill.ground.errors import GristmillError

ASSETS = "assets"
"""Folder beside the pages."""
_VENDORED = {
    "jquery-3.7.1.min.js": "jquery.min.js",
    "bootstrap-table-filter-control.css": "bootstrap-table-filter-control.min.css",
    "bootstrap-prefers-dark.css": "bootstrap-prefers-dark.min.css",
    "vega": "vega.min.js",
    "vega-lite": "vega-lite.min.js",
    "vega-embed": "vega-embed.min.js",
}
"""What the last part of an address is called in docs_assets/, where not by its own name."""
_ADDRESS = re.compile(
    r"""(?P<key>\b(?:src|href)=)(?P<quote>["'])https?://[^"']*?(?P<name>[^"'/?@]+)(?:@\d+)?(?:\?[^"']*)?(?P=quote)"""
)
_BEYOND = re.compile(r"""\b(?:src|href)=["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import""", re.IGNORECASE)
_FOOTER = re.compile(r"<footer>.*?</footer>", re.DOTALL)
_LOGO = re.compile(r"<img\b[^>]*web-assets[^>]*>", re.DOTALL)
_FAVICON = re.compile(r"<link\b[^>]*favicon[^>]*>")
_PICTURE = re.compile(r"background: url\('https?://[^']*'\)[^;]*;")
_SUITE = re.compile(r'<a href="[./]*expectations/[^"]*"\s*>(.*?)</a>')
_HOME = re.compile(r'href="(?:\.\./)+index\.html"')
_NOT_SHOWN = "not shown: the column is personal"
_SECRET = ("observed_value", "details", "unexpected_list", "partial_unexpected_list", "partial_unexpected_counts")


class DataDocsError(GristmillError):
    """A page would load something from another host."""

    def __str__(self) -> str:
        return (
            f"a page of Great Expectations would load {self.args[0]!r} from elsewhere, so it was not written. Its release "
            "is not the one that these pages are made for: pin that of constraints.txt, or name what is new in "
            "tools/vendor.py."
        )


def batch_page(
    compiled: CompiledSuite, rows: pa.Table, asked: Sequence[int], batch: str, personal: Collection[str]
) -> str:
    """The page of one batch.

    Args:
        compiled: what is expected.
        rows: at least one.
        asked: positions in the suite, rising; of columns that are not sound, nothing can be asked.
        batch: what the page calls it.
        personal: columns of which no value and no figure may be shown, only how many rows are bad.

    Raises:
        DataDocsError: the page would not be whole without a network.
    """
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    result = compiled.validate(rows, asked, "SUMMARY")
    for found in result.results:
        if isinstance(figure := found.result.get("observed_value"), np.generic):  # which the pages cannot print
            found.result["observed_value"] = figure.item()
        columns = {found.expectation_config.kwargs.get(key) for key in ("column", "column_A", "column_B")}
        columns |= set(found.expectation_config.kwargs.get("column_list", []))
        if columns & set(personal):
            _silence(found)
    result.meta.pop("batch_markers", None)  # the time, which would make each page another one
    result.meta["batch_kwargs"] = {"data_asset_name": batch}
    result.meta["run_id"] = {"run_name": batch, "run_time": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    return offline(page)


def offline(page: str) -> str:
    """The page with everything that it loads beside it.

    Raises:
        DataDocsError: it would load something that is not there.
    """
    for pattern in (_FOOTER, _LOGO, _FAVICON, _PICTURE):
        page = pattern.sub("", page)
    page = page.replace(" / __none__", "")  # of a time that nobody gave
    page = _HOME.sub('href="index.html"', _SUITE.sub(r"\1", page))
    page = _ADDRESS.sub(_beside, page)
    if left := _BEYOND.search(page):
        raise DataDocsError(page[left.start() : left.start() + 120].split("\n")[0])
    return page


def copy_assets(folder: Path) -> None:
    """Put what the pages load, and under which licences, beside them."""
    with_licences = files("gristmill.adapters") / "docs_assets"
    shutil.copytree(str(with_licences), folder / ASSETS, dirs_exist_ok=True)


def asset_names() -> frozenset[str]:
    """What is there to be loaded."""
    about = json.loads((files("gristmill.adapters") / "docs_assets" / "assets.json").read_text("utf-8"))
    return frozenset(name for package in about for name in package["files"])


def _beside(found: re.Match[str]) -> str:
    name = _VENDORED.get(found["name"], found["name"])
    if name not in asset_names():
        raise DataDocsError(found[0])
    return f"{found['key']}{found['quote']}{escape(f'{ASSETS}/{name}')}{found['quote']}"


def _silence(found: Any) -> None:
    """Leave of a result how many rows it is about; what raised may have a value in its message."""
    if found.exception_info and "raised_exception" not in found.exception_info:
        found.exception_info = next(iter(found.exception_info.values()))
    if (found.exception_info or {}).get("raised_exception"):
        found.exception_info = {
            **found.exception_info,
            "exception_message": _NOT_SHOWN,
            "exception_traceback": _NOT_SHOWN,
        }
    for key in [key for key in found.result if key in _SECRET or key.startswith("partial_unexpected")]:
        del found.result[key]
