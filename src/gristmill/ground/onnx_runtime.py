"""ONNX Runtime as all of the house opens it: on one thread, and with its telemetry off.

From 1.29 on it gives the machine an id, keeps it in the user's cache folder, and tells its maker of each model that it opens
(its own Privacy.md), unless the environment forbids that before it is imported. So it is imported here alone.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(model: bytes | Path) -> "InferenceSession":
    """A model, ready to be asked by one thread, on the CPU.

    Args:
        model: the file, or its content.

    Raises:
        Exception: it cannot be loaded; ONNX Runtime's own errors have no base in common.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
