"""The manifest of a landed batch, and the decisions that lie beside it.

    data/<w>/landing/<yyyy-mm>/<batch>/manifest.json   what landed: role, parts, hashes, origin
    data/<w>/landing/<yyyy-mm>/<batch>/0001-drop.json  what a person or a model decided about it, in order

Both are immutable: landing is append-only, and everything behind it is a pure function of it.
"""

import hashlib
import unicodedata
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json

Role = Literal["train", "benchmark"]

LABELS_FILE = "labels.csv"
"""A part that says of others, by their names, what they show."""
DECISION_FILES = "[0-9][0-9][0-9][0-9]-*.json"
"""What the decisions beside a batch are called, in their order; no part may be called so."""


class LandedFileError(GristmillError):
    """A file of the mill's own, beside a landed batch, that cannot be read."""

    def __init__(self, path: Path, kind: str, problems: list[str]) -> None:
        super().__init__(path, kind, problems)

    def __str__(self) -> str:
        path, kind, problems = self.args
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        mend = {
            "manifest": "What landed never changes: remove the batch's folder and bring it again (`gristmill pull`).",
            "decision": "Correct the file or remove it; no batch of this workload is judged until then.",
        }[kind]
        return f"{path} cannot be read as a {kind}: {'; '.join(problems)}. {mend}"


class Part(BaseModel):
    """One file of a batch, as received."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    """Its path below the batch, with slashes."""
    sha256: str
    size: int


class Manifest(BaseModel):
    """What landed as one unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch: str
    """16 hexadecimal digits: the hash of the parts and the role."""
    role: Role
    """`train` feeds train, validation and holdout; `benchmark` is a published test set, reported and never trained on."""
    parts: tuple[Part, ...]
    origin: str
    licence: str = ""
    terms: str = ""


class Finding(BaseModel):
    """What the checks at landing saw in a batch, beside the champion of that moment; stable, so that flows can act on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    champion: str | None
    """The version that was asked; None before there is one."""
    warnings: tuple[str, ...] = ()
    """What a person should know, a sentence each; empty where nothing is amiss."""
    notes: tuple[str, ...] = ()
    """What could not be checked, and why; it keeps nothing out."""
    labels: dict[str, Any] | None = None
    """Figures of the label checks (quality/labels.py); None where they could not be made."""
    drift: dict[str, Any] | None = None
    """Figures of the drift checks (quality/drift.py); None where they could not be made."""


class Decision(BaseModel):
    """What was decided about a batch or some of its rows; the newest wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    decision: Literal["check", "release", "drop", "withhold", "revert", "correct"]
    """check: what was found when it landed, which keeps no row out; release: admit in spite of the reasons; drop: never
    admit; withhold: keep out until released; revert: take an admitted batch out again; correct: give rows another target."""
    actor: str
    reason: str
    at: datetime
    rows: tuple[str, ...] | None = None
    """record_ids, or None for the whole batch."""
    targets: dict[str, str | int | float] | None = None
    """record_id to its new target, for `correct`."""
    finding: Finding | None = None
    """For `check`, and for `withhold` where a check withheld the batch."""


class LandedBatch(BaseModel):
    """A batch where it lies."""

    model_config = ConfigDict(frozen=True)
    folder: Path
    manifest: Manifest
    decisions: tuple[Decision, ...]
    """Oldest first."""

    @property
    def parts(self) -> list[Path]:
        """The files of the batch, in the manifest's order."""
        return [self.folder / part.name for part in self.manifest.parts]


Content = TypeVar("Content", bound=BaseModel)


def batch_id(role: Role, parts: list[Part]) -> str:
    """The identity of a batch: the same bytes in the same role are the same batch, whatever the files are called.

    What a name means is part of the identity: the folder that a file lies in (of pictures, their class), and the whole name
    where a labels.csv refers to it.
    """
    names_matter = len(parts) > 1 and any(PurePosixPath(part.name).name == LABELS_FILE for part in parts)
    lines = []
    for part in parts:
        folder, _, name = unicodedata.normalize("NFC", part.name).rpartition("/")
        meant = f"{folder}/{name}" if names_matter else folder
        lines.append(f"{part.sha256} {meant}" if meant else part.sha256)
    content = "\n".join([role, *sorted(lines)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def read_landing(landing: Path) -> list[LandedBatch]:
    """Every batch under a workload's landing folder, ordered by batch id, so that no result depends on when it landed.

    Raises:
        LandedFileError: a manifest or a decision is malformed.
    """
    batches = []
    for path in landing.glob("*/*/manifest.json"):
        decided = sorted(path.parent.glob(DECISION_FILES))
        batches.append(
            LandedBatch(
                folder=path.parent,
                manifest=read_own_file(path, Manifest),
                decisions=tuple(read_own_file(file, Decision) for file in decided),
            )
        )
    return sorted(batches, key=lambda batch: batch.manifest.batch)


def read_own_file(path: Path, content: type[Content], called: Path | None = None) -> Content:
    """A manifest or a decision; `called` is its name in the landing, where its bytes lie elsewhere.

    Raises:
        LandedFileError: it is malformed.
    """
    shown, kind = called or path, content.__name__.lower()
    try:
        return content.model_validate(read_json(path))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise LandedFileError(shown, kind, problems) from error
    except ValueError as error:  # JSON, or the encoding of its text
        raise LandedFileError(shown, kind, [f"it is not JSON ({error})"]) from error
