"""The `network` part of an image workload's `train` section."""

from pydantic import Field

from gristmill.ground.settings import Settings


class NetworkSettings(Settings):
    """The size of the network, and what may be done to an image without changing what it shows."""

    width: int = Field(default=32, ge=4, le=1024, multiple_of=4)
    """Channels of the first convolution; the second has twice, the others four times as many."""
    shift_pixels: int = Field(default=2, ge=0, le=16)
    """Images are shifted by up to so many pixels each way while training."""
    flip: bool = False
    """Mirror half of them left to right: right for clothes, wrong for digits."""
