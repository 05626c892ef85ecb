import pytest
import torch

from gristmill.training.devices import DeviceError, autocast, declared_device
from gristmill.training.settings import TrainSettings


def test_the_declared_cpu_is_used_even_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert declared_device(TrainSettings(device="cpu")) == torch.device("cpu")


def test_a_declared_gpu_that_is_not_there_is_an_error_and_never_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"train\.device is 'cuda'.*train\.device: cpu"):
        declared_device(TrainSettings(device="cuda"))


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"train\.precision is 'fp16'"):
        declared_device(TrainSettings(device="cpu", precision="fp16"))


def test_threads_and_determinism_are_fixed() -> None:
    declared_device(TrainSettings(threads=2))
    assert torch.get_num_threads() == 2
    declared_device(TrainSettings(threads=1))
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_declared_precision_is_that_of_the_forward_pass(precision: str, dtype: torch.dtype) -> None:
    with autocast(torch.device("cpu"), TrainSettings.model_validate({"precision": precision})):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
