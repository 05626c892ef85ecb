"""Table records: CSV as landed, one row for each line with what could be read of it."""

from gristmill.kinds.tabular.records.count import count_rows
from gristmill.kinds.tabular.records.read import IngestSettings, read
from gristmill.kinds.tabular.records.whole import missing_part

__all__ = ["IngestSettings", "count_rows", "missing_part", "read"]
