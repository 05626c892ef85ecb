"""The house keeps its own rules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "gristmill"
PHASES = {"profile", "records", "tensors", "network", "answers", "checks", "questions"}


def test_an_init_holds_a_docstring_and_nothing_else_but_for_a_kinds_phases() -> None:
    for init in SOURCE.rglob("__init__.py"):
        body = ast.parse(init.read_text("utf-8")).body
        assert body and isinstance(body[0], ast.Expr), f"{init} needs a docstring (an empty dependency makes DVC warn)"
        if init.parent.name not in PHASES and init.parent != SOURCE:
            assert len(body) == 1, f"{init} is no dependency of any stage, so it must not decide anything"


def test_the_outermost_package_holds_nothing_but_the_way_to_load() -> None:
    body = ast.parse((SOURCE / "__init__.py").read_text("utf-8")).body
    assert [type(node) for node in body] == [ast.Expr, ast.Import, ast.ImportFrom, ast.FunctionDef]
    assert isinstance(body[-1], ast.FunctionDef) and body[-1].name == "__getattr__"


def test_every_module_says_what_it_is_for() -> None:
    for path in [*SOURCE.rglob("*.py"), *(ROOT / "flows").rglob("*.py"), *(ROOT / "services").rglob("*.py")]:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path


@pytest.mark.parametrize("module", ["gristmill.cli", "gristmill"])
def test_importing_the_command_line_or_the_package_loads_no_heavy_library(module: str) -> None:
    heavy = ["torch", "great_expectations", "bentoml", "prefect", "pyarrow", "pandas", "onnxruntime", "dvc", "numpy"]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
