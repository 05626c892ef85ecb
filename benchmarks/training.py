"""Our training loop against a plain one on the same network, batches and optimizer: alternating runs, medians.

The plain loop is the one of every tutorial: a `DataLoader` over a `TensorDataset`, `zero_grad`, `backward`, `step`, and a
pass over the validation records after each epoch. Ours also draws each step's order and augmentation from its seed, keeps
the weights of the best epoch and could go on from a checkpoint. Images are made up: their content changes no time.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.figures import tell, tell_median
from benchmarks.scratch import ROOT
from gristmill.ground.settings import read_yaml
from gristmill.training.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

_N_TRAIN, _N_VALIDATION, _RUNS = 12_800, 2_560, 3
_CONTRACT = {"task": "classification", "classes": list("0123456789"), "inputs": [{"name": "image"}]}


def main() -> None:
    if sys.argv[1:]:
        print(json.dumps(_LOOPS[sys.argv[1]]()))
        return
    rates: dict[str, list[float]] = {"ours": [], "plain": [], "plain with our allocator": []}
    for _ in range(_RUNS):
        for name, runs in rates.items():
            runs.append(_in_a_process(name))
    for name, runs in rates.items():
        what = {"ours": "our loop", "plain": "a plain torch loop"}.get(
            name, "a plain torch loop with our allocator settings"
        )
        tell_median(f"training the network of fashion-mnist on 1 thread: {what}", runs, "samples/s")
    ours = statistics.median(rates["ours"])
    for name in ("plain", "plain with our allocator"):
        tell(f"speed of our loop by that of the {name} one", ours / statistics.median(rates[name]), "times")


def _in_a_process(name: str) -> float:
    """One run in a fresh process: the allocator's settings, which dvc.yaml gives to `train`, count from its start."""
    command = str(read_yaml(ROOT / "dvc.yaml")["stages"]["train"]["do"]["cmd"])
    allocator = dict(word.split("=") for word in command.split() if word.startswith("MALLOC_"))
    assert allocator
    environment = {**os.environ, **(allocator if name != "plain" else {})}
    loop = "ours" if name == "ours" else "plain"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", loop],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def ours() -> float:
    """Samples per second of `gristmill.training.fit`, validation included."""
    from gristmill.kinds.images import network
    from gristmill.training.devices import declared_device
    from gristmill.training.fit import fit
    from gristmill.training.objective import objective_for
    from gristmill.training.prepared import Split

    settings = _settings()
    device = declared_device(settings)
    train, validation, model = _problem()
    own = network.NetworkSettings.model_validate(settings.network)
    began = time.perf_counter()
    fit(
        model,
        objective_for(_CONTRACT, settings, train[1]),
        Split({"image": train[0]}, train[1]),
        Split({"image": validation[0]}, validation[1]),
        settings,
        lambda inputs, generator: network.augment(inputs, own, generator),
        device=device,
    )
    return settings.epochs * _N_TRAIN / (time.perf_counter() - began)


def plain() -> float:
    """Samples per second of the loop that one would write first."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    settings = _settings()
    torch.set_num_threads(settings.threads)
    train, validation, model = _problem()
    batches = DataLoader(TensorDataset(*train), batch_size=settings.batch_size, shuffle=True)
    checks = DataLoader(TensorDataset(*validation), batch_size=1024)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    criterion = torch.nn.CrossEntropyLoss()
    began = time.perf_counter()
    for _ in range(settings.epochs):
        model.train()
        for images, target in batches:
            optimizer.zero_grad()
            criterion(model(images), target).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, target in checks:
                (model(images).argmax(1) == target).sum().item()
    return settings.epochs * _N_TRAIN / (time.perf_counter() - began)


def _settings() -> TrainSettings:
    settings = TrainSettings.read(ROOT / "params" / "fashion-mnist.yaml", "train")
    return settings.model_copy(update={"epochs": 2})


def _problem() -> "tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], nn.Module]":
    """Images [N, 28, 28] and labels [N] for both sides, and a fresh network."""
    import torch

    from gristmill.kinds.images import network

    torch.manual_seed(0)
    sides = [
        (torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (n,)))
        for n in (_N_TRAIN, _N_VALIDATION)
    ]
    own = network.NetworkSettings.model_validate(_settings().network)
    return sides[0], sides[1], network.build(_CONTRACT, own, {"image": sides[0][0]})


_LOOPS = {"ours": ours, "plain": plain}

if __name__ == "__main__":
    main()
