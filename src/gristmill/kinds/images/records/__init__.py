"""Image records: IDX, PNG and JPEG as landed, a row for each with its label and figures that say if it is sound."""

from gristmill.kinds.images.records.count import count_rows
from gristmill.kinds.images.records.read import IngestSettings, read
from gristmill.kinds.images.records.whole import missing_part

__all__ = ["IngestSettings", "count_rows", "missing_part", "read"]
