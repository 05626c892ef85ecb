"""What a workload declares of a source that grows. The place says which of three it is: `folder`, `bucket` or `query`.

Nothing secret stands here: params are in git. A password comes from an environment variable that is named, keys of S3 from
where every S3 tool looks for them.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, WrapValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gristmill.data.licences import Licensed

_MARK = re.compile(r">=\s*:mark\b")
_PARAMETERS = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_SECRET = re.compile("pass|pwd|secret|token", re.IGNORECASE)
_PLACES = ("folder", "bucket", "query")


class GrowingSource(Licensed):
    """What all growing sources have."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    """Under this name the ledger knows what has been taken: a source that is renamed begins anew."""
    poll_s: float = Field(default=60, ge=5)
    """Seconds from one look of `gristmill up` to the next."""


class FolderSource(GrowingSource):
    """A folder in which files appear and are replaced; nothing is ever removed from it."""

    folder: str = Field(min_length=1)
    """Its path; a relative one begins at the repository."""
    glob: str = Field(default="*", min_length=1)
    """Which entries count, by their path below the folder; `*` also crosses folders."""
    batch: Literal["file", "folder"] = "file"
    """Whether each file is a batch, or all files of each folder directly below."""


class BucketSource(GrowingSource):
    """The objects below a prefix of an S3 bucket, each a batch; nothing is ever removed from it."""

    bucket: Annotated[str, AfterValidator(lambda text: _address(text, ("s3",)))]
    """s3://bucket/prefix; the prefix may be empty."""
    endpoint: Annotated[str, AfterValidator(lambda text: text and _address(text, ("http", "https")))] = ""
    """URL of the server, where it is not Amazon's nor named by AWS_ENDPOINT_URL."""
    glob: str = Field(default="*", min_length=1)
    """Which objects count, by their key below the prefix; `*` also crosses slashes."""


class QuerySource(GrowingSource):
    """Rows of a database, taken in the order of a column that only grows."""

    database: Annotated[str, AfterValidator(lambda text: _address(text))]
    """SQLAlchemy's URL, without a password: postgresql+psycopg://reader@host/shop, sqlite:///path."""
    password_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the password."""
    query: str
    """A SELECT with the condition `<mark column> >= :mark`."""
    mark: str = Field(min_length=1)
    """The column that only grows: a number, a time stamp, or text."""
    start: int | float | datetime | str
    """The first mark. Its type is that of the column: 0, 2026-01-01T00:00:00Z, or quoted text."""
    key: tuple[str, ...] = ()
    """Columns that tell rows of the same mark apart; needed unless each mark is one row's alone."""
    overlap: float | None = Field(default=None, ge=0)
    """How far behind the newest mark a row may still turn up: in seconds for time stamps, 300 unless told; in the mark's own
    unit for numbers, 1,000 unless told; 0 for text."""
    rows_per_batch: int = Field(default=100_000, gt=0)
    """At most so many rows land as one batch."""

    @field_validator("query")
    @classmethod
    def _has_a_mark(cls, query: str) -> str:
        query = query.strip().rstrip(";").rstrip()
        if not re.match(r"(select|with)\b", query, re.IGNORECASE):
            raise ValueError("it must be a SELECT")
        if not _MARK.search(query):
            raise ValueError(
                "it must hold the condition `<mark column> >= :mark`; with > instead, rows that share the newest mark would "
                "be passed over, and with >= none lands twice"
            )
        if more := set(_PARAMETERS.findall(query)) - {"mark"}:
            raise ValueError(f":{min(more)} is no parameter; :mark is the only one (write \\: for a colon)")
        return query

    @model_validator(mode="after")
    def _text_has_no_distance(self) -> "QuerySource":
        if isinstance(self.start, str) and self.overlap:
            raise ValueError("overlap must be 0 where the mark is text, which has no distances")
        return self

    @property
    def reach(self) -> float:
        """`overlap`, or what it is unless told."""
        if self.overlap is not None:
            return self.overlap
        return 0 if isinstance(self.start, str) else 300 if isinstance(self.start, datetime) else 1000


def _by_place(values: Any, _: Callable[[Any], Any]) -> Any:
    if not isinstance(values, dict):
        raise ValueError("a mapping is expected")
    match [place for place in _PLACES if place in values]:
        case ["folder"]:
            return FolderSource.model_validate(values)
        case ["bucket"]:
            return BucketSource.model_validate(values)
        case ["query"]:
            return QuerySource.model_validate(values)
        case _:
            raise PydanticCustomError("place", "exactly one of the keys folder, bucket and query says what it is")


AnySource = Annotated[FolderSource | BucketSource | QuerySource, WrapValidator(_by_place)]


def _address(text: str, schemes: tuple[str, ...] = ()) -> str:
    """Admit a URL of these schemes that carries no secret; the sentence about one that does must not repeat it."""
    try:
        url = urlsplit(text)
        password = url.password or (url.username if schemes else None)
    except ValueError as error:
        raise PydanticCustomError("secret", "is no URL: {why}", {"why": str(error)}) from error
    if password or any(_SECRET.search(name) for name, _ in parse_qsl(url.query)):
        raise PydanticCustomError(
            "secret", "holds a password, and params are in git: take it out, and name it by an environment variable"
        )
    if not re.fullmatch(r"[a-z][a-z0-9+_]*", url.scheme) or (schemes and (url.scheme not in schemes or not url.netloc)):
        raise ValueError(
            f"a URL is expected: {'... or '.join(f'{scheme}://' for scheme in schemes) or 'dialect://'}..."
        )
    return text
