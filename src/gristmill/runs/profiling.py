"""Making the reference profile of a workload: from what its last turn admitted, or from files before there is one.

The same rows give the same bytes, in whatever order they landed: values are sorted before anything is reckoned of them.
"""

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gristmill.adapters.dvc import locked_output, read_lock
from gristmill.data.batches import read_admitted
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.ground.workload import Workload
from gristmill.quality.profile import QUANTILES, Bins, ClassProfile, ColumnProfile, Label, Profile
from gristmill.quality.suite import Column, Suite, check_suite
from gristmill.runs.repository import Repository

if TYPE_CHECKING:
    from gristmill.kinds.contract import Records

MOST_CLASSES = 100
"""Different targets up to which they are classes, and words of a column up to which they are counted."""
LEAST_PERSONAL = 20
"""Rows from which on the mean of a personal column tells of nobody."""
_TENTHS = np.arange(1, 10) / 10
_DIGITS = 6


class NothingToProfileError(GristmillError):
    """No rows from which a reference could be taken."""

    def __str__(self) -> str:
        workload, why = self.args
        return (
            f"{workload}: {why}. Land data and let it run (`gristmill land {workload}`, `gristmill run {workload}`), or "
            f"name files to take the reference from: `gristmill expectations profile {workload} --from FILE`."
        )


def profile_of_admitted(repository: Repository, workload: Workload) -> Profile:
    """The profile of all rows of the role `train` that the last recorded turn admitted, read from DVC's cache.

    Raises:
        SuiteError: the suite, which says what the columns are, is not one.
        NothingToProfileError: there was no turn yet, or it admitted nothing.
        CacheMissError: the cache lacks a table.
        CorruptBatchError: a table is not the one that was admitted.
    """
    columns = declared_columns(workload)
    lock = read_lock(repository.mill.read("dvc.lock"))
    name = workload.name
    admitted = locked_output(lock, f"validate@{name}", f"data/{name}/admitted.json")
    batches = locked_output(lock, f"ingest@{name}", f"data/{name}/batches")
    if admitted is None or batches is None:
        raise NothingToProfileError(name, "no turn has been recorded")
    tables = repository.dvc.listing(batches["md5"])
    read = [
        read_admitted(repository.dvc.cached(tables[f"{entry['batch']}.parquet"]), entry, list(columns))
        for entry in read_json(repository.dvc.cached(admitted["md5"]))["batches"]
        if entry["role"] == "train"
    ]
    if not read:
        raise NothingToProfileError(name, "the last turn admitted no rows to learn from")
    return profile_rows(name, pa.concat_tables(read), columns)


def profile_of_files(
    workload: Workload, settings: Any, files: Sequence[Path], columns: Mapping[str, Column]
) -> Profile:
    """The profile of files as `ingest` would read them; rows that it cannot read whole are left out.

    Args:
        workload: its kind reads the files.
        settings: of its section `ingest`.
        files: the parts of one batch.
        columns: as `declared_columns` gives them.

    Raises:
        NothingToProfileError: no row can be read.
    """
    table = records_of(workload).read(list(files), settings, "")
    whole = [not problems for problems in table.rows.column("problems").to_pylist()]
    rows = table.rows.filter(pa.array(whole, pa.bool_()))
    if not len(rows):
        why = "; ".join(table.problems) or "no row of these files can be read"
        raise NothingToProfileError(workload.name, why)
    return profile_rows(workload.name, rows, columns)


def records_of(workload: Workload) -> "Records":
    """How the workload's kind reads bytes."""
    records: Records = importlib.import_module(f"gristmill.kinds.{workload.kind}.records")
    return records


def declared_columns(workload: Workload) -> dict[str, Column]:
    """The columns of a profile: those that the suite declares, without bytes, and the target in any case.

    Raises:
        SuiteError: the file is not a suite; a formula that lacks a profile is no hindrance to writing one.
    """
    suite, faults = check_suite(workload.expectations, workload.name)
    if suite is None:
        raise faults[0]
    return profiled_columns(suite)


def profiled_columns(suite: Suite) -> dict[str, Column]:
    """Of a suite that was read."""
    declared = {name: column for name, column in suite.meta.columns.items() if column.type != "bytes"}
    return {"target": Column(type="text"), **declared}


def profile_rows(workload: str, rows: pa.Table, columns: Mapping[str, Column]) -> Profile:
    """The profile of rows that hold the columns; a column that they lack is left out."""
    kept = {name: column for name, column in columns.items() if name in rows.column_names}
    target = rows.column("target")
    labels = [] if kept["target"].personal else _labels(target)
    numbers = {n: c for n, c in kept.items() if n != "target" and _is_number(rows.schema.field(n).type)}
    classes = []
    for label in labels:
        of_class = rows.filter(pc.equal(target, pa.scalar(label, target.type)))
        about = {name: _column(of_class.column(name), column, is_whole=False) for name, column in numbers.items()}
        classes.append(ClassProfile(value=label, n=len(of_class), columns=about))
    about = {name: _column(rows.column(name), column, is_whole=True) for name, column in kept.items()}
    if labels:  # the classes say it
        about["target"] = ColumnProfile(n=len(rows), empty=target.null_count)
    return Profile(workload=workload, n=len(rows), columns=about, classes=tuple(classes))


def _labels(target: pa.ChunkedArray) -> list[Label]:
    """The classes, where the target has classes: whole numbers or words, and not too many."""
    if not (pa.types.is_integer(target.type) or pa.types.is_string(target.type)):
        return []
    labels = sorted(label for label in target.unique().to_pylist() if label is not None)
    return labels if len(labels) <= MOST_CLASSES else []


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _column(values: pa.ChunkedArray, column: Column, *, is_whole: bool) -> ColumnProfile:
    n = len(values)
    if not _is_number(values.type):
        words = values.drop_null().to_pylist()
        counts = Counter(words) if not column.personal else Counter()
        named = dict(sorted(counts.items())) if 0 < len(counts) <= MOST_CLASSES else None
        return ColumnProfile(n=n, empty=n - len(words), values=named)
    numbers = np.sort(values.drop_null().to_numpy().astype(np.float64))
    numbers = numbers[np.isfinite(numbers)]
    empty = n - len(numbers)
    if not len(numbers) or (column.personal and len(numbers) < LEAST_PERSONAL):
        return ColumnProfile(n=n, empty=empty)
    mean, sigma = _rounded(numbers.mean()), _rounded(numbers.std())
    if column.personal:
        return ColumnProfile(n=n, empty=empty, mean=mean, sigma=sigma)
    quantiles = zip(QUANTILES, np.quantile(numbers, list(QUANTILES.values())), strict=True)
    return ColumnProfile(
        n=n,
        empty=empty,
        mean=mean,
        sigma=sigma,
        low=_rounded(numbers[0]),
        high=_rounded(numbers[-1]),
        quantiles={name: _rounded(value) for name, value in quantiles},
        bins=_bins(numbers) if is_whole else None,
    )


def _bins(numbers: NDArray[np.float64]) -> Bins | None:
    """How many lie between the tenths; a value that occurs often makes fewer of them."""
    edges = np.unique([_rounded(edge) for edge in np.quantile(numbers, _TENTHS)])
    if len(edges) < 2:
        return None
    inside = np.histogram(numbers, edges)[0]
    below, above = int((numbers < edges[0]).sum()), int((numbers > edges[-1]).sum())
    return Bins(edges=tuple(edges.tolist()), counts=(below, *inside.tolist(), above))


def _rounded(value: float) -> float:
    """To so many digits that a change of one row is seen, and that of a library is not."""
    return float(f"{value:.{_DIGITS}g}")
