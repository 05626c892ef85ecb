"""The device that was declared, and the same bits each time on it."""

import os
from contextlib import AbstractContextManager

import torch

from gristmill.ground.errors import GristmillError
from gristmill.training.settings import TrainSettings

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class DeviceError(GristmillError):
    """The machine is not the one that the settings declare."""


def declared_device(settings: TrainSettings, local_rank: int = 0) -> torch.device:
    """The declared device, checked; it also fixes threads and determinism for this process.

    Raises:
        DeviceError: the device, or the precision on it, is not to be had here.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "train.device is 'cuda', but this machine offers torch no GPU. Train where there is one, or declare "
            "train.device: cpu in params/<workload>.yaml (another device makes another model)."
        )
    if settings.precision == "fp16" and settings.device == "cpu":
        raise DeviceError(
            "train.precision is 'fp16', which is for GPUs: declare fp32 (or bf16) with train.device: cpu."
        )
    if settings.device == "cuda" and settings.precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise DeviceError("train.precision is 'bf16', which this GPU does not have: declare fp16 or fp32.")
    fix_bits(settings.threads)
    if settings.device == "cpu":
        return torch.device("cpu")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def fix_bits(threads: int) -> None:
    """Make every operation of this process repeatable to the bit, or an error."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is repeatable only with it
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # else each new tensor is filled first: slower, and only code that reads what it never wrote would need it
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def autocast(device: torch.device, settings: TrainSettings) -> AbstractContextManager[None]:
    """Mixed precision for the forward pass; nothing for fp32."""
    dtype = _DTYPES.get(settings.precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
