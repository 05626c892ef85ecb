"""What a row is in this workload, and what is held out: read by `prepare`, which makes the contract of it.

Categories are declared, not learnt from whatever has landed: they are part of what a caller may say, so a new one is a
change of the contract that a person makes.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from gristmill.ground.settings import Settings
from gristmill.kinds.tabular.tensors.encoding import DATE_NUMBERS


class PrepareSettings(Settings):
    """What a row is and what is predicted of it; fractions are of records, by the hash of their group or payload."""

    task: Literal["classification", "regression"] = "classification"
    """What the target is."""
    classes: tuple[str, ...] = ()
    """For classification: the target's values, in the order of the model's outputs."""
    columns: dict[str, Literal["numeric", "date"] | tuple[str, ...]] = Field(min_length=1)
    """Features in the model's order: `numeric`, `date`, or the list of a column's categories."""
    holdout_fraction: float = Field(default=0.2, gt=0, lt=0.5)
    """Records that only evaluation reads."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Records that choose the checkpoint."""

    @model_validator(mode="after")
    def _names_fit_the_task(self) -> "PrepareSettings":
        if self.task == "classification" and len(self.classes) < 2:
            raise ValueError("classification needs at least two classes")
        if self.task == "regression" and self.classes:
            raise ValueError("regression has no classes")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        for name, kind in self.columns.items():
            if not isinstance(kind, str) and (not kind or len(set(kind)) < len(kind) or "" in kind):
                raise ValueError(f"the categories of '{name}' must be different names, at least one")
        return self


def contract(settings: PrepareSettings) -> dict[str, Any]:
    """What a model of this workload is asked and answers."""
    described: list[dict[str, Any]] = [
        {"name": name, "type": kind}
        if isinstance(kind, str)
        else {"name": name, "type": "categorical", "categories": list(kind)}
        for name, kind in settings.columns.items()
    ]
    n_of = {kind: sum(column["type"] == kind for column in described) for kind in ("numeric", "date", "categorical")}
    return {
        "kind": "tabular",
        "task": settings.task,
        "classes": list(settings.classes),
        "columns": described,
        "inputs": [
            {"name": "numeric", "dtype": "float32", "shape": ["N", n_of["numeric"] + DATE_NUMBERS * n_of["date"]]},
            {"name": "categorical", "dtype": "int64", "shape": ["N", n_of["categorical"]]},
        ],
    }
