"""What params say of a workload's tables."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from gristmill.ground.settings import Settings
from gristmill.kinds.tabular.records.dialect import Decimal, Dialect, find_dialect

ColumnKind = Literal["numeric", "categorical", "date"]

_OWN_COLUMNS = {"record_id", "split_key", "target", "group", "problems"}


class IngestSettings(Settings):
    """Which columns a table has and what they hold."""

    columns: dict[str, ColumnKind] = Field(min_length=1)
    """Features, by name. A date is read as days since 1970 in UTC."""
    ignore: tuple[str, ...] = ()
    """Columns that a file may have and that are not read; any other that is not declared is a fault of the file."""
    target: str
    """The column to be predicted."""
    target_type: Literal["category", "number"] = "category"
    """A category for classification, a number for regression."""
    id: str | None = None
    """The column that names a record; without it, equal rows are different events."""
    group: str | None = None
    """The column of the customer, patient or device that several rows belong to; a group is never split."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, pattern=r'[^"\r\n]')
    """Between cells; null: found from each file's header."""
    encoding: Literal["utf-8", "cp1252", "latin-1", "utf-16"] | None = None
    """Of the text; null: UTF-8, and whatever else a file's bytes leave no doubt about."""
    decimal: Decimal | None = None
    """The decimal mark; null: a point, or a comma where a file's cells can mean nothing else."""
    date_format: str | None = None
    """How dates are written, in strptime's directives, such as `%d.%m.%Y`; null: ISO 8601."""
    _is_asking: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _names_are_free(self) -> "IngestSettings":
        if taken := sorted(_OWN_COLUMNS & self.columns.keys()):
            raise ValueError(f"no feature may be called {', '.join(taken)}: a batch table has such columns of its own")
        if self.target in self.columns:
            raise ValueError(f"'{self.target}' is the target, so it cannot be a feature too")
        if both := [name for name in self.ignore if name in self.used]:
            raise ValueError(f"'{both[0]}' is to be read and to be ignored")
        return self

    def asking(self, columns: Collection[str]) -> "IngestSettings":
        """The same for rows that a model is asked about: a file must have these columns; an id is read if there is one."""
        update = {
            "columns": {name: self.columns[name] for name in columns},
            "ignore": (*self.ignore, *(name for name in self.used if name not in columns)),
            "group": None,
        }
        asking = self.model_copy(update=update)
        asking._is_asking = True
        return asking

    @property
    def used(self) -> dict[str, None]:
        """Every column that is read, in order."""
        others = (self.id,) if self._is_asking else (self.target, self.id, self.group)
        return dict.fromkeys([*self.columns, *filter(None, others)])

    @property
    def expected(self) -> dict[str, None]:
        """Those of them that a file must have."""
        return dict.fromkeys(self.columns) if self._is_asking else self.used

    def kinds(self, name: str) -> list[ColumnKind]:
        """As what a column is read; one may be a feature and name its group, too."""
        kinds: list[ColumnKind] = [self.columns[name]] if name in self.columns else []
        if name == self.target:
            kinds.append("numeric" if self.target_type == "number" else "categorical")
        if name in (self.id, self.group):
            kinds.append("categorical")
        return kinds

    def dialect(self, path: Path) -> Dialect:
        """How a CSV is written."""
        return find_dialect(path, self.used, self.encoding, self.delimiter, self.decimal)
