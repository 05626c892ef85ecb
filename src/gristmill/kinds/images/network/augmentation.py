"""Shift and mirror a whole batch in one gather; nothing is interpolated, so bytes stay bytes."""

# N images, H height, W width
import torch
from torch import Tensor
from torch.nn import functional

from gristmill.kinds.images.network.settings import NetworkSettings


def augment(inputs: dict[str, Tensor], settings: NetworkSettings, generator: torch.Generator) -> dict[str, Tensor]:
    """Each image shifted by whole pixels (black comes in), and mirrored with even chance if `flip` is on."""
    return {name: _varied(images, settings, generator) for name, images in inputs.items()}


def _varied(images_NHW: Tensor, settings: NetworkSettings, generator: torch.Generator) -> Tensor:
    n, height, width = images_NHW.shape
    device, pad = images_NHW.device, settings.shift_pixels
    row_NH = torch.arange(height, device=device).expand(n, height)
    column_NW = torch.arange(width, device=device).expand(n, width)
    if settings.flip:
        mirrored_N1 = torch.rand(n, 1, device=device, generator=generator) < 0.5
        column_NW = torch.where(mirrored_N1, width - 1 - column_NW, column_NW)
    if pad:
        shift_2N1 = torch.randint(0, 2 * pad + 1, (2, n, 1), device=device, generator=generator)
        row_NH, column_NW = row_NH + shift_2N1[0], column_NW + shift_2N1[1]
        images_NHW = functional.pad(images_NHW, (pad, pad, pad, pad))
    image_N = torch.arange(n, device=device)
    return images_NHW[image_N[:, None, None], row_NH[:, :, None], column_NW[:, None, :]]
