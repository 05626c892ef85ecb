"""MLflow's pyfunc: the model as code, as `mlflow.pyfunc.save_model(python_model=...)` takes it."""

from typing import Any

import mlflow
import numpy as np

from benchmarks.rivals.model import in_words, on_onnxruntime


class Classifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Asked by MLflow's scoring server."""

    def load_context(self, context: Any) -> None:
        self.run = on_onnxruntime()

    # MLflow takes type hints for a schema of its own, and would check each number in Python.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        return in_words(self.run(model_input.astype(np.uint8)))


mlflow.models.set_model(Classifier())
