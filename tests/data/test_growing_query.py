"""Each row of a query lands in exactly one batch, whatever the order in which it turns up; what is wrong is a sentence."""

import os
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq
import pytest
from tests.conftest import SEED
from tests.databases import VARIABLE, Postgres, postgres

from gristmill.data.growing.arrivals import SourceUnreachableError
from gristmill.data.growing.ledger import Ledger, LedgerError, OvertakenError
from gristmill.data.growing.query import QueryError, look_into_query
from gristmill.data.growing.settings import QuerySource
from gristmill.data.mirrors import quiet
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Taker:
    """Takes what is new in a query, as `land` would, with a ledger that goes through its bytes each time."""

    def __init__(self, work: Path, now: datetime = NOW, **settings: Any) -> None:
        self.work, self.now, self.ledger = work, now, Ledger()
        self.batches: list[pyarrow.Table] = []
        self.source = QuerySource.model_validate(
            {"name": "orders", "query": "SELECT * FROM orders WHERE id >= :mark", "mark": "id", "start": 0, **settings}
        )

    def take(self) -> int:
        """How many batches there were."""
        n_before, is_all = len(self.batches), False
        while not is_all:
            found = look_into_query(self.source, self.work, self.ledger, self.now, quiet)
            for arrival in found.arrivals:
                [part] = arrival.bring(self.work, quiet)
                self.batches.append(pq.read_table(part))
                self.ledger = Ledger.of(self.ledger.to_file({"orders": arrival.move(self.ledger)}))
            is_all = found.is_all
        return len(self.batches) - n_before

    def taken(self, column: str = "id") -> list[Any]:
        return [value for batch in self.batches for value in batch.column(column).to_pylist()]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    connection.execute("CREATE TABLE orders (id INTEGER, at TEXT, amount REAL, note TEXT)")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture
def orders(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """A table `orders` with time stamps, which `reader` may read."""
    monkeypatch.setenv(VARIABLE, server.password)
    server.run(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (id bigserial PRIMARY KEY, at timestamptz NOT NULL, amount numeric(10, 2), paid boolean, "
        "due date, details jsonb, seen timestamp)",
        "GRANT SELECT ON orders TO reader",
    )
    return server


def add(shop: sqlite3.Connection, *ids: int) -> None:
    shop.executemany("INSERT INTO orders VALUES (?, NULL, ?, ?)", [(i, i / 2, f"order {i}") for i in ids])


def of_shop(tmp_path: Path, **settings: Any) -> Taker:
    return Taker(tmp_path, **{"database": f"sqlite:///{tmp_path / 'shop.db'}", **settings})


def of_orders(server: Postgres, tmp_path: Path, **settings: Any) -> Taker:
    by_time = {"query": "SELECT * FROM orders WHERE at >= :mark", "mark": "at", "start": NOW - timedelta(days=9)}
    of_its = {"database": server.url, "password_env": VARIABLE, "key": ["id"], **by_time}
    return Taker(tmp_path, **{**of_its, **settings})


def stamped(server: Postgres, *rows: tuple[int, datetime]) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO orders (id, at) VALUES (%s, %s)", rows)


# SQLite


def test_new_rows_land_once_at_most_so_many_to_a_batch_and_in_order(shop: sqlite3.Connection, tmp_path: Path) -> None:
    taker = of_shop(tmp_path, rows_per_batch=4)
    add(shop, *range(10, 0, -1))
    assert taker.take() == 3 and taker.take() == 0
    add(shop, 11)
    assert taker.take() == 1
    assert [batch.column("id").to_pylist() for batch in taker.batches] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], [11]]


def test_a_number_that_is_committed_late_is_neither_passed_over_nor_taken_twice(
    shop: sqlite3.Connection, tmp_path: Path
) -> None:
    taker = of_shop(tmp_path, overlap=5)
    add(shop, 1, 2, 4, 7)
    taker.take()
    add(shop, 3, 8)  # 3 was drawn before 4, and its transaction took longer
    taker.take()
    add(shop, 5, 6)
    taker.take()
    assert taker.taken() == [1, 2, 4, 7, 3, 8, 5, 6]


