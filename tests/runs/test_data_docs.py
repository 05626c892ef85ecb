"""Data Docs of what the last turn judged."""

import re
from pathlib import Path

import pytest
from tests.applications import applications, write_applications
from tests.conftest import git

from gristmill.registry.history import read_history
from gristmill.runs.data_docs import NothingJudgedError, build_data_docs
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import NoDataError

W = "credit-risk"


def test_the_newest_batches_have_pages_that_name_no_other_host_and_git_sees_none_of_them(turned: Repository) -> None:
    said: list[str] = []
    index = build_data_docs(turned, turned.workload(W), 5, said.append)
    [batch] = [event.trailers["Batch"] for event in read_history(turned.mill, W) if "Batch" in event.trailers]
    assert said == [f"{batch} (first.csv): admitted"]
    assert f'href="{batch}.html"' in index.read_text("utf-8")
    for page in index.parent.glob("*.html"):
        for link in re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", page.read_text("utf-8")):
            assert link.startswith(("#", "data:")) or (index.parent / link).is_file(), link
    shown = (index.parent / f"{batch}.html").read_text("utf-8")
    assert f"{batch} first.csv" in shown
    assert "data_docs" not in git(turned.root, "status", "--porcelain", "--untracked-files=all")


def test_without_a_turn_there_is_nothing_to_show(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"gristmill land credit-risk"):
        build_data_docs(repository, repository.workload(W), 5, print)
    land(repository, repository.workload(W), [write_applications(tmp_path / "a.csv", applications(2, seed=3))])
    with pytest.raises(NothingJudgedError, match=r"gristmill run credit-risk"):
        build_data_docs(repository, repository.workload(W), 5, print)
