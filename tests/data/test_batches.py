"""Batch tables: one flipped byte is an error, never a wrong value."""

from pathlib import Path

import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.data.batches import BatchTable, CorruptBatchError, read_batch, read_schema, write_batch


def table(n: int) -> BatchTable:
    rows = pa.table({"record_id": [f"r{i}" for i in range(n)], "value": [float(i) for i in range(n)]})
    return BatchTable(rows, ["a part was cut short"])


def test_rows_and_problems_survive_a_round_trip(tmp_path: Path) -> None:
    write_batch(tmp_path / "b.parquet", table(10))
    assert read_batch(tmp_path / "b.parquet") == table(10)
    assert read_batch(tmp_path / "b.parquet", ["value"]).rows.column_names == ["value"]


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_batch(tmp_path / name, table(1000))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_flipped_byte_anywhere_in_a_page_is_an_error_that_says_how_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    write_batch(path, table(5000))
    whole = path.read_bytes()
    for place in range(60, len(whole) // 2, len(whole) // 14):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CorruptBatchError, match=r"b\.parquet is damaged .* run `dvc repro` again"):
            read_batch(path)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_bit_of_a_file_flips_other_content_is_never_read(tmp_path: Path, seed: int) -> None:
    n = 300
    rows = pa.table(
        {
            "record_id": [f"r{i}" for i in range(n)],
            "value": [i % 37 / 4 if i % 9 else None for i in range(n)],
            "problems": pa.array([[] if i % 50 else ["'value' is not a number"] for i in range(n)]),
        }
    )
    path = tmp_path / "b.parquet"
    write_batch(path, BatchTable(rows, ["a part was cut short"]))
    whole, found = path.read_bytes(), read_batch(path)
    n_caught = 0
    for place in range(seed, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place * 5 + seed) % 8
        path.write_bytes(damaged)
        try:
            assert read_batch(path) == found
        except CorruptBatchError:
            n_caught += 1
    assert n_caught > 0.9 * len(whole) / 3, "what is not caught is statistics that nobody reads"


def test_a_sealed_table_is_a_parquet_file_to_others(tmp_path: Path) -> None:
    write_batch(tmp_path / "b.parquet", table(10))
    assert polars.read_parquet(tmp_path / "b.parquet")["value"].to_list() == [float(i) for i in range(10)]
    assert pq.read_table(tmp_path / "b.parquet").num_rows == 10


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\xff" * 100])
def test_what_is_no_table_at_all_is_damaged_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.parquet").write_bytes(content)
    for read in (read_batch, read_schema):
        with pytest.raises(CorruptBatchError):
            read(tmp_path / "b.parquet")
