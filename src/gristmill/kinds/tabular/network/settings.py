"""The `network` part of a table workload's `train` section."""

from pydantic import Field

from gristmill.ground.settings import Settings


class NetworkSettings(Settings):
    """The size of the network and what keeps it from learning rows by heart."""

    hidden: tuple[int, ...] = Field(default=(32,), max_length=8)
    """Units of each hidden layer; none makes a linear model."""
    embedding: int = Field(default=4, ge=1, le=256)
    """Numbers that stand for a category, for each categorical column."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of inputs and hidden units switched off in a training step."""
