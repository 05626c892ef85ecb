"""A data frame as requests: rows as a caller of the service would write them, so that the service's own check reads them."""

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gristmill.ground.errors import GristmillError
from gristmill.kinds.tabular.answers.request import MAX_ROWS

if TYPE_CHECKING:
    import pandas as pd

    from gristmill.kinds.tabular.records.settings import IngestSettings


class NoFrameError(GristmillError):
    """Something else than a table."""

    def __str__(self) -> str:
        return f"a pandas DataFrame with the model's columns is expected, and this is {self.args[0]}."


def requests(
    given: "pd.DataFrame", settings: "IngestSettings", contract: dict[str, Any]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Requests of as many rows as are answered at once, each with the position of its first.

    Columns that params names beside the features (target, id, group, what is ignored) are left out.

    Raises:
        NoFrameError: it is no data frame.
    """
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise NoFrameError(type(given).__name__)
    beside = set(settings.asking([column["name"] for column in contract["columns"]]).ignore)
    frame = given[[name for name in given.columns if name not in beside]]
    for start in range(0, max(len(frame), 1), MAX_ROWS):
        rows = frame.iloc[start : start + MAX_ROWS].to_dict("records")
        yield start, {"rows": [{name: _plain(value) for name, value in row.items()} for row in rows]}


def _plain(value: Any) -> Any:
    """A cell as JSON has it: null for what pandas takes for missing, dates in ISO 8601."""
    import pandas as pd

    if isinstance(value, datetime.date) and value is not pd.NaT:
        return value.isoformat()
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value
