"""Fit the workload's network to its prepared tensors, and write it as a challenger.

The challenger's folder appears whole or not at all, and holds nothing that differs when it is made again: no time, no
path, no duration. Those go to the lines that are printed.
"""

import csv
import importlib
import io
import shutil
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import torch

from gristmill import ground, training
from gristmill.ground.files import content_sha256, file_sha256, new_folder, write_json, write_text
from gristmill.ground.process import installed_release
from gristmill.ground.workload import Workload
from gristmill.training.checkpoints import Checkpoint, checkpoint_of
from gristmill.training.cross_validation import cross_validate
from gristmill.training.devices import declared_device
from gristmill.training.export import export
from gristmill.training.fit import Fitted, fit
from gristmill.training.objective import Objective, objective_for
from gristmill.training.prepared import Prepared, Split, read_prepared
from gristmill.training.processes import joined_processes
from gristmill.training.settings import TrainSettings

if TYPE_CHECKING:
    from gristmill.kinds.contract import Network

LIBRARIES = ("numpy", "onnx", "onnxruntime", "onnxscript", "safetensors", "torch")


def _say(line: str) -> None:
    print(line, flush=True)


def _be_silent(line: str) -> None:
    """What the processes after the first say."""


def train(workload: Workload) -> None:
    """Make models/<w>/challenger, and the figures of its training, from data/<w>/prepared.

    Raises:
        GristmillError: settings, device or data do not allow it, or the exported model disagrees with the trained one.
    """
    settings = TrainSettings.read(workload.params, "train")
    module = importlib.import_module(f"gristmill.kinds.{workload.kind}.network")
    network = cast("Network", module)
    network_settings = network.NetworkSettings.parse(workload.params, "train.network", settings.network)
    prepared = read_prepared(workload.prepared, workload.name)
    checkpoint = _checkpoint(workload, settings, module)

    with joined_processes(settings) as processes:
        device = declared_device(settings, processes.local_rank)

        def fit_rows(train: Split, validation: Split, **progress: Any) -> tuple[Fitted, Objective]:
            objective = objective_for(prepared.contract, settings, train.target.to(device))
            torch.manual_seed(settings.seed)  # decides the initial weights
            model = objective.head(network.build(prepared.contract, network_settings, train.inputs))
            fitted = fit(
                model,
                objective,
                train,
                validation,
                settings,
                lambda inputs, generator: network.augment(inputs, network_settings, generator),
                device=device,
                processes=processes,
                **progress,
            )
            return fitted, objective

        say = _say if processes.first else _be_silent
        say(
            f"{len(prepared.train)} records to train on, {len(prepared.validation)} to choose the epoch; "
            f"{settings.device}, {settings.precision}, threads {settings.threads}, processes {processes.world}"
        )
        fitted, _ = fit_rows(prepared.train, prepared.validation, checkpoint=checkpoint, say=say)
        report = _report(fitted)
        if settings.cross_validation:
            began = time.perf_counter()
            records = prepared.train.joined(prepared.validation).to(device)
            scores = cross_validate(records, settings.cross_validation, settings.seed, settings.primary, fit_rows)
            report["cross_validation"] = scores
            say(
                f"cross-validation, {settings.cross_validation} folds: {settings.primary} {scores['mean']:.3f} "
                f"± {scores['std']:.3f}, baseline {scores['baseline']:.3f}  {time.perf_counter() - began:.1f} s"
            )
        if not processes.first:
            return
        began = time.perf_counter()
        _write_challenger(workload, settings, prepared, fitted)
        write_json(workload.reports / "training.json", report)
        write_text(workload.reports / "training.csv", _curves(fitted))
        say(f"exported; safetensors and ONNX answer alike  {time.perf_counter() - began:.1f} s")
        checkpoint.remove()


def _checkpoint(workload: Workload, settings: TrainSettings, network: ModuleType) -> Checkpoint:
    inputs = {
        "settings": settings.model_dump(exclude={"checkpoint_minutes"}),
        "data": [
            file_sha256(workload.prepared / name)
            for name in ("contract.json", "train.safetensors", "validation.safetensors")
        ],
    }
    code = [Path(__file__)]
    for module in (ground, training, network):
        code += [Path(folder) for folder in module.__path__]
    return checkpoint_of(workload, inputs, code, settings.checkpoint_minutes)


def _report(fitted: Fitted) -> dict[str, Any]:
    best = fitted.history[fitted.best_epoch - 1]
    figures = {f"{split}_{name}": value for split, by_name in best.items() for name, value in by_name.items()}
    return {"best_epoch": fitted.best_epoch, **figures}


def _curves(fitted: Fitted) -> str:
    """Loss and the task's other figure for each epoch and split, as DVC plots read them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    curve = next(name for name in fitted.history[0]["train"] if name != "loss")
    writer.writerow(["epoch", "split", "loss", curve])
    for epoch, by_split in enumerate(fitted.history, 1):
        for split, figures in by_split.items():
            writer.writerow([epoch, split, f"{figures['loss']:.6f}", f"{figures[curve]:.6f}"])
    return text.getvalue()


def _write_challenger(workload: Workload, settings: TrainSettings, prepared: Prepared, fitted: Fitted) -> None:
    with new_folder(workload.challenger) as folder:
        export(folder, fitted.model, prepared.contract, prepared.validation)
        shutil.copyfile(workload.prepared / "contract.json", folder / "contract.json")
        write_text(folder / "trained_on.txt", "".join(f"{one}\n" for one in prepared.record_ids))
        write_json(
            folder / "manifest.json",
            {
                "workload": workload.name,
                "kind": workload.kind,
                "task": prepared.contract["task"],
                "model_sha256": file_sha256(folder / "model.safetensors"),
                "onnx_sha256": file_sha256(folder / "model.onnx"),
                "contract_sha256": content_sha256(prepared.contract),
                "seed": settings.seed,
                "threads": settings.threads,
                "processes": settings.processes,
                "device": settings.device,
                "precision": settings.precision,
                "n_train": len(prepared.train),
                "n_validation": len(prepared.validation),
                "epochs": len(fitted.history),
                "best_epoch": fitted.best_epoch,
                "versions": {library: installed_release(library) for library in LIBRARIES},
            },
        )
