"""Every kind keeps the contract: stages load its phases by name, where no type checker looks."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from gristmill.ground.settings import Settings
from gristmill.ground.workload import available_kinds
from gristmill.kinds import contract

ROOT = Path(__file__).resolve().parents[2]
PHASES: dict[str, Any] = {
    "records": contract.Records,
    "tensors": contract.Tensors,
    "network": contract.Network,
    "answers": contract.Answers,
    "checks": contract.Checks,
    "questions": contract.Questions,
}


@pytest.mark.parametrize("kind", available_kinds(ROOT))
@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_has_what_its_protocol_asks_for(kind: str, phase: str) -> None:
    module = importlib.import_module(f"gristmill.kinds.{kind}.{phase}")
    protocol = PHASES[phase]
    for name in protocol.__annotations__:
        if name == "MEDIA":
            assert all(
                list(inspect.signature(read).parameters) == ["content", "contract"] for read in module.MEDIA.values()
            )
        else:
            assert issubclass(getattr(module, name), Settings)
    functions = {name: f for name, f in vars(protocol).items() if inspect.isfunction(f) and not name.startswith("_")}
    assert functions
    for name, function in functions.items():
        assert (
            list(inspect.signature(getattr(module, name)).parameters)
            == list(inspect.signature(function).parameters)[1:]
        )
