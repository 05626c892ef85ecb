"""Image records: IDX files as landed, one row for each image with its label and a few figures that say if it is sound."""

from gristmill.kinds.images.records.count import count_rows
from gristmill.kinds.images.records.read import IngestSettings, read
from gristmill.kinds.images.records.whole import missing_part

__all__ = ["IngestSettings", "count_rows", "missing_part", "read"]
