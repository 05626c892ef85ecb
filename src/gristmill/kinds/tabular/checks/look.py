"""What the checks at landing compare of tables: each column by its name, and all of them as numbers to learn from.

Dates are left out of the features: that later data is later is no drift.
"""

# N rows, F numbers, D numbers of dates, G categorical columns
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gristmill.kinds.contract import Columns


def fitting(rows: pa.Table, contract: dict[str, Any]) -> NDArray[np.bool_]:
    """Rows whose target the contract knows, and whose cells are of its columns' types.

    Raises:
        KeyError: the rows lack a column of the contract.
    """
    lacking = [column["name"] for column in contract["columns"] if column["name"] not in rows.column_names]
    if lacking:
        raise KeyError(lacking[0])
    target = rows["target"]
    if contract["task"] == "regression":
        known = pc.is_finite(target) if pa.types.is_floating(target.type) else pc.is_valid(target)
    else:
        known = pc.is_in(target.cast(pa.string()), value_set=pa.array(contract["classes"], pa.string()))
    return np.asarray(pc.fill_null(known, False).to_numpy())


def features(inputs: "Columns", contract: dict[str, Any]) -> "Columns":
    """Numbers as float32 with NaN for missing, categories as int64 codes with 0 for missing or unknown, by column."""
    numeric = [column["name"] for column in contract["columns"] if column["type"] == "numeric"]
    categorical = [column["name"] for column in contract["columns"] if column["type"] == "categorical"]
    return {
        **{name: inputs["numeric"][:, position] for position, name in enumerate(numeric)},
        **{name: inputs["categorical"][:, position] for position, name in enumerate(categorical)},
    }


def linear(inputs: "Columns", contract: dict[str, Any]) -> NDArray[np.float32]:
    """Numbers and dates, the median where one is missing, then 0 or 1 for each category, [N, F + D + all categories]."""
    numbers_NF = np.array(inputs["numeric"], np.float32)
    for column in numbers_NF.T:
        missing = np.isnan(column)
        column[missing] = np.median(column[~missing]) if not missing.all() else 0
    sizes = [len(column["categories"]) for column in contract["columns"] if column["type"] == "categorical"]
    one_hot = [
        np.eye(size + 1, dtype=np.float32)[codes_N]
        for size, codes_N in zip(sizes, inputs["categorical"].T, strict=True)
    ]
    return np.concatenate([numbers_NF, *one_hot], axis=1)
