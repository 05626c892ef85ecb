"""Workloads: one strict rule for names, and one place for each of a workload's files."""

from pathlib import Path

import pytest

from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import UnknownWorkloadError, WorkloadNameError, all_workloads, check_name, find_workload


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for kind in ("images", "tabular"):
        (tmp_path / "src" / "gristmill" / "kinds" / kind).mkdir(parents=True)
        (tmp_path / "src" / "gristmill" / "kinds" / kind / "__init__.py").touch()
    declare(tmp_path, "{credit-risk: {kind: tabular}, digits: {kind: images}}")
    return tmp_path


def declare(root: Path, workloads: str) -> None:
    (root / "params.yaml").write_text(f"workloads: {workloads}\n", "utf-8")


@pytest.mark.parametrize("name", ["a", "credit-risk", "2026-fraud", "x1"])
def test_the_rule_admits(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "Credit", "a_b", "a b", "a@b", "a/b", "..", "é", "a\n"])
def test_the_rule_refuses_what_a_tag_a_stage_or_a_path_would_have_to_quote(name: str) -> None:
    with pytest.raises(WorkloadNameError, match="cannot name a workload"):
        check_name(name)


def test_workloads_come_in_the_order_of_the_file(root: Path) -> None:
    assert [(w.name, w.kind) for w in all_workloads(root)] == [("credit-risk", "tabular"), ("digits", "images")]


def test_a_misspelt_name_is_answered_with_the_nearest_one(root: Path) -> None:
    with pytest.raises(UnknownWorkloadError, match=r"Did you mean 'credit-risk'\? Known: credit-risk, digits"):
        find_workload(root, "credit-rsik")


def test_kinds_are_those_of_the_tree_and_not_of_the_code_that_asks(root: Path) -> None:
    (root / "src" / "gristmill" / "kinds" / "sounds").mkdir()
    (root / "src" / "gristmill" / "kinds" / "sounds" / "__init__.py").touch()
    declare(root, "{birds: {kind: sounds}}")
    assert find_workload(root, "birds").kind == "sounds"


@pytest.mark.parametrize(
    ("workloads", "sentence"),
    [
        ("[credit-risk]", "expected a map 'workloads'"),
        ("{credit-risk: tabular}", "expected a map 'workloads'"),
        ("{credit-risk: {kind: table}}", r"workloads\.credit-risk\.kind is 'table', allowed: images, tabular"),
    ],
)
def test_a_malformed_map_is_one_sentence(root: Path, workloads: str, sentence: str) -> None:
    declare(root, workloads)
    with pytest.raises(SettingsError, match=rf"params\.yaml: {sentence}"):
        all_workloads(root)
