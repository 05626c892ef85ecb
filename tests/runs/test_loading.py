"""`gristmill.load`: in a notebook, a version answers and refuses as it does in the service."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.applications import applications

import gristmill
from gristmill.adapters.git import NoRepositoryError
from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import UnknownWorkloadError
from gristmill.registry.versions import UnknownVersionError, find_version
from gristmill.runs.deployment import champion_bundle
from gristmill.runs.loading import Model, UnfitFrameError
from gristmill.runs.repository import Repository
from gristmill.serving.live import Serving, load_serving

W = "credit-risk"


@pytest.fixture
def model(turned: Repository) -> Model:
    loaded: Model = gristmill.load(f"{W}@v1.0.0", repository=turned.root)
    return loaded


@pytest.fixture
def serving(turned: Repository) -> Serving:
    return load_serving(champion_bundle(turned, W, lambda _: None) / "src")


def request(n: int = 5) -> dict[str, Any]:
    return {"rows": [{name: row[name] for name in row if name != "Class"} for row in applications(n, 9)]}


def test_a_request_is_answered_as_the_service_answers_it(model: Model, serving: Serving) -> None:
    assert model.predict(request()) == serving.predictor.predict(request())


@pytest.mark.parametrize(
    "wrong",
    [{}, {"rows": []}, {"rows": [{"Age": 3}]}, {"rows": [{**request(1)["rows"][0], "Housing": "Castle"}]}, 3],
)
def test_a_request_is_refused_as_the_service_refuses_it(model: Model, serving: Serving, wrong: Any) -> None:
    with pytest.raises(GristmillError) as expected:
        serving.predictor.predict(wrong)
    with pytest.raises(type(expected.value)) as refused:
        model.predict(wrong)
    assert str(refused.value) == str(expected.value)


def test_the_name_alone_is_the_champion_and_it_knows_what_it_is(turned: Repository, monkeypatch: Any) -> None:
    monkeypatch.chdir(turned.root / "docs")
    model = gristmill.load(W)
    version = find_version(turned.git, W, "v1.0.0")
    assert model.version == "v1.0.0"
    assert model.manifest["model_sha256"] == version.model_sha256
    assert model.contract["classes"] == ["Bad", "Good"]
    assert repr(model) == f"<credit-risk@v1.0.0: tabular, answers one of 2 classes, {version.model_sha256[:8]}>"


def test_a_frame_is_answered_row_by_row_under_its_own_index(model: Model) -> None:
    frame = pd.DataFrame(applications(1500, 9), index=[f"n{n}" for n in range(1500)])
    frame.loc["n1", "Age"] = np.nan
    found = model.predict_frame(frame)
    assert list(found.columns) == ["label", "Bad", "Good"] and list(found.index) == list(frame.index)
    rows = request(1500)["rows"]
    rows[1]["Age"] = None
    expected = [*model.predict({"rows": rows[:1000]}), *model.predict({"rows": rows[1000:]})]
    assert found["label"].tolist() == [one["label"] for one in expected]
    np.testing.assert_allclose(found["Good"], [one["probabilities"]["Good"] for one in expected])


def test_a_row_that_the_service_would_refuse_is_named_by_its_place_in_the_frame(model: Model) -> None:
    frame = pd.DataFrame(applications(1500, 9))
    frame.loc[1234, "Housing"] = "Castle"
    with pytest.raises(
        UnfitFrameError, match=r"^rows\[1234\]\.Housing is 'Castle', a category that the model does not"
    ):
        model.predict_frame(frame)
    with pytest.raises(UnfitFrameError, match=r"^rows\[0\] lacks the column 'Age'"):
        model.predict_frame(frame.drop(columns="Age"))
    with pytest.raises(UnfitFrameError, match="rows holds 0 rows"):
        model.predict_frame(frame[:0])


def test_what_cannot_be_loaded_is_named(turned: Repository, tmp_path: Path) -> None:
    with pytest.raises(UnknownWorkloadError, match="Did you mean 'credit-risk'"):
        gristmill.load("credit-rsk", repository=turned.root)
    with pytest.raises(UnknownVersionError, match=r"It has: v1\.0\.0"):
        gristmill.load(f"{W}@v2.0.0", repository=turned.root)
    with pytest.raises(NoRepositoryError):
        gristmill.load(W, repository=tmp_path)
    with pytest.raises(AttributeError, match="no attribute 'lead'"):
        gristmill.lead  # noqa: B018 - asking is the claim