def test_beyond_the_overlap_nothing_is_remembered_and_nothing_is_taken(
    shop: sqlite3.Connection, tmp_path: Path
) -> None:
    taker = of_shop(tmp_path, overlap=5)
    add(shop, *range(100, 200))
    taker.take()
    rows = taker.ledger.rows("orders")
    assert rows is not None and rows.rows == (194, 195, 196, 197, 198, 199)
    add(shop, 193, 194)  # the one too late; the other is known already
    with pytest.raises(QueryError, match=r"two rows have the same id \(194\)"):
        taker.take()
    shop.execute("DELETE FROM orders WHERE rowid = (SELECT max(rowid) FROM orders)")
    assert taker.take() == 0


def test_nothing_before_the_start_is_taken_however_far_the_overlap_reaches(
    shop: sqlite3.Connection, tmp_path: Path
) -> None:
    taker = of_shop(tmp_path, start=50, overlap=1000)
    add(shop, 10, 49, 50, 51)
    taker.take()
    add(shop, 20, 52)
    taker.take()
    assert taker.taken() == [50, 51, 52]


def test_text_goes_in_the_order_of_the_database_and_ties_at_the_edge_are_kept_apart_by_key(
    shop: sqlite3.Connection, tmp_path: Path
) -> None:
    query = "SELECT id, at FROM orders WHERE at >= :mark"
    taker = of_shop(tmp_path, query=query, mark="at", start="", key=["id"], rows_per_batch=2)
    shop.executemany("INSERT INTO orders VALUES (?, ?, 0, '')", [(n, "2026-01-01 00:00:00") for n in range(5)])
    assert taker.take() == 3
    shop.executemany("INSERT INTO orders VALUES (?, ?, 0, '')", [(5, "2026-01-01 00:00:00"), (6, "2026-01-02")])
    taker.take()
    assert taker.taken() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(8 if not os.environ.get("GRISTMILL_PROVE") else 200))
def test_every_row_is_taken_exactly_once_for_any_order_of_commits(
    seed: int, shop: sqlite3.Connection, tmp_path: Path
) -> None:
    rng = random.Random(SEED + seed)
    overlap, n_rows = rng.choice([3, 20]), 60
    taker = of_shop(tmp_path, overlap=overlap, rows_per_batch=rng.choice([1, 3, 7, 100]), key=["note"])
    marks = sorted(rng.choices(range(40), k=n_rows))  # ties
    waiting = list(enumerate(marks))
    while waiting:
        oldest = waiting[0][1]
        [row] = rng.sample([one for one in waiting if one[1] <= oldest + overlap], 1)  # as late as the promise allows
        waiting.remove(row)
        shop.execute("INSERT INTO orders VALUES (?, NULL, 0, ?)", (row[1], f"row {row[0]}"))
        if rng.random() < 0.4:
            taker.take()
    taker.take()
    assert sorted(taker.taken("note")) == sorted(f"row {n}" for n in range(n_rows))


def test_the_same_rows_are_the_same_bytes(shop: sqlite3.Connection, tmp_path: Path) -> None:
    add(shop, *range(200))
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        [arrival] = look_into_query(of_shop(tmp_path).source, tmp_path, Ledger(), NOW, quiet).arrivals
        [part] = arrival.bring(tmp_path / name, quiet)
        hashes.add(file_sha256(part))
    assert len(hashes) == 1 and part.name == "orders.parquet"


def test_a_ledger_is_the_same_bytes_for_the_same_rows_and_moves_only_from_where_it_was(
    shop: sqlite3.Connection, tmp_path: Path
) -> None:
    first, second = of_shop(tmp_path, rows_per_batch=7), of_shop(tmp_path, rows_per_batch=30)
    add(shop, *range(30))
    [arrival] = look_into_query(first.source, tmp_path, first.ledger, NOW, quiet).arrivals
    first.take()
    second.take()
    assert first.ledger.to_file({}) == second.ledger.to_file({})
    with pytest.raises(OvertakenError):
        arrival.move(first.ledger)


