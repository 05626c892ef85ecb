"""One or several training processes (torchrun). Each draws the whole batch and keeps its share of the rows.

Drawing all of it everywhere costs a gather; in return order and augmentation do not depend on the number of processes,
and N processes give the single process's model up to rounding (tested). Batch normalisation is the exception: its
statistics are of a share, unless the network converts it (`SyncBatchNorm`, GPUs only).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gristmill.ground.errors import GristmillError
from gristmill.training.settings import TrainSettings


class ProcessesError(GristmillError):
    """The number of processes is not the one declared."""


class Processes(NamedTuple):
    """This process among those that train together."""

    rank: int = 0
    local_rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def share(self, n_rows: int) -> slice:
        """The rows of a batch that this process keeps."""
        return slice(self.rank * n_rows // self.world, (self.rank + 1) * n_rows // self.world)

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model whose backward pass averages gradients over the processes."""
        if self.world == 1:
            return model
        if device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)

    def summed(self, values: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def from_first(self, values: Tensor) -> Tensor:
        """The first process's values, in every process."""
        if self.world > 1:
            dist.broadcast(values, src=0)
        return values


ALONE = Processes()


@contextmanager
def joined_processes(settings: TrainSettings) -> Iterator[Processes]:
    """Join the others that torchrun started, if any; leave them at the end.

    Raises:
        ProcessesError: torchrun started another number than declared, or a batch cannot be shared evenly.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world != settings.processes:
        raise ProcessesError(
            f"train.processes is {settings.processes}, but {world} {'runs' if world == 1 else 'run'}. Declare {world}, "
            f"or start them with `torchrun --nproc-per-node {settings.processes} -m gristmill.stages train WORKLOAD`."
        )
    if settings.batch_size % world:
        raise ProcessesError(
            f"train.batch_size is {settings.batch_size}: make it a multiple of train.processes ({world})."
        )
    if world == 1:
        yield ALONE
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if settings.device == "cuda":
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if settings.device == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), local_rank, world)
        dist.barrier()
    finally:
        dist.destroy_process_group()
