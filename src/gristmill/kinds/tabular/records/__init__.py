"""Table records: CSV, JSON lines or Parquet as landed, one row for each of theirs with what could be read of it."""

from gristmill.kinds.tabular.records.count import count_rows
from gristmill.kinds.tabular.records.read import read
from gristmill.kinds.tabular.records.settings import IngestSettings
from gristmill.kinds.tabular.records.whole import missing_part

__all__ = ["IngestSettings", "count_rows", "missing_part", "read"]
