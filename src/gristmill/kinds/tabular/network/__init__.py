"""The network that learns rows of a table."""

from gristmill.kinds.tabular.network.augmentation import augment
from gristmill.kinds.tabular.network.perceptron import Perceptron, build
from gristmill.kinds.tabular.network.settings import NetworkSettings

__all__ = ["NetworkSettings", "Perceptron", "augment", "build"]
