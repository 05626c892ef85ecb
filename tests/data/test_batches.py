"""Batch tables: one flipped byte is an error, never a wrong value."""

from pathlib import Path

import pyarrow as pa
import pytest

from gristmill.data.batches import BatchTable, CorruptBatchError, read_batch, write_batch


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
