"""Real Fashion-MNIST, spoilt in every way that a batch of images goes wrong: the shipped suite sees each, and says what.

Six ways in the suite, all of them with GRISTMILL_PROVE=1. Batches are of 10,000 images, and no two share one.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.scratch import declared_parts
from examples.story.grist import images_of, labels_of
from tests.landed_data import idx, land
from tests.quality.corruptions import CORRUPTIONS, Corruption

from gristmill.ground.workload import Workload
from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate

ROOT = Path(__file__).resolve().parents[2]
N = 10_000
"""Images in a batch."""
IN_THE_SUITE = (
    "1 % inverted",
    "10 % of the labels shuffled",
    "class 3 cut to 10 %",
    "5 % duplicates",
    "mirrored",
    "label 10 five times",
)
CHOSEN = [one for one in CORRUPTIONS if os.environ.get("GRISTMILL_PROVE") or one.name in IN_THE_SUITE]


def fashion(root: Path) -> Workload:
    """The shipped workload, with nothing landed."""
    workload = Workload("fashion-mnist", "images", root)
    for file in (workload.params, workload.expectations, workload.profile):
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file.relative_to(root), file)
    return workload


def judged(root: Path, batches: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]) -> dict[str, Any]:
    """What the stages ingest and validate say of batches that land together, by name."""
    workload = fashion(root)
    landed = {land(workload, idx(images), idx(labels)): name for name, (images, labels) in batches.items()}
    ingest(workload)
    validate(workload)
    report = json.loads((workload.reports / "validation.json").read_text("utf-8"))
    return {landed[entry["batch"]]: entry for entry in report["batches"]}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of every corruption chosen, and of the published test set as it is."""
    images, labels = (
        read(part) for read, part in zip((images_of, labels_of), declared_parts("fashion-mnist"), strict=True)
    )
    test = declared_parts("fashion-mnist", "benchmark")
    found = judged(tmp_path_factory.mktemp("clean"), {"clean": (images_of(test[0]), labels_of(test[1]))})
    n_slices = len(images) // N
    for first in range(0, len(CHOSEN), n_slices):
        batches = {}
        for number, corruption in enumerate(CHOSEN[first : first + n_slices]):
            own = slice(number * N, (number + 1) * N)
            batches[corruption.name] = corruption.spoil(images[own], labels[own], np.random.default_rng(number))
        found |= judged(tmp_path_factory.mktemp("spoilt"), batches)
    return found


def test_the_published_test_set_is_admitted_without_a_remark(reports: dict[str, Any]) -> None:
    assert (reports["clean"]["status"], reports["clean"]["reasons"]) == ("admitted", [])


@pytest.mark.parametrize("corruption", CHOSEN, ids=lambda corruption: str(corruption.name))
def test_a_spoilt_batch_is_seen_and_the_report_says_what_is_wrong(
    corruption: Corruption, reports: dict[str, Any]
) -> None:
    report = reports[corruption.name]
    told = [(line["severity"], line["reason"]) for line in report["reasons"]]
    assert report["status"] == ("admitted" if corruption.outcome == "warned" else corruption.outcome), told
    severity = "warning" if corruption.outcome == "warned" else "critical"
    assert any(re.match(corruption.words, reason) for found, reason in told if found == severity), told
