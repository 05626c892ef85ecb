import os
import pickle
import time
from pathlib import Path

import pytest
import torch

from gristmill.ground.workload import Workload
from gristmill.training.checkpoints import Checkpoint, checkpoint_of


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "helper.py").write_text("x = 1\n")
    return folder


def path_of(root: Path, inputs: dict[str, object], code: Path) -> Path:
    return checkpoint_of(Workload("small", "tabular", root), inputs, [code], 1).path


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "deep" / "one.checkpoint", 1)
    checkpoint.write({"weights": torch.arange(5.0), "epoch": 3, "history": [{"train": {"loss": 0.5}}]})
    state = checkpoint.read()
    assert state is not None
    assert torch.equal(state.pop("weights"), torch.arange(5.0))
    assert state == {"epoch": 3, "history": [{"train": {"loss": 0.5}}]}
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["one.checkpoint"]  # no temporary file is left


def test_a_damaged_checkpoint_is_not_read(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "one.checkpoint", 1)
    assert checkpoint.read() is None
    checkpoint.write({"weights": torch.zeros(1000)})
    content = bytearray(checkpoint.path.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.path.write_bytes(content)
    assert checkpoint.read() is None
    checkpoint.path.write_bytes(b"")
    assert checkpoint.read() is None


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harmed",)


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint(tmp_path / "one.checkpoint", 1)
    checkpoint.write({"weights": _Harm()})
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.read()
    assert not (tmp_path / "harmed").exists()


def test_other_data_settings_or_code_have_another_checkpoint(tmp_path: Path, code: Path) -> None:
    first = path_of(tmp_path, {"seed": 1}, code)
    assert path_of(tmp_path, {"seed": 1}, code) == first
    assert path_of(tmp_path, {"seed": 2}, code) != first
    (code / "helper.py").write_text("x = 2\n")
    assert path_of(tmp_path, {"seed": 1}, code) != first


def test_checkpoints_lie_where_the_environment_says(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tmp_path / ".gristmill" / "checkpoints" / "small" == path_of(tmp_path, {}, code).parent
    monkeypatch.setenv("GRISTMILL_CHECKPOINTS", str(tmp_path / "outside"))
    assert tmp_path / "outside" / "small" == path_of(tmp_path, {}, code).parent


def test_a_finished_training_takes_its_checkpoint_and_abandoned_ones_away(tmp_path: Path) -> None:
    mine, recent, abandoned = (Checkpoint(tmp_path / f"{name}.checkpoint", 1) for name in ("mine", "recent", "old"))
    for one in (mine, recent, abandoned):
        one.write({})
    month_ago = time.time() - 30 * 24 * 3600
    os.utime(abandoned.path, (month_ago, month_ago))
    mine.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["recent.checkpoint"]


def test_a_checkpoint_is_due_when_as_much_time_has_passed_as_a_kill_may_cost(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path / "one", 1).due()
    assert Checkpoint(tmp_path / "one", 0).due()
