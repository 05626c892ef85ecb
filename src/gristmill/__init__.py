"""Gristmill: every batch of data that lands is milled into a better model, or stopped at a gate with a reason."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """`gristmill.load`, fetched when it is asked for: importing the package loads nothing."""
    if name == "load":
        return importlib.import_module(f"{__name__}.runs.loading").load
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
