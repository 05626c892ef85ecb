"""What every kind gives: six phases, each a package that is loaded by name.

    records    bytes as landed -> a table of rows           (ingest)
    tensors    rows -> the model's inputs and targets       (prepare, evaluate, package)
    network    inputs -> what is learnt                     (train)
    answers    a request -> rows to be answered             (the service)
    checks     rows and inputs -> what can be compared      (what looks at a batch when it lands; no stage)
    questions  files and frames -> rows to be answered      (`gristmill predict`, `gristmill.load`; no stage)

A stage that needs a phase imports `gristmill.kinds.<kind>.<phase>`, so a new kind changes no stage.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import pyarrow as pa
    import torch

    from gristmill.data.batches import BatchTable
    from gristmill.ground.settings import Settings

    Columns = dict[str, "np.ndarray[Any, Any]"]
    """Payload columns by name, all of one length."""


class Records(Protocol):
    """How the bytes of a batch become rows."""

    IngestSettings: "type[Settings]"

    def read(self, parts: list[Path], settings: Any, batch: str) -> "BatchTable":
        """Read the parts of a batch, which lie below a folder called like it, where folders have a meaning.

        Never raises on data: what cannot be read becomes a problem of its row or batch. Of no parts it makes no rows, but
        the columns of every batch: so a suite can be held against them.
        """

    def count_rows(self, parts: list[Path], settings: Any) -> int:
        """Count rows from the bytes by another way than `read`, which must make exactly as many."""

    def missing_part(self, parts: list[Path], folder: Path) -> str | None:
        """What these files below a folder still lack to be a batch, in words that follow "it"; None when they are whole."""


class Tensors(Protocol):
    """How rows become what a model takes."""

    PrepareSettings: "type[Settings]"

    def contract(self, settings: Any) -> dict[str, Any]:
        """What a model of this workload is asked and what it answers: kind, task, classes, inputs, schema."""

    def columns(self, rows: "pa.Table", contract: dict[str, Any]) -> "Columns":
        """The payload of rows as numpy.

        Raises:
            KeyError: the rows lack a column of the contract.
        """

    def encode(self, columns: "Columns", contract: dict[str, Any]) -> "Columns":
        """The model's inputs by name; the same code in training, evaluation and serving."""

    def targets(self, rows: "pa.Table", contract: dict[str, Any]) -> "np.ndarray[Any, Any]":
        """Class index, int64 [N], or the number to be predicted, float32 [N]."""


class Network(Protocol):
    """What is learnt."""

    NetworkSettings: "type[Settings]"

    def build(
        self, contract: dict[str, Any], settings: Any, train_inputs: "dict[str, torch.Tensor]"
    ) -> "torch.nn.Module":
        """A network whose forward takes the contract's inputs in order; normalisation is inside it."""

    def augment(
        self, inputs: "dict[str, torch.Tensor]", settings: Any, generator: "torch.Generator"
    ) -> "dict[str, torch.Tensor]":
        """One batch, varied in ways that leave its targets true."""


class Answers(Protocol):
    """What may be asked."""

    MEDIA: "Mapping[str, Callable[[bytes, dict[str, Any]], Columns]]"
    """How a request is read that is no JSON, by content type; an error's sentence goes to the caller."""

    def parse(self, request: Any, contract: dict[str, Any]) -> "Columns":
        """Decoded JSON as payload columns, or an error whose sentence goes to the caller."""

    def schema(self, contract: dict[str, Any]) -> dict[str, Any]:
        """JSON Schema of a request."""

    def example(self, contract: dict[str, Any]) -> dict[str, Any]:
        """A request that fits the schema."""

    def sample(self, contract: dict[str, Any]) -> dict[str, Any]:
        """A request of a few items, made by chance and the same each time: it asks a model more than the example does."""


class Checks(Protocol):
    """What of a batch can be compared with other data, when it lands."""

    def fitting(self, rows: "pa.Table", contract: dict[str, Any]) -> "np.ndarray[Any, Any]":
        """Which rows `Tensors` can encode and has a target for, bool [N].

        Raises:
            KeyError: the rows lack a column of the contract.
        """

    def features(self, inputs: "Columns", contract: dict[str, Any]) -> "Columns":
        """What drift is measured in, by name: floating [N] are numbers, NaN where missing; integers [N] are categories."""

    def linear(self, inputs: "Columns", contract: dict[str, Any]) -> "np.ndarray[Any, Any]":
        """The inputs as numbers that a linear model can learn from, none missing, float32 [N, F]."""


class Questions(Protocol):
    """How files and frames become rows to be answered: without targets, and none that the service would refuse."""

    def read(
        self, parts: Mapping[str, Path], settings: Any, contract: dict[str, Any], problems: list[str], notes: list[str]
    ) -> "Iterator[pa.Table]":
        """Rows of files by name, in order, some at a time: `record_id`, the payload, and `problem` (null: to be answered).

        Never raises on data: `problems` is told what is wrong with files as a whole.
        """

    def requests(self, given: Any, settings: Any, contract: dict[str, Any]) -> "Iterator[tuple[int, dict[str, Any]]]":
        """A frame or an array as requests to the service, each with the position of its first item."""
