"""Checkpoints: what a killed training needs in order to end with the very bits of one that was not killed.

A checkpoint is found by the hash of everything that decides the result, so it can never continue another training, and
lies outside the working tree, which is thrown away when a run ends. Its first 32 bytes are the SHA-256 of the others: a
damaged one is not read, and the training begins anew.
"""

import hashlib
import io
import os
import time
from pathlib import Path
from typing import Any

import torch

from gristmill.ground.files import content_sha256, file_sha256, new_file
from gristmill.ground.workload import Workload

_ABANDONED_AFTER_S = 14 * 24 * 3600


class Checkpoint:
    """The one checkpoint of one training."""

    def __init__(self, path: Path, minutes: float) -> None:
        self.path = path
        self._every_s = minutes * 60
        self._written_at = time.monotonic()

    def due(self) -> bool:
        """Whether as much time has passed as a kill may cost."""
        return time.monotonic() - self._written_at >= self._every_s

    def write(self, state: dict[str, Any]) -> None:
        """Write the state (tensors, numbers, strings, lists, dicts), whole or not at all."""
        content = io.BytesIO()
        torch.save(state, content)
        with new_file(self.path) as temporary:
            temporary.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())
        self._written_at = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state, or None if there is none to be trusted. Pickled code is never run (`weights_only`)."""
        if not self.path.is_file():
            return None
        content = self.path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(content[32:]), weights_only=True)
        return state

    def remove(self) -> None:
        """Forget this training, and those that nobody has gone on with for two weeks."""
        self.path.unlink(missing_ok=True)
        for other in self.path.parent.glob("*.checkpoint"):
            if time.time() - other.stat().st_mtime > _ABANDONED_AFTER_S:
                other.unlink(missing_ok=True)


def checkpoint_of(workload: Workload, inputs: dict[str, Any], code: list[Path], minutes: float) -> Checkpoint:
    """The checkpoint of a training with these inputs (settings, contract, hashes of data) and this code (folders or files).

    GRISTMILL_CHECKPOINTS names the folder of all checkpoints, else it is .gristmill/checkpoints in the working tree.
    """
    sources = sorted(file for path in code for file in (path.rglob("*.py") if path.is_dir() else [path]))
    key = content_sha256(
        {"inputs": inputs, "code": [file_sha256(file) for file in sources], "torch": torch.__version__}
    )
    folder = Path(os.environ.get("GRISTMILL_CHECKPOINTS") or workload.root / ".gristmill" / "checkpoints")
    return Checkpoint(folder / workload.name / f"{key[:32]}.checkpoint", minutes)
