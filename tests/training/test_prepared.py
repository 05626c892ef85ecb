from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tests.prepared_data import prepared_workload

from gristmill.training.prepared import EmptyTrainingError, Split, read_prepared


def test_inputs_come_in_the_contracts_order(tmp_path: Path) -> None:
    prepared = read_prepared(prepared_workload(tmp_path, "tabular").prepared, "small")
    assert list(prepared.train.inputs) == ["numeric", "categorical"]
    assert (len(prepared.train), len(prepared.validation)) == (288, 96)


def test_the_records_of_both_splits_are_named_in_order(tmp_path: Path) -> None:
    ids = read_prepared(prepared_workload(tmp_path, "images").prepared, "small").record_ids
    assert len(ids) == 288 + 96
    assert ids == sorted(ids)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_split_says_what_to_land(tmp_path: Path, split: str) -> None:
    workload = prepared_workload(tmp_path, "images")
    empty = {"images": np.zeros((0, 8, 8), np.uint8), "target": np.zeros(0, np.int64)}
    save_file(empty, workload.prepared / f"{split}.safetensors")
    with pytest.raises(EmptyTrainingError, match=rf"no record is in the {split} split.*gristmill land small"):
        read_prepared(workload.prepared, "small")


def test_rows_of_a_split_keep_inputs_and_target_together() -> None:
    split = Split({"x": torch.arange(4)}, torch.arange(4) * 10)
    some = split.rows(torch.tensor([2, 0])).joined(split.rows(slice(3, 4)))
    assert some.inputs["x"].tolist() == [2, 0, 3]
    assert some.target.tolist() == [20, 0, 30]
