"""What an image is in this workload, and what is held out: read by `prepare`, which makes the contract of it."""

from typing import Any

from pydantic import Field, model_validator

from gristmill.ground.settings import Settings


class PrepareSettings(Settings):
    """What an image is and which classes there are; fractions are of records, by the hash of their pixels."""

    classes: tuple[str, ...] = Field(min_length=2)
    """Names of the classes; a label is an index into them."""
    height: int = Field(default=28, ge=1, le=4096)
    """Pixels."""
    width: int = Field(default=28, ge=1, le=4096)
    """Pixels."""
    holdout_fraction: float = Field(default=0.15, gt=0, lt=0.5)
    """Records that only evaluation reads."""
    validation_fraction: float = Field(default=0.05, gt=0, lt=0.5)
    """Records that choose the checkpoint."""

    @model_validator(mode="after")
    def _classes_differ(self) -> "PrepareSettings":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        return self


def contract(settings: PrepareSettings) -> dict[str, Any]:
    """What a model of this workload is asked and answers."""
    return {
        "kind": "images",
        "task": "classification",
        "classes": list(settings.classes),
        "image": {"height": settings.height, "width": settings.width},
        "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", settings.height, settings.width]}],
    }
