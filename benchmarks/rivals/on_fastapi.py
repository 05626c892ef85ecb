"""FastAPI by hand: a pydantic model that refuses what ours refuses, an `async def`, and one thread for the model.

`uvicorn --factory benchmarks.rivals.on_fastapi:with_onnxruntime`, or `:with_torch`.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from benchmarks.rivals.model import SIDE, in_words, on_onnxruntime, on_torch

Pixel = Annotated[int, Field(ge=0, le=255, strict=True)]
Row = Annotated[list[Pixel], Field(min_length=SIDE, max_length=SIDE)]
Image = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE)]


class Question(BaseModel):
    """One or more images."""

    model_config = ConfigDict(extra="forbid")
    images: Annotated[list[Image], Field(min_length=1, max_length=256)]


class Prediction(BaseModel):
    """Of one image."""

    label: str
    probabilities: dict[str, float]


class Answer(BaseModel):
    """In the order of the images."""

    predictions: list[Prediction]


def with_onnxruntime() -> FastAPI:
    """The application, with the model in ONNX Runtime."""
    return _app(on_onnxruntime())


def with_torch() -> FastAPI:
    """The application, with the model in torch."""
    return _app(on_torch())


def _app(run: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def predict(question: Question) -> Answer:
        predictions = in_words(run(np.array(question.images, np.uint8)))
        return Answer.model_validate({"predictions": predictions})

    return app