def test_the_source_is_not_written_to(shop: sqlite3.Connection, tmp_path: Path) -> None:
    from sqlalchemy import make_url, text
    from sqlalchemy.exc import OperationalError

    from gristmill.data.growing.query import _connected

    url = make_url(f"sqlite:///{tmp_path / 'shop.db'}")
    with _connected(url) as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM orders"))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"query": "SELECT * FROM order_s WHERE id >= :mark"}, "no such table: order_s"),
        ({"query": "SELECT nr FROM orders WHERE id >= :mark"}, "no such column"),
        ({"mark": "nr"}, "no such column: grist.nr"),
        ({"key": ["nr"]}, "no such column: grist.nr"),
        ({"query": "SELECT -id AS id FROM orders WHERE id >= :mark"}, "id -9 came for id >= 0: compare that column"),
        (
            {"mark": "at", "start": "a", "query": "SELECT * FROM orders WHERE id >= :mark OR TRUE"},
            "at is None in a row",
        ),
        ({"mark": "note", "query": "SELECT * FROM orders WHERE note >= :mark"}, r"note is 'order 9' in a row.*\(0\)"),
        (
            {"query": "SELECT * FROM orders, (VALUES (1), (2)) WHERE id >= :mark"},
            r"the same id \(9\): name the columns",
        ),
        ({"query": "SELECT * FROM orders WHERE id >= :mark; DELETE FROM orders"}, "the database refused"),
        ({"database": "sqlite:///nowhere.db"}, r"there is no database file .*nowhere\.db"),
        ({"database": "sqlite://"}, "there is no database file"),
        ({"database": "oracle9://host/x"}, r"cannot be opened.*gristmill\[postgres\]"),
        ({"database": "postgresql+psycopg://nobody@127.0.0.1:9/x"}, r"refused: .*127\.0\.0\.1.* Check that it is up"),
        ({"password_env": "GRISTMILL_ABSENT"}, "the environment variable GRISTMILL_ABSENT holds no password"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_nothing_is_taken(
    settings: dict[str, Any], complaint: str, shop: sqlite3.Connection, tmp_path: Path
) -> None:
    add(shop, 9)
    with pytest.raises(GristmillError, match=complaint) as raised:
        of_shop(tmp_path, **settings).take()
    assert "\n" not in str(raised.value) and "Traceback" not in str(raised.value)
    assert not (tmp_path / "nowhere.db").exists()


def test_a_start_of_another_type_than_the_ledgers_mark_is_a_sentence(shop: sqlite3.Connection, tmp_path: Path) -> None:
    taker = of_shop(tmp_path)
    add(shop, 1)
    taker.take()
    taker.source = taker.source.model_copy(update={"start": "a"})
    with pytest.raises(LedgerError, match="the newest mark of 'orders' is 1, and `start` is of another type"):
        taker.take()


# PostgreSQL


def test_types_are_kept(orders: Postgres, tmp_path: Path) -> None:
    orders.run(
        "INSERT INTO orders VALUES (5000000000, '2026-01-31T12:00+02', 12.50, true, '2026-03-01', '{\"a\": [1]}', "
        "'2026-01-31 12:00')"
    )
    taker = of_orders(orders, tmp_path)
    taker.take()
    [batch] = taker.batches
    types = {field.name: str(field.type) for field in batch.schema}
    assert types == {
        "id": "int64",
        "at": "timestamp[us, tz=UTC]",
        "amount": "decimal128(4, 2)",
        "paid": "bool",
        "due": "date32[day]",
        "details": "string",
        "seen": "timestamp[us]",
    }
    [row] = batch.to_pylist()
    assert (row["id"], row["amount"], row["details"]) == (5_000_000_000, Decimal("12.50"), '{"a": [1]}')
    assert row["at"] == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_rows_that_share_a_time_stamp_are_all_taken_wherever_a_batch_ends(orders: Postgres, tmp_path: Path) -> None:
    taker = of_orders(orders, tmp_path, rows_per_batch=3)
    stamped(orders, *[(n, NOW) for n in range(8)])
    assert taker.take() == 3
    stamped(orders, *[(n, NOW) for n in range(8, 10)])
    taker.take()
    assert sorted(taker.taken()) == list(range(10))


def test_a_transaction_that_commits_late_is_neither_passed_over_nor_taken_twice(
    orders: Postgres, tmp_path: Path
) -> None:
    by_id = {"query": "SELECT * FROM orders WHERE id >= :mark", "mark": "id", "start": 0, "key": []}
    takers = [of_orders(orders, tmp_path), of_orders(orders, tmp_path, **by_id)]
    with orders.connect() as slow:
        slow.execute("INSERT INTO orders (at) VALUES (%s)", [NOW - timedelta(seconds=60)])  # draws id 1
        stamped(orders, (2, NOW))
        for taker in takers:
            taker.take()
            assert taker.taken() == [2]
    for taker in takers:
        taker.take()
        taker.take()
        assert taker.taken() == [2, 1]


def test_a_row_that_is_stamped_anew_is_taken_again(orders: Postgres, tmp_path: Path) -> None:
    taker = of_orders(orders, tmp_path)
    stamped(orders, (1, NOW - timedelta(seconds=5)), (2, NOW - timedelta(seconds=4)))
    taker.take()
    orders.run("UPDATE orders SET amount = 1, at = at + interval '5 seconds' WHERE id = 1")
    taker.take()
    assert taker.taken() == [1, 2, 1]


def test_a_time_stamp_of_a_wrong_clock_does_not_carry_the_mark_into_the_future(
    orders: Postgres, tmp_path: Path
) -> None:
    taker = of_orders(orders, tmp_path)
    stamped(orders, (1, NOW), (2, NOW + timedelta(days=9999)))
    taker.take()
    taker.now += timedelta(hours=1)
    stamped(orders, (3, NOW + timedelta(minutes=59)))
    taker.take()
    taker.take()
    assert taker.taken() == [1, 2, 3]


def test_a_time_stamp_without_a_zone_means_utc(orders: Postgres, tmp_path: Path) -> None:
    query = "SELECT id, seen FROM orders WHERE seen >= :mark"
    taker = of_orders(orders, tmp_path, query=query, mark="seen", start=datetime(2026, 1, 31, 12, tzinfo=UTC))
    orders.run(
        "INSERT INTO orders (id, at, seen) VALUES (1, now(), '2026-01-31 11:59:59'), (2, now(), '2026-01-31 12:00')"
    )
    taker.take()
    orders.run(
        "INSERT INTO orders (id, at, seen) VALUES (3, now(), '2026-01-31 12:00'), (4, now(), '2026-01-31 12:01')"
    )
    taker.take()
    assert taker.taken() == [2, 3, 4]


def test_the_database_itself_keeps_it_from_being_written_to(orders: Postgres, tmp_path: Path) -> None:
    orders.run("GRANT ALL ON orders TO reader")
    stamped(orders, (1, NOW))
    orders.run("CREATE OR REPLACE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM orders RETURNING 1'")
    query = "SELECT *, wipe() FROM orders WHERE at >= :mark"
    with pytest.raises(SourceUnreachableError, match="cannot execute DELETE in a read-only transaction"):
        of_orders(orders, tmp_path, query=query).take()
    assert of_orders(orders, tmp_path).take() == 1


def test_columns_that_share_a_name_are_refused(orders: Postgres, tmp_path: Path) -> None:
    query = "SELECT *, 1 AS amount FROM orders WHERE at >= :mark"
    with pytest.raises(QueryError, match="two columns of the query are called amount"):
        of_orders(orders, tmp_path, query=query).take()


def test_a_wrong_password_and_a_missing_right_are_sentences_without_the_password(
    orders: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.run("REVOKE ALL ON orders FROM reader")
    with pytest.raises(SourceUnreachableError, match=r"permission denied for table orders.*right to SELECT") as raised:
        of_orders(orders, tmp_path).take()
    assert orders.password not in str(raised.value)
    monkeypatch.setenv(VARIABLE, "not-the-password")
    with pytest.raises(SourceUnreachableError, match='password authentication failed for user "reader"') as raised:
        of_orders(orders, tmp_path).take()
    assert "not-the-password" not in str(raised.value)
