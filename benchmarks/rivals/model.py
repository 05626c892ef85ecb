"""The model that every server answers with: one small convolutional network of 698,578 weights, which come from a seed.

Ours gets it as `train` would write it, the others read the same files: ONNX, or safetensors for torch.
"""

# N images, H height, W width
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gristmill.ground.onnx_runtime import open_session

if TYPE_CHECKING:
    from torch import nn

FOLDER = "GRISTMILL_BENCHMARK_MODEL"
"""Names the model's folder to a server."""
SIDE = 28
CLASSES = [
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]
CONTRACT: dict[str, Any] = {
    "kind": "images",
    "task": "classification",
    "classes": CLASSES,
    "image": {"height": SIDE, "width": SIDE},
    "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", SIDE, SIDE]}],
}


def one_image() -> NDArray[np.uint8]:
    """What is asked: [1, H, W], half of it dark as in a photograph of a thing."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (1, SIDE, SIDE)) * (rng.random((1, SIDE, SIDE)) < 0.5)).astype(np.uint8)


def network() -> "nn.Module":
    """uint8 images [N, H, W] to logits [N, C]."""
    import torch
    from torch import nn

    class Normalised(nn.Module):
        def forward(self, images_NHW: torch.Tensor) -> torch.Tensor:
            return (images_NHW.unsqueeze(1).float() - 73.0) / 90.0

    torch.manual_seed(0)
    pooled = (SIDE // 4) ** 2 * 64
    return nn.Sequential(
        Normalised(),
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(pooled, 216), nn.ReLU(), nn.Linear(216, len(CLASSES))),
    )


def on_onnxruntime() -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Images [N, H, W] to probabilities [N, C], on one thread that does not spin."""
    session = open_session(Path(os.environ[FOLDER]) / "model.onnx")
    return lambda images: session.run(None, {"images": images})[0]


def on_torch() -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Images [N, H, W] to probabilities [N, C], on one thread."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    model = network().eval()
    model.load_state_dict(load_file(Path(os.environ[FOLDER]) / "model.safetensors"))

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return torch.softmax(model(torch.from_numpy(images)), 1).numpy()

    return run


def in_words(probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
    """What each server answers."""
    return [
        {"label": CLASSES[int(row.argmax())], "probabilities": dict(zip(CLASSES, row.tolist(), strict=True))}
        for row in probabilities
    ]
