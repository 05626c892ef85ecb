"""What is served is what was judged: the service's answers are those that `evaluate` gives offline, to 1e-4."""

import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from tests.real_servers import lean_server
from tests.services.conftest import Running
from tests.toy_models import IMAGES, write_model

from gristmill.adapters.dvc import locked_output, read_lock
from gristmill.data.batches import read_batch
from gristmill.evaluation.prediction import predict, read_model
from gristmill.evaluation.tables import read_predictions
from gristmill.kinds.images import tensors as image_tensors
from gristmill.runs.deployment import champion_bundle
from gristmill.runs.repository import Repository
from gristmill.serving.bundle import point_at

W = "credit-risk"


def asked(url: str, field: str, items: list[Any], at_once: int) -> np.ndarray:
    """Probabilities [N, C] of items, asked so many at a time."""
    found = []
    for start in range(0, len(items), at_once):
        response = httpx.post(f"{url}/predict", json={field: items[start : start + at_once]}, timeout=30)
        assert response.status_code == 200, response.text
        found += [list(one["probabilities"].values()) for one in response.json()["predictions"]]
    return np.array(found)


@pytest.mark.parametrize("at_once", [1, 77, 256])
def test_a_thousand_images(running: Running, tmp_path: Path, at_once: int) -> None:
    n = 1000 if at_once > 1 else 200
    pixels = np.random.default_rng(3).integers(0, 256, (n, 4, 3), np.uint8)
    rows = pa.table({"pixels": [one.tobytes() for one in pixels], "height": [4] * n, "width": [3] * n})
    write_model(tmp_path / "challenger", IMAGES, seed=1)  # the seed of v1.0.0
    model = read_model(tmp_path / "challenger")
    assert model is not None
    offline = predict(model, image_tensors, rows)
    point_at(running.root, running.bundles[0])
    while running.versions() != {"v1.0.0"}:
        time.sleep(0.1)
    assert offline.shape == (n, len(IMAGES["classes"]))
    np.testing.assert_allclose(asked(running.url, "images", pixels.tolist(), at_once), offline, atol=1e-4)


def test_the_holdout_of_a_real_turn(turned: Repository) -> None:
    lock = read_lock(turned.mill.read("dvc.lock"))

    def output(stage: str, path: str, name: str) -> Path:
        out = locked_output(lock, f"{stage}@{W}", path)
        assert out is not None
        return turned.dvc.cached(turned.dvc.listing(out["md5"])[name])

    rows = read_batch(output("prepare", f"data/{W}/prepared", "holdout.parquet")).rows
    judged = read_predictions(output("evaluate", f"reports/{W}/predictions", "holdout.parquet"))
    with lean_server(champion_bundle(turned, W, print), GRISTMILL_SERVING=str(turned.serving(W))) as url:
        names = [column["name"] for column in httpx.get(f"{url}/model").json()["contract"]["columns"]]
        found = asked(url, "rows", rows.select(names).to_pylist(), 50)
    place = {record_id: i for i, record_id in enumerate(rows["record_id"].to_pylist())}
    np.testing.assert_allclose(
        found[[place[one] for one in judged.record_ids]], judged.answers["challenger"], atol=1e-4
    )
    assert len(found) > 40
