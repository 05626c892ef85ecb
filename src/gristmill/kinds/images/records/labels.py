"""Which class a picture is of: what a labels.csv says that lies beside it or in a folder above, else the name of its folder.

    shirts/0001.png             a shirt
    labels.csv                  file,label
    march/0002.png              march/0002.png,shirts      paths are relative to the folder of labels.csv

Names of files are compared as Unicode NFC, for macOS writes an é as two characters where others write one.
"""

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from gristmill.kinds.images.records.layout import LABELS

_COLUMNS = ("file", "label")
_DELIMITERS = (",", ";", "\t")
_LARGEST_INDEX = 255
"""Of a label that is a number, where params names no classes: as large as IDX can say."""


class Label(NamedTuple):
    """The index of a picture's class, or why there is none."""

    target: int | None
    problem: str | None


class Labels:
    """The labels of one batch."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = {nfc(name): index for index, name in enumerate(classes)}
        self._files: dict[PurePosixPath, dict[str, set[str]]] = {}
        self._used: set[tuple[PurePosixPath, str]] = set()

    def read(self, place: PurePosixPath, content: bytes) -> str | None:
        """Take in a labels.csv (UTF-8; commas, semicolons or tabs; further columns are ignored).

        Args:
            place: where it lies in the batch.
            content: its bytes.

        Returns:
            What keeps it from being read; None when it was.
        """
        if place.parent in self._files:
            return f"is the second {LABELS} of its folder"
        named: dict[str, set[str]] = {}
        self._files[place.parent] = named
        try:
            text = content.decode("utf-8-sig")
            header = text.partition("\n")[0]
            delimiter = max(_DELIMITERS, key=header.count)
            rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            if missing := [column for column in _COLUMNS if column not in (rows.fieldnames or ())]:
                return f"lacks the column {' and '.join(missing)}: its first line is to be `file,label`"
            for row in rows:
                name = nfc(str(PurePosixPath(row["file"] or "")))
                named.setdefault(name, set()).add((row["label"] or "").strip())
        except UnicodeDecodeError:
            return "is not UTF-8"
        except csv.Error as error:
            return f"cannot be read as CSV ({error})"
        return None

    def of(self, place: PurePosixPath) -> Label:
        """The label of the picture that lies at a place of the batch."""
        for folder in place.parents:
            if folder in self._files:
                name = nfc(str(place.relative_to(folder)))
                self._used.add((folder, name))
                return self._declared(self._files[folder].get(name))
        if place.parent.name:
            return self._index(place.parent.name, "lies in a folder called")
        return Label(None, f"has no label: it lies in no folder of a class, and beside no {LABELS}")

    @property
    def unused(self) -> Mapping[PurePosixPath, list[str]]:
        """What each labels.csv names that is not there, once every picture was asked for."""
        return {
            folder / LABELS: missing
            for folder, named in self._files.items()
            if (missing := sorted(name for name in named if (folder, name) not in self._used))
        }

    def _declared(self, labels: set[str] | None) -> Label:
        if labels is None:
            return Label(None, f"has no label: {LABELS} does not name it")
        if len(labels) > 1:
            return Label(None, f"has {len(labels)} different labels in {LABELS}")
        [label] = labels
        return self._index(label, "has the label") if label else Label(None, f"has no label: {LABELS} leaves it empty")

    def _index(self, label: str, words: str) -> Label:
        if (index := self._classes.get(nfc(label))) is not None:
            return Label(index, None)
        largest = len(self._classes) - 1 if self._classes else _LARGEST_INDEX
        if label.isascii() and label.isdigit() and len(label) < 10 and int(label) <= largest:
            return Label(int(label), None)
        known = (
            f"none of ingest.classes, nor a number up to {largest}" if self._classes else "and ingest.classes is empty"
        )
        return Label(None, f"{words} '{label}', {known}")


def nfc(name: str) -> str:
    """A name as it is compared."""
    return unicodedata.normalize("NFC", name)
