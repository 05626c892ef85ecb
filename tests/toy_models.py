"""Small models with the contract's inputs and outputs, made in an instant and without training.

A linear model over the inputs, as `train` would export it; the weights depend on the seed, so that two models differ.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from gristmill.ground.files import content_sha256, file_sha256, write_json
from gristmill.ground.workload import Workload

IMAGES: dict[str, Any] = {
    "kind": "images",
    "task": "classification",
    "classes": ["bag", "boot", "coat"],
    "image": {"height": 4, "width": 3},
    "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", 4, 3]}],
}
TABULAR: dict[str, Any] = {
    "kind": "tabular",
    "task": "classification",
    "classes": ["Bad", "Good"],
    "columns": [
        {"name": "Age", "type": "numeric"},
        {"name": "Amount", "type": "numeric"},
        {"name": "Housing", "type": "categorical", "categories": ["Own", "Rent"]},
    ],
    "inputs": [
        {"name": "numeric", "dtype": "float32", "shape": ["N", 2]},
        {"name": "categorical", "dtype": "int64", "shape": ["N", 1]},
    ],
}
REGRESSION = TABULAR | {"task": "regression", "classes": []}
SERVICES = Path(__file__).resolve().parent.parent / "services"


def weights(contract: dict[str, Any], seed: int) -> np.ndarray:
    """What a toy model multiplies its flattened inputs with."""
    n_inputs = sum(int(np.prod(entry["shape"][1:])) for entry in contract["inputs"])
    n_outputs = len(contract["classes"]) or 1
    return np.random.default_rng(seed).normal(scale=0.01, size=(n_inputs, n_outputs)).astype(np.float32)


def write_model(
    folder: Path, contract: dict[str, Any], seed: int = 0, workload: str = "toy", learnt: np.ndarray | None = None
) -> str:
    """Write model.onnx, contract.json, manifest.json (and what must not travel), and return the model's hash.

    `learnt` weights take the place of the seed's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    w = weights(contract, seed) if learnt is None else learnt.astype(np.float32)
    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    nodes, flat = [], []
    for entry in contract["inputs"]:
        name = entry["name"]
        nodes += [
            helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", [f"{name}_float"], [f"{name}_flat"], axis=1),
            # a missing number is NaN, and a model has to cope with it
            helper.make_node("IsNaN", [f"{name}_flat"], [f"{name}_missing"]),
            helper.make_node("Where", [f"{name}_missing", "zero", f"{name}_flat"], [f"{name}_known"]),
        ]
        flat.append(f"{name}_known")
    nodes += [
        helper.make_node("Concat", flat, ["x"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
    ]
    if contract["task"] == "regression":
        nodes.append(helper.make_node("Reshape", ["logits", "flat"], ["predictions"]))
        output = helper.make_tensor_value_info("predictions", TensorProto.FLOAT, ["N"])
    else:
        nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1))
        output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(contract["classes"])])
    inputs = [helper.make_tensor_value_info(e["name"], types[e["dtype"]], e["shape"]) for e in contract["inputs"]]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, w.shape, w.tobytes(), raw=True),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
    ]
    graph = helper.make_graph(nodes, "toy", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    (folder / "model.safetensors").write_bytes(w.tobytes())
    (folder / "trained_on.txt").write_text("a-customer\n", "utf-8")
    model_sha256 = hashlib.sha256(w.tobytes()).hexdigest()
    write_json(folder / "contract.json", contract)
    write_json(
        folder / "manifest.json",
        {
            "workload": workload,
            "kind": contract["kind"],
            "task": contract["task"],
            "model_sha256": model_sha256,
            "onnx_sha256": file_sha256(folder / "model.onnx"),
            "contract_sha256": content_sha256(contract),
        },
    )
    return model_sha256


def write_bento(folder: Path, contract: dict[str, Any], seed: int = 0, **changed: Any) -> Path:
    """Lay out an unpacked Bento as far as `gristmill.serving` reads it, and return its `src` folder."""
    source = folder / "src"
    model_sha256 = write_model(source / "model", contract, seed)
    package = {
        "model_sha256": model_sha256,
        "contract_sha256": content_sha256(contract),
        "serving_sha256": "5" * 64,
        "kind": contract["kind"],
    }
    write_json(source / "package.json", package | changed)
    return source


def write_workload(root: Path, contract: dict[str, Any], verdict: str = "PROMOTE", seed: int = 0) -> Workload:
    """A working tree in which the stages before `package` have run."""
    workload = Workload("toy", contract["kind"], root)
    challenger = write_model(workload.challenger, contract, seed)
    write_json(workload.champion / "manifest.json", {"model_sha256": None})
    write_json(workload.reports / "gate.json", {"verdict": verdict, "challenger_sha256": challenger})
    workload.params.parent.mkdir()
    workload.params.write_text("package: {description: Tells toys apart.}\n", "utf-8")
    shutil.copytree(SERVICES, root / "services", ignore=shutil.ignore_patterns("__pycache__"))
    return workload
