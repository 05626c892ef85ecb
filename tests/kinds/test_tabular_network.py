import pytest
import torch
from tests.prepared_data import TABLE
from torch import Tensor

from gristmill.kinds.tabular.network import NetworkSettings, Perceptron, augment, build

NAN = float("nan")
NUMERIC = torch.tensor([[100.0, 20.0], [200.0, NAN], [300.0, 40.0]])
CATEGORICAL = torch.tensor([[1], [2], [3]])


def network(numeric: Tensor = NUMERIC, task: str = "classification", **settings: object) -> Perceptron:
    torch.manual_seed(0)
    inputs = {"numeric": numeric, "categorical": CATEGORICAL}
    return build({**TABLE, "task": task}, NetworkSettings.model_validate(settings), inputs).eval()


def test_one_logit_for_each_class_or_one_number_for_each_row() -> None:
    assert network()(NUMERIC, CATEGORICAL).shape == (3, 2)
    assert network(task="regression")(NUMERIC, CATEGORICAL).shape == (3,)


@pytest.mark.parametrize("hidden", [(), (4,), (8, 8)])
def test_hidden_layers_are_as_declared(hidden: tuple[int, ...]) -> None:
    linear = [layer for layer in network(hidden=hidden).layers if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in linear] == [*hidden, 2]


def test_numbers_are_standardised_by_the_training_rows_that_have_them() -> None:
    model = network()
    torch.testing.assert_close(model.mean, torch.tensor([200.0, 30.0]))
    torch.testing.assert_close(model.std, torch.tensor([(20000 / 3) ** 0.5, 10.0]))
    assert {"mean", "std"} <= model.state_dict().keys()  # so that they travel with the weights


def test_the_unit_of_a_column_does_not_matter() -> None:
    torch.testing.assert_close(network()(NUMERIC, CATEGORICAL), network(NUMERIC * 1000)(NUMERIC * 1000, CATEGORICAL))


def test_a_missing_number_is_seen_as_missing_and_not_as_the_mean() -> None:
    model = network()
    missing = model(torch.tensor([[NAN, 30.0]]), CATEGORICAL[:1])
    assert torch.isfinite(missing).all()
    assert not torch.allclose(missing, model(torch.tensor([[200.0, 30.0]]), CATEGORICAL[:1]))


def test_columns_without_any_number_or_with_a_single_value_break_nothing() -> None:
    model = network(torch.tensor([[NAN, 7.0], [NAN, 7.0], [NAN, 7.0]]))
    assert torch.isfinite(model(NUMERIC, CATEGORICAL)).all()


@pytest.mark.parametrize("value", [1e30, -1e30, float("inf")])
def test_an_absurd_number_does_not_make_the_answer_a_nan(value: float) -> None:
    assert torch.isfinite(network()(torch.tensor([[value, 30.0]]), CATEGORICAL[:1])).all()


def test_each_category_and_the_unknown_one_has_its_own_answer() -> None:
    answers = network()(NUMERIC[:1].expand(4, 2), torch.arange(4)[:, None])
    assert len({tuple(row) for row in answers.tolist()}) == 4


def test_categories_of_two_columns_are_not_mixed_up() -> None:
    second = {"name": "Housing", "type": "categorical", "categories": ["own", "rent"]}
    inputs = {"numeric": NUMERIC, "categorical": torch.zeros(3, 2, dtype=torch.int64)}
    model = build({**TABLE, "columns": [*TABLE["columns"], second]}, NetworkSettings(), inputs).eval()
    pairs = torch.tensor([[i, j] for i in range(4) for j in range(3)])
    answers = model(NUMERIC[:1].expand(12, 2), pairs)
    assert len({tuple(row) for row in answers.tolist()}) == 12


@pytest.mark.parametrize("name", ["numeric", "categorical"])
def test_a_table_of_one_sort_of_columns_is_learnt_too(name: str) -> None:
    contract = {
        **TABLE,
        "inputs": [one for one in TABLE["inputs"] if one["name"] == name],
        "columns": [one for one in TABLE["columns"] if one["type"] == name],
    }
    values = NUMERIC if name == "numeric" else CATEGORICAL
    assert build(contract, NetworkSettings(), {name: values})(values).shape == (3, 2)


def test_rows_are_learnt_as_they_are() -> None:
    inputs = {"numeric": NUMERIC, "categorical": CATEGORICAL}
    same = augment(inputs, NetworkSettings(), torch.Generator())
    assert all(same[name] is inputs[name] for name in inputs)
