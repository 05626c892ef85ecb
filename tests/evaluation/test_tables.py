"""Row-level files: whole, the same bytes for the same content, and damage is noticed."""

from pathlib import Path

import numpy as np

from gristmill.evaluation.tables import DamagedTableError, Predictions, read_predictions, write_predictions

RNG = np.random.default_rng(0)
PREDICTIONS = Predictions(
    record_ids=[f"record-{index}" for index in range(500)],
    target=np.arange(500) % 3,
    answers={role: RNG.random((500, 3), np.float32) for role in ("challenger", "best")},
)


def test_predictions_come_back_as_they_were(tmp_path: Path) -> None:
    write_predictions(tmp_path / "holdout.parquet", PREDICTIONS)
    found = read_predictions(tmp_path / "holdout.parquet")
    assert found.record_ids == PREDICTIONS.record_ids
    assert (found.target == PREDICTIONS.target).all()
    assert list(found.answers) == ["challenger", "best"]
    assert all((found.answers[role] == PREDICTIONS.answers[role]).all() for role in found.answers)


def test_no_records_are_a_table_too(tmp_path: Path) -> None:
    empty = Predictions([], np.array([], np.int64), {"challenger": np.empty((0, 3), np.float32)})
    write_predictions(tmp_path / "benchmark.parquet", empty)
    assert read_predictions(tmp_path / "benchmark.parquet").answers["challenger"].shape == (0, 3)


def test_numbers_of_a_regression_come_back_as_they_were(tmp_path: Path) -> None:
    numbers = Predictions(["a", "b"], np.array([1.5, 2.5], np.float32), {"challenger": np.array([1, 3], np.float32)})
    write_predictions(tmp_path / "holdout.parquet", numbers)
    found = read_predictions(tmp_path / "holdout.parquet")
    assert (found.target.tolist(), found.answers["challenger"].tolist()) == ([1.5, 2.5], [1.0, 3.0])


def test_the_same_predictions_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "twice"):
        write_predictions(tmp_path / name, PREDICTIONS)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "twice").read_bytes()


def test_a_flipped_byte_is_damage_and_never_another_value(tmp_path: Path) -> None:
    path = tmp_path / "holdout.parquet"
    write_predictions(path, PREDICTIONS)
    content = path.read_bytes()
    damaged = 0
    for position in range(50, len(content) * 9 // 10, 211):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            found = read_predictions(path)
        except DamagedTableError as error:
            assert "holdout.parquet is damaged" in str(error)
            damaged += 1
        else:
            assert all((found.answers[role] == PREDICTIONS.answers[role]).all() for role in PREDICTIONS.answers)
            assert (found.target == PREDICTIONS.target).all()
    assert damaged > 20
