"""Table tensors: numbers as they are, categories as the numbers that the contract gives them.

Settings are loaded when they are asked for: `encode` travels in the Bento, where nothing reads parameters.
"""

import importlib
from typing import Any

from gristmill.kinds.tabular.tensors.encoding import columns, encode, targets

__all__ = ["PrepareSettings", "columns", "contract", "encode", "targets"]


def __getattr__(name: str) -> Any:
    if name in ("PrepareSettings", "contract"):
        return getattr(importlib.import_module(f"{__name__}.settings"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
