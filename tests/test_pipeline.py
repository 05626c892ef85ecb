"""The cache is right about code: what a stage may run is what its deps in dvc.yaml hold.

A stage's import closure is computed from the source, kinds included (they are loaded by name, which no static tool sees);
what it really loads is looked at by the end-to-end tests, in sys.modules at each stage's end.
"""

import ast
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

from gristmill.ground.pipeline import STAGES, StageDefinition, stage_definition
from gristmill.ground.workload import Workload, all_workloads

ROOT = Path(__file__).resolve().parent.parent
PHASES = {
    "ingest": ["records"],
    "prepare": ["tensors"],
    "train": ["network"],
    "evaluate": ["tensors"],
    "package": ["answers", "tensors"],
}


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("gristmill", exclude_type_checking_imports=True)


def closure(stage: str, kind: str) -> set[str]:
    """Our modules that a stage can reach by importing."""
    entries = {"gristmill.stages.__main__", f"gristmill.stages.{stage}"}
    entries |= {f"gristmill.kinds.{kind}.{phase}" for phase in PHASES.get(stage, [])}
    reached = set(entries)
    for entry in entries:
        reached |= imports().find_upstream_modules(entry)
    return {name for name in reached if name.startswith("gristmill")}


def covered(definition: StageDefinition, module: str) -> bool:
    path = ROOT / "src" / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    relative = file.relative_to(ROOT)
    return any(relative == Path(dep) or Path(dep) in relative.parents for dep in definition.deps)


def is_only_a_docstring(module: str) -> bool:
    init = ROOT / "src" / module.replace(".", "/") / "__init__.py"
    return init.is_file() and len(ast.parse(init.read_text("utf-8")).body) == 1


def workloads() -> list[Workload]:
    return all_workloads(ROOT)


@pytest.mark.parametrize("workload", workloads(), ids=lambda w: str(w.name))
@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_import_closure_of_a_stage(stage: str, workload: Workload) -> None:
    definition = stage_definition(stage, workload)
    missing = {m for m in closure(stage, workload.kind) if not covered(definition, m) and not is_only_a_docstring(m)}
    assert not missing, f"add these to the deps of {stage} in dvc.yaml, or do not import them"


@pytest.mark.parametrize("workload", workloads(), ids=lambda w: str(w.name))
@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_no_code_that_the_stage_never_reaches(stage: str, workload: Workload) -> None:
    reached = closure(stage, workload.kind)
    code = [dep for dep in stage_definition(stage, workload).deps if dep.startswith("src/")]
    for dep in code:
        prefix = dep.removeprefix("src/").removesuffix(".py").replace("/", ".")
        assert any(m == prefix or m.startswith(f"{prefix}.") for m in reached), f"{stage} never imports {dep}"


@pytest.mark.parametrize("workload", workloads(), ids=lambda w: str(w.name))
@pytest.mark.parametrize("stage", STAGES)
def test_every_dependency_of_code_exists(stage: str, workload: Workload) -> None:
    for dep in stage_definition(stage, workload).deps:
        if dep.startswith(("src/", "services", "expectations/")):
            assert (ROOT / dep).exists(), dep


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_each_pinned_library_that_it_can_import(stage: str) -> None:
    declared = yaml.safe_load((ROOT / "versions.yaml").read_text("utf-8"))
    graph = grimp.build_graph("gristmill", include_external_packages=True, exclude_type_checking_imports=True)
    for workload in workloads():
        used = {n for m in closure(stage, workload.kind) for n in graph.find_modules_directly_imported_by(m)}
        pinned = {name for name in declared if name.replace("-", "_") in used}
        ground = {"pydantic"} if stage != "package" else set()  # reads settings, decides no figure
        missing = pinned - ground - set(stage_definition(stage, workload).libraries)
        assert not missing, f"add {missing} to the versions.yaml list of {stage} in dvc.yaml"
