"""The network that learns images, and how a batch of them is varied while it learns."""

from gristmill.kinds.images.network.augmentation import augment
from gristmill.kinds.images.network.convolutional import ConvolutionalNetwork, build
from gristmill.kinds.images.network.settings import NetworkSettings

__all__ = ["ConvolutionalNetwork", "NetworkSettings", "augment", "build"]
