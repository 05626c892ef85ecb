"""What dvc.yaml says of a stage, with its names filled in."""

from pathlib import Path

import pytest

from gristmill.ground.pipeline import StageDefinition, stage_definition
from gristmill.ground.workload import Workload

DVC_YAML = """
stages:
  train:
    foreach: ${workloads}
    do:
      cmd: exec python -m gristmill.stages train ${key}
      deps: ["src/kinds/${item.kind}/network", "data/${key}/prepared"]
      params: ["params/${key}.yaml": [train, gate], "versions.yaml": [numpy, torch]]
      outs: ["models/${key}/challenger"]
      metrics: ["reports/${key}/training.json": {cache: false}]
      plots: ["reports/${key}/training.csv": {cache: false, x: epoch}]
"""


@pytest.fixture
def definition(tmp_path: Path) -> StageDefinition:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    return stage_definition("train", Workload("digits", "images", tmp_path))


def test_names_and_kinds_are_filled_in(definition: StageDefinition) -> None:
    assert definition.name == "train@digits"
    assert definition.deps == ("src/kinds/images/network", "data/digits/prepared")
    assert definition.outs == ("models/digits/challenger",)
    assert definition.command == "exec python -m gristmill.stages train digits"


def test_figures_are_what_git_keeps(definition: StageDefinition) -> None:
    assert definition.figures == ("reports/digits/training.json", "reports/digits/training.csv")


def test_parameters_are_files_and_keys_and_the_libraries_are_among_them(definition: StageDefinition) -> None:
    train = ("params/digits.yaml", "train"), ("params/digits.yaml", "gate")
    assert definition.params == (*train, ("versions.yaml", "numpy"), ("versions.yaml", "torch"))
    assert definition.libraries == ("numpy", "torch")
