"""The chain of imports from a stage to a file, read from source that is never run."""

import pytest

from gristmill.runs.why.imports import import_chain

FILES = {
    "stages/__main__.py": "from gristmill.ground import errors",
    "stages/train.py": """
from typing import TYPE_CHECKING
import torch
from gristmill.training.fit import fit
if TYPE_CHECKING:
    from gristmill.training import hints

def train(workload):
    importlib.import_module(f"gristmill.kinds.{workload.kind}.network")
""",
    "training/__init__.py": "",
    "training/fit.py": "from gristmill.training import objective\nimport team.features",
    "training/objective.py": "def f():\n    from . import late\n",
    "training/late.py": "def half(:",
    "training/hints.py": "",
    "kinds/images/network/__init__.py": "from . import layers\nimportlib.import_module(f'{__name__}.settings')",
    "kinds/images/network/layers.py": "",
    "kinds/images/network/settings.py": "from ..tensors import sizes",
    "kinds/images/tensors/sizes.py": "",
    "ground/errors.py": "",
    "serving/app.py": "",
}


@pytest.mark.parametrize(
    ("target", "chain"),
    [
        ("stages/train.py", ["stages/train.py"]),
        ("training/fit.py", ["stages/train.py", "training/fit.py"]),
        ("training/objective.py", ["stages/train.py", "training/fit.py", "training/objective.py"]),
        ("ground/errors.py", ["stages/__main__.py", "ground/errors.py"]),
    ],
)
def test_a_chain_is_the_shortest_and_holds_both_ends(target: str, chain: list[str]) -> None:
    assert chain_to(target) == chain


def test_a_package_is_imported_with_what_lies_in_it() -> None:
    assert chain_to("training/__init__.py") == ["stages/train.py", "training/__init__.py"]


def test_an_import_inside_a_function_and_a_relative_one_count() -> None:
    assert chain_to("training/late.py")[-2:] == ["training/objective.py", "training/late.py"]
    assert chain_to("kinds/images/network/layers.py")[-2:] == [
        "kinds/images/network/__init__.py",
        "kinds/images/network/layers.py",
    ]
    assert chain_to("kinds/images/tensors/sizes.py")[-2:] == [
        "kinds/images/network/settings.py",
        "kinds/images/tensors/sizes.py",
    ]


def test_what_is_loaded_by_name_is_that_of_the_workloads_kind() -> None:
    package = ["stages/train.py", "kinds/images/network/__init__.py"]
    assert chain_to("kinds/images/network/settings.py") == [*package, "kinds/images/network/settings.py"]
    assert chain_to("kinds/images/network/settings.py", kind="tabular") == []


def test_code_of_a_team_beside_gristmill_is_found() -> None:
    assert chain_to("../team/features.py")[-1] == "team/features.py"


@pytest.mark.parametrize("target", ["serving/app.py", "training/hints.py", "nowhere.py"])
def test_what_nothing_imports_when_it_runs_has_no_chain(target: str) -> None:
    assert chain_to(target) == []


def chain_to(target: str, kind: str = "images") -> list[str]:
    files = {f"src/gristmill/{path}": source.encode() for path, source in FILES.items()}
    files["src/team/features.py"] = b""
    path = f"src/gristmill/{target}".replace("gristmill/../", "")
    return list(import_chain(files, "train", kind, path))
