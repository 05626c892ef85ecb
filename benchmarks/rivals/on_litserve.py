"""LitServe with one worker: `python -m benchmarks.rivals.on_litserve PORT`."""

import sys
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals.model import in_words, on_onnxruntime


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    """The four steps that LitServe asks for."""

    def setup(self, device: str) -> None:
        self.run = on_onnxruntime()

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.uint8]:
        return np.array(request["images"], np.uint8)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.run(images)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        return {"predictions": in_words(output)}


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu", workers_per_device=1)
    server.run("127.0.0.1", int(sys.argv[1]), num_api_servers=1, log_level="warning", generate_client_file=False)
