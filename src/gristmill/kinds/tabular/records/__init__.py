"""Table records: CSV as landed, one row for each line with what could be read of it."""

from gristmill.kinds.tabular.records.count import count_rows
from gristmill.kinds.tabular.records.read import IngestSettings, read

__all__ = ["IngestSettings", "count_rows", "read"]
