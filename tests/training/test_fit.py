from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gristmill.training.checkpoints import Checkpoint
from gristmill.training.devices import fix_bits
from gristmill.training.fit import DivergedError, Fitted, cycle, fit, optimizer_for, order_of
from gristmill.training.objective import objective_for
from gristmill.training.prepared import Split
from gristmill.training.settings import TrainSettings

CONTRACT = {"task": "classification", "classes": ["a", "b", "c"]}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    fix_bits(1)


def rows(n: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    noise = torch.randn(n, 3, generator=generator)
    return Split({"x": x}, (x[:, :3] + noise).argmax(1))


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))


def noisy(inputs: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    return {"x": inputs["x"] + 0.1 * torch.randn(inputs["x"].shape, generator=generator)}


def run(settings: TrainSettings, augment: Callable[..., Any] = noisy, **options: Any) -> Fitted:
    train = rows(200, 1)
    objective = objective_for(CONTRACT, settings, train.target)
    return fit(small_network(), objective, train, rows(100, 2), settings, augment, device=CPU, **options)


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    first = order_of(3, 5, 100)
    torch.manual_seed(99)
    assert torch.equal(first, order_of(3, 5, 100))
    assert sorted(first.tolist()) == list(range(100))
    assert not torch.equal(first, order_of(3, 6, 100))
    assert not torch.equal(first, order_of(4, 5, 100))


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    shares = [cycle(step / 100, 0.25) for step in range(101)]
    assert shares.index(max(shares)) == 25
    assert shares[25] == 1
    assert shares[:26] == sorted(shares[:26])
    assert shares[25:] == sorted(shares[25:], reverse=True)
    assert shares[100] == 0
    assert cycle(0, 0) == 1


def test_biases_and_normalisations_do_not_decay() -> None:
    model = small_network()
    decays = {id(p): group["weight_decay"] for group in _groups(model) for p in group["params"]}
    assert {name for name, p in model.named_parameters() if decays[id(p)]} == {"0.weight", "4.weight"}


def _groups(model: nn.Module) -> list[dict[str, Any]]:
    return optimizer_for(model, TrainSettings(weight_decay=0.1)).param_groups


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("stop_at", [3, 6, 11, 19])  # six steps in an epoch
def test_a_training_that_goes_on_from_any_step_ends_with_the_same_bits(
    tmp_path: Path, optimizer: Any, stop_at: int
) -> None:
    settings = TrainSettings(epochs=4, batch_size=32, learning_rate=0.02, optimizer=optimizer)
    whole = run(settings)
    checkpoint = Checkpoint(tmp_path / "one.checkpoint", 0)
    seen = 0

    def interrupted(inputs: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        nonlocal seen
        seen += 1
        if seen > stop_at:
            raise KeyboardInterrupt
        return noisy(inputs, generator)

    with pytest.raises(KeyboardInterrupt):
        run(settings, interrupted, checkpoint=checkpoint)
    torch.manual_seed(12345)  # a new process stands elsewhere in its random numbers
    lines: list[str] = []
    resumed = run(settings, checkpoint=checkpoint, say=lines.append)
    assert lines[0].startswith("goes on from a checkpoint")
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    expected = whole.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.model.state_dict().items())


def test_the_weights_are_those_of_the_best_epoch_on_the_validation_records() -> None:
    settings = TrainSettings(epochs=12, batch_size=16, learning_rate=0.3, warmup=0.9)
    fitted = run(settings)
    scores = [epoch["validation"]["accuracy"] for epoch in fitted.history]
    assert fitted.best_epoch == scores.index(max(scores)) + 1
    assert fitted.best_epoch < 12  # else this test shows nothing
    validation = rows(100, 2)
    with torch.no_grad():
        hits = fitted.model(validation.inputs["x"]).argmax(1) == validation.target
    assert float(hits.double().mean()) == pytest.approx(max(scores))


def test_a_primary_figure_that_should_be_low_chooses_the_lowest() -> None:
    fitted = run(TrainSettings(epochs=8, batch_size=16, learning_rate=0.3, primary="loss"))
    losses = [epoch["validation"]["loss"] for epoch in fitted.history]
    assert fitted.best_epoch == losses.index(min(losses)) + 1


def test_early_stopping_ends_after_so_many_epochs_without_a_better_one() -> None:
    fitted = run(TrainSettings(epochs=60, batch_size=16, learning_rate=0.3, warmup=0.9, early_stopping=2))
    assert len(fitted.history) == fitted.best_epoch + 2 < 60


def test_a_loss_that_is_no_number_names_the_learning_rate() -> None:
    with pytest.raises(DivergedError, match=r"epoch 1\. Lower train\.learning_rate \(0\.01\)"):
        run(TrainSettings(epochs=2, learning_rate=0.01), lambda inputs, generator: {"x": inputs["x"] * float("inf")})


def test_fewer_rows_than_a_batch_are_one_batch() -> None:
    settings = TrainSettings(epochs=2, batch_size=4096)
    assert len(run(settings).history) == 2


def test_bf16_trains_nearly_the_same_model_and_keeps_its_weights_in_fp32() -> None:
    full = run(TrainSettings(epochs=3, batch_size=32, learning_rate=0.02))
    half = run(TrainSettings(epochs=3, batch_size=32, learning_rate=0.02, precision="bf16"))
    weight, other = (one.model.state_dict()["0.weight"] for one in (full, half))
    assert other.dtype == torch.float32
    assert not torch.equal(weight, other)
    torch.testing.assert_close(weight, other, rtol=0.2, atol=0.1)
