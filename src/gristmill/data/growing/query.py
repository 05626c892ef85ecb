"""A SQL query that grows: new rows, in the order of a column that only grows, land as Parquet.

Databases show rows late: a transaction draws its number or its time stamp, and commits after others that drew later ones.
So each look begins `overlap` behind the newest mark, and leaves out the rows that the ledger knows to be taken. A row is
known by its mark and key. Hence every row lands in exactly one batch, however many share a mark and wherever a batch ends,
as long as it is there before the newest mark has moved on by `overlap`. A row whose mark moves (`updated_at`) is a new row.

One look is one statement in one read-only transaction, so what is written meanwhile is in it whole or not at all.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gristmill.data.growing.arrivals import Arrival, Found, SourceUnreachableError, without
from gristmill.data.growing.ledger import Identity, Ledger, LedgerError, OvertakenError, RowsTaken
from gristmill.data.growing.marks import Mark, as_mark, behind, from_json, is_before, newest, to_json
from gristmill.data.growing.settings import QuerySource
from gristmill.data.growing.tables import write_rows
from gristmill.data.mirrors import Report
from gristmill.ground.errors import GristmillError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Select

_CONNECT_S = 10

Row = tuple[Any, ...]


class QueryError(GristmillError):
    """A query whose rows cannot be taken in order."""

    def __str__(self) -> str:
        return f"{self.args[0]} Correct the source in params; nothing was taken."


class _Row(NamedTuple):
    mark: Mark
    identity: Identity
    cells: Row


def look_into_query(source: QuerySource, root: Path, ledger: Ledger, now: datetime, report: Report) -> Found:
    """Find rows that have not been taken, at most one batch of them.

    Args:
        source: which query.
        root: where the relative path of an SQLite file begins.
        ledger: what has been taken.
        now: in UTC; a mark beyond it is that of a wrong clock.
        report: told how many rows have been read.

    Raises:
        SourceUnreachableError: the database does not answer, or refuses.
        QueryError: its rows have no mark, or cannot be told apart.
        LedgerError: the ledger's mark is of another type.
    """
    before = ledger.rows(source.name)
    mark = _mark_of(source, before)
    low = _low(source, mark)
    known = before.identities if before else set()
    n_asked = source.rows_per_batch + len(known)  # so that what is known cannot crowd out what is new
    names, cells = _read(source, root, low, n_asked)
    rows = _identified(source, low, names, cells)
    new = [row for row in rows if row.identity not in known]
    batch = new[: source.rows_per_batch]
    is_all = len(rows) < n_asked and len(batch) == len(new)
    report(source.name, "rows read", len(rows), None)
    if not batch:
        return Found([], [], [])
    after = _after(source, newest(batch[-1].mark, mark, now), known, batch)

    def bring(work: Path, _: Report) -> list[Path]:
        return [write_rows(work / f"{source.name}.parquet", names, [row.cells for row in batch])]

    def move(ledger: Ledger) -> RowsTaken:
        if ledger.rows(source.name) != before:
            raise OvertakenError(source.name)
        return after

    first, last = to_json(batch[0].mark), to_json(batch[-1].mark)
    what = f"{len(batch)} row{'s' if len(batch) > 1 else ''}, {source.mark} {first} to {last}"
    return Found([Arrival(what, bring, move)], [], [], is_all)


def _mark_of(source: QuerySource, before: RowsTaken | None) -> Mark:
    if before is None:
        return source.start
    try:
        return from_json(before.mark, source.start)
    except (ValueError, ArithmeticError) as error:
        raise LedgerError(
            f"the newest mark of '{source.name}' is {before.mark!r}, and `start` is of another type. Give it that type, or "
            "the source a new name."
        ) from error


def _low(source: QuerySource, mark: Mark) -> Mark:
    low = behind(mark, source.reach)
    return source.start if is_before(low, source.start) else low


def _after(source: QuerySource, mark: Mark, known: set[Identity], batch: list[_Row]) -> RowsTaken:
    low = _low(source, mark)

    def is_met_again(other: Mark) -> bool:
        return other == mark if isinstance(mark, str) else not is_before(other, low)

    taken = {i for i in known if is_met_again(from_json(i[0] if isinstance(i, tuple) else i, source.start))}
    taken |= {row.identity for row in batch if is_met_again(row.mark)}
    return RowsTaken.of(to_json(mark), taken)


def _identified(source: QuerySource, low: Mark, names: Sequence[str], cells: Sequence[Row]) -> list[_Row]:
    at = names.index(source.mark)
    others = [names.index(name) for name in source.key if name != source.mark]
    rows: dict[Identity, _Row] = {}
    for row in cells:
        mark = as_mark(row[at], source.start)
        if mark is None:
            raise QueryError(
                f"{source.mark} is {row[at]!r} in a row, which is no mark like `start` ({source.start!r}): each row must "
                "have one, all of that type."
            )
        if is_before(mark, low):
            raise QueryError(
                f"a row with {source.mark} {mark} came for {source.mark} >= {low}: compare that column with :mark."
            )
        known_by = to_json(mark)
        identity: Identity = (known_by, _hash([row[other] for other in others])) if others else known_by
        if identity in rows:
            names_of_key = " and ".join(dict.fromkeys([source.mark, *source.key]))
            raise QueryError(
                f"two rows have the same {names_of_key} ({mark}): name the columns that tell them apart as `key`."
            )
        rows[identity] = _Row(mark, identity, row)
    return list(rows.values())


def _hash(cells: list[Any]) -> str:
    text = "\x1f".join(f"{type(cell).__name__}:{cell}" for cell in cells)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _read(source: QuerySource, root: Path, low: Mark, limit: int) -> tuple[list[str], list[Row]]:
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

    password = os.environ.get(source.password_env or "")
    if source.password_env and not password:
        raise SourceUnreachableError(f"the environment variable {source.password_env} holds no password: set it")
    try:
        with _connected(_url(source, root, password)) as connection:
            result = connection.execute(_statement(source, low, limit))
            names = list(result.keys())
            if twice := [name for name in names if names.count(name) > 1]:
                raise QueryError(f"two columns of the query are called {twice[0]}: tell them apart with AS.")
            return names, [tuple(row) for row in result.fetchall()]
    except DBAPIError as error:
        words = without([password], str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__)
        raise SourceUnreachableError(
            f"the database refused: {words}. Check that it is up, the query, mark and key, and this user's right to SELECT"
        ) from error
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SourceUnreachableError(
            f"{source.database} cannot be opened ({without([password], str(error))}). PostgreSQL is postgresql+psycopg://, "
            "and needs the extra: `pip install 'gristmill[postgres]'`"
        ) from error
    except SQLAlchemyError as error:
        raise SourceUnreachableError(f"the database refused: {without([password], str(error))}") from error


def _url(source: QuerySource, root: Path, password: str | None) -> "URL":
    from sqlalchemy import make_url

    url = make_url(source.database)
    if url.get_backend_name() == "sqlite":
        file = root / Path(url.database or "").expanduser()
        if not file.is_file():  # SQLite would make an empty one
            raise SourceUnreachableError(f"there is no database file {file}")
        return url.set(database=str(file))
    return url.set(password=password) if password else url


@contextmanager
def _connected(url: "URL") -> Iterator["Connection"]:
    from sqlalchemy import NullPool, create_engine, text

    backend = url.get_backend_name()
    arguments = {"connect_timeout": _CONNECT_S} if backend == "postgresql" else {}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    with engine.connect() as connection:
        if backend == "postgresql":
            connection.execution_options(postgresql_readonly=True)
            connection.execute(text("SET TIME ZONE 'UTC'"))  # a stamp without a zone means UTC, as everywhere here
        elif backend == "sqlite":
            connection.execute(text("PRAGMA query_only = ON"))
        yield connection


def _statement(source: QuerySource, low: Mark, limit: int) -> "Select[Any]":
    from sqlalchemy import DateTime, bindparam, column, select, text
    from sqlalchemy.types import NullType

    names = dict.fromkeys([source.mark, *source.key])
    # Untyped but for a time stamp: SQLAlchemy would cast a whole number to 32 bits.
    kind = DateTime(timezone=low.tzinfo is not None) if isinstance(low, datetime) else NullType()
    asked = text(source.query).bindparams(bindparam("mark", low, type_=kind))
    rows = asked.columns(*[column(name) for name in names]).subquery("grist")
    return select(text("*")).select_from(rows).order_by(*[rows.c[name] for name in names]).limit(limit)
