"""The golden batch: requests made by chance, with what the model answered when it was packaged.

A model that answers them otherwise where it is served (another processor or runtime, a file that lies) does not replace the
one that answers now. Its items are drawn from the contract, never from data: a Bento tells nothing of anybody.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.serving.predictor import ModelError, Predictor

FILE = "golden.json"
TOLERANCE = 1e-4
"""Of a probability; of a number, relative to the largest of the batch."""


def golden_batch(predictor: Predictor) -> bytes:
    """Items and the model's present output for them, as the file that lies beside the model."""
    request = predictor.sample(predictor.contract)
    output = [[round(value, 6) for value in np.atleast_1d(row).tolist()] for row in _output(predictor, request)]
    return json.dumps({"request": request, "output": output}, separators=(",", ":")).encode()


def check_golden(folder: Path, predictor: Predictor, sha256: str | None) -> None:
    """Ask a model its golden batch again.

    Args:
        folder: of the model.
        predictor: the model, loaded.
        sha256: of the file, as package.json has it; None where it was packaged without.

    Raises:
        ModelError: it answers otherwise, or the batch is not the one it was packaged with.
    """
    if sha256 is None:
        return
    try:
        content = (folder / FILE).read_bytes()
    except OSError as error:
        raise ModelError(folder, f"{FILE} is missing") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(folder, f"{FILE} is not the file that package.json names by its hash")
    golden = json.loads(content)
    expected, found = np.array(golden["output"]), np.atleast_2d(_output(predictor, golden["request"]).T).T
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= TOLERANCE * scale:
        raise ModelError(
            folder,
            f"it answers its golden batch otherwise than when it was packaged (a difference of {difference:.2g})",
        )


def _output(predictor: Predictor, request: dict[str, Any]) -> "np.ndarray[Any, Any]":
    return predictor.run(predictor.encode(predictor.parse(request, predictor.contract), predictor.contract))
