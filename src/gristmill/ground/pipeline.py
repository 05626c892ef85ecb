"""What dvc.yaml says of one stage of one workload.

dvc.yaml is the only definition of the pipeline; whoever needs to know a stage's dependencies, outputs or figures asks
here instead of repeating them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gristmill.ground.settings import read_yaml
from gristmill.ground.workload import Workload

STAGES = ("ingest", "validate", "prepare", "train", "evaluate", "gate", "package")


@dataclass(frozen=True)
class StageDefinition:
    """One stage with its names filled in; paths are relative to the working tree, as in dvc.yaml."""

    name: str
    deps: tuple[str, ...]
    """Files and folders, of code and of data."""
    outs: tuple[str, ...]
    """What DVC keeps in its cache."""
    figures: tuple[str, ...]
    """Metrics and plots, which git keeps (`cache: false`)."""
    params: tuple[tuple[str, str], ...]
    """File and key of each parameter; DVC reads their values when the stage has ended."""
    libraries: tuple[str, ...]
    """Keys of versions.yaml: the libraries that decide this stage's result."""
    command: str
    """What DVC runs."""


def stage_definition(stage: str, workload: Workload) -> StageDefinition:
    """Read one stage of dvc.yaml under the workload's root."""
    return define_stage(stage, read_yaml(workload.root / "dvc.yaml"), workload.name, workload.kind)


def define_stage(stage: str, pipeline: Mapping[str, Any], workload: str, kind: str) -> StageDefinition:
    """One stage of a dvc.yaml that has been read."""
    definition = pipeline["stages"][stage]["do"]

    def filled(text: str) -> str:
        return text.replace("${key}", workload).replace("${item.kind}", kind)

    def named(entries: list[Any]) -> tuple[str, ...]:
        return tuple(filled(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries)

    outs = [entry for key in ("outs", "metrics", "plots") for entry in definition.get(key, [])]
    params = tuple(
        (*named([file]), key) for entry in definition["params"] for file, keys in entry.items() for key in keys
    )
    return StageDefinition(
        name=f"{stage}@{workload}",
        deps=named(definition["deps"]),
        outs=named([entry for entry in outs if isinstance(entry, str)]),
        figures=named([entry for entry in outs if isinstance(entry, dict)]),
        params=params,
        libraries=tuple(key for file, key in params if file == "versions.yaml"),
        command=filled(definition["cmd"]),
    )
