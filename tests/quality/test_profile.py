"""The reference profile: what formulas may name, and what of a person is never in it."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gristmill.quality.profile import Profile, ProfileError, profile_path, profile_text, read_profile
from gristmill.quality.suite import Column
from gristmill.runs.profiling import LEAST_PERSONAL, profile_rows

COLUMNS = {
    "target": Column(type="text"),
    "size": Column(type="number"),
    "age": Column(type="number", personal=True),
    "city": Column(type="text"),
    "name": Column(type="text", personal=True),
}


def rows(n: int = 200) -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table(
        {
            "target": ["no", "yes", "yes", "yes"] * (n // 4),
            "size": pa.array(rng.normal(5, 2, n)),
            "age": pa.array(rng.integers(18, 90, n)),
            "city": list(rng.choice(["Ulm", "Jena"], n)),
            "name": [f"Person {i}" for i in range(n)],
        }
    )


def test_figures_are_those_of_the_rows_and_of_each_class() -> None:
    table = rows()
    profile = profile_rows("shop", table, COLUMNS)
    size, target = table.column("size").to_numpy(), np.array(table.column("target").to_pylist())
    figures = profile.figures("size", None)
    assert figures is not None
    assert figures["mean"] == pytest.approx(size.mean(), rel=1e-5)
    assert figures["q25"] == pytest.approx(np.quantile(size, 0.25), rel=1e-5)
    assert [figures["low"], figures["high"]] == pytest.approx([size.min(), size.max()], rel=1e-5)
    of_no = profile.figures("size", "no")
    assert of_no is not None and of_no["sigma"] == pytest.approx(size[target == "no"].std(), rel=1e-5)
    assert profile.labels == ["no", "yes"]
    assert profile.figures("size", "perhaps") is None and profile.figures("weight", None) is None


def test_a_partition_covers_every_value_that_can_come() -> None:
    profile = profile_rows("shop", rows(), COLUMNS)
    assert profile.partition("target") == {"values": ["no", "yes"], "weights": [0.25, 0.75]}
    bins = profile.partition("size")
    assert bins is not None and len(bins["weights"]) == len(bins["bins"]) - 1 == 8
    assert sum(bins["weights"]) + sum(bins["tail_weights"]) == pytest.approx(1)
    city = profile.partition("city")
    assert city is not None and city["values"] == ["Jena", "Ulm"] and sum(city["weights"]) == pytest.approx(1)
    assert profile.partition("name") is None


def test_no_value_of_a_personal_column_is_in_a_profile_and_no_mean_of_a_few() -> None:
    profile = profile_rows("shop", rows(), COLUMNS)
    assert "Person" not in profile_text(profile)
    assert set(profile.columns["age"].model_dump(exclude_defaults=True)) == {"n", "mean", "sigma"}
    few = profile_rows("shop", rows(4 * (LEAST_PERSONAL // 4) - 4), COLUMNS)
    assert few.columns["age"].mean is None and few.columns["size"].mean is not None
    named = profile_rows("shop", rows(), {**COLUMNS, "target": Column(type="text", personal=True)})
    assert named.classes == () and '"yes"' not in profile_text(named)


def test_the_same_rows_give_the_same_text_in_any_order_and_it_is_read_as_written(tmp_path: Path) -> None:
    table = rows(40)
    parts = [table.slice(start, 10) for start in range(0, 40, 10)]
    texts = {profile_text(profile_rows("shop", pa.concat_tables(p), COLUMNS)) for p in itertools.permutations(parts)}
    assert len(texts) == 1
    path = profile_path(tmp_path / "shop.json")
    path.write_text(texts.pop(), "utf-8")
    assert path.name == "shop.profile.json"
    assert read_profile(path) == profile_rows("shop", table, COLUMNS)


def test_numbers_are_measured_without_what_is_empty_or_not_finite() -> None:
    table = pa.table({"target": ["a"] * 4, "size": [1.0, None, float("nan"), 3.0]})
    size = profile_rows("shop", table, {name: COLUMNS[name] for name in ("target", "size")}).columns["size"]
    assert (size.n, size.empty, size.mean, size.low, size.high) == (4, 2, 2, 1, 3)
    nothing = pa.table({"target": ["a"], "size": pa.nulls(1, pa.float64())})
    assert profile_rows("shop", nothing, COLUMNS).figures("size", None) == {}


def test_a_target_of_numbers_or_of_a_name_for_each_row_has_no_classes() -> None:
    for target in (pa.array(np.linspace(0, 1, 200)), pa.array([f"id-{i}" for i in range(200)])):
        assert profile_rows("shop", rows().set_column(0, "target", target), COLUMNS).classes == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file does not exist"),
        ("{", "not readable as JSON"),
        ("[]", "the file: "),
        (json.dumps({"workload": "shop", "n": 1, "columns": {"x": {"n": "many"}}}), r"columns\.x\.n: "),
        (json.dumps({"workload": "shop", "n": 1, "columns": {}, "more": 1}), "more: "),
    ],
)
def test_a_profile_that_cannot_be_read_names_what_is_wrong_and_the_verb(
    tmp_path: Path, content: Any, problem: str
) -> None:
    path = tmp_path / "shop.profile.json"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(ProfileError, match=rf"shop\.profile\.json: {problem}.*`gristmill expectations profile shop`"):
        read_profile(path)


def test_a_profile_is_a_value_like_any_other() -> None:
    profile = profile_rows("shop", rows(), COLUMNS)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile
