"""How often the checks at landing warn of clean data, and how often of faults, on real Fashion-MNIST.

A small model (50 principal components, one hidden layer) learns from 20,000 images; 7,500 are its holdout, and batches are
drawn from the other 32,500: 100 and 1,000 at a time without drawing one twice into a batch, though batches of 1,000 overlap.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks.figures import tell
from benchmarks.scratch import declared_parts
from gristmill.kinds.images.checks import features, linear
from gristmill.kinds.images.records import IngestSettings, read
from gristmill.quality.drift import check_drift
from gristmill.quality.labels import Answered, check_classes, check_classes_alone

_CLEAN, _FAULTY = 500, 20
_N_TRAIN, _N_HOLDOUT = 20_000, 7_500
_CLASSES = [str(label) for label in range(10)]
_CONTRACT = {"inputs": [{"name": "images"}], "classes": _CLASSES}

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Fault = Callable[[Images, Labels, np.random.Generator], tuple[Images, Labels]]


class Champion(NamedTuple):
    """A model, and what it is compared with."""

    model: Pipeline
    training: dict[str, NDArray[Any]]
    holdout: Answered


def main() -> None:
    images, labels = fashion()
    training, holdout = slice(0, _N_TRAIN), slice(_N_TRAIN, _N_TRAIN + _N_HOLDOUT)
    champion = trained(images[training], labels[training], images[holdout], labels[holdout])
    clean = Pool(images[holdout.stop :], labels[holdout.stop :], np.random.default_rng(0))
    for n in (100, 1_000):
        fired = Counter(alarm for _ in range(_CLEAN) for alarm in alarms(champion, *clean.draw(n)))
        for check in (*LABEL_CHECKS, *DRIFT_CHECKS):
            what = f"clean batches of {n:,} images that the check '{check}' warns of, of {_CLEAN:,}"
            tell(what, fired[check] / _CLEAN, "", "<= 0.01")
    for kind, faults, checks in (("labels", LABEL_FAULTS, LABEL_CHECKS), ("drift", SHIFTS, DRIFT_CHECKS)):
        for (name, fault), n in product(faults.items(), (100, 1_000, 10_000)):
            found = sum(not alarms(champion, *clean.draw(n, fault)).keys().isdisjoint(checks) for _ in range(_FAULTY))
            tell(f"batches of {n:,} images with {name} that the checks of {kind} warn of", found / _FAULTY, "")
    for (name, fault), n in product({"nothing wrong": as_it_is, "all labels shuffled": shuffled}.items(), (100, 1_000)):
        found = sum(self_check_warns(*clean.draw(n, fault)) for _ in range(_FAULTY))
        target = "<= 0.01" if fault is as_it_is else None
        tell(f"first batches of {n:,} images with {name} that the self-check warns of", found / _FAULTY, "", target)


class Pool(NamedTuple):
    """Images that no model has seen."""

    images: Images
    labels: Labels
    rng: np.random.Generator

    def draw(self, n: int, fault: "Fault | None" = None) -> tuple[Images, Labels]:
        """A batch, with a fault if told."""
        rows = self.rng.choice(len(self.labels), n, replace=False)
        images, labels = self.images[rows], self.labels[rows]
        return fault(images, labels, self.rng) if fault else (images, labels)


def fashion() -> tuple[Images, Labels]:
    """All 60,000 in a fixed random order."""
    rows = read(declared_parts("fashion-mnist"), IngestSettings(), "fashion").rows
    images = np.frombuffer(b"".join(rows["pixels"].to_pylist()), np.uint8).reshape(-1, 28, 28)
    order = np.random.default_rng(1).permutation(len(images))
    return images[order], rows["target"].to_numpy()[order]


def trained(images: Images, labels: Labels, held_out: Images, held_out_labels: Labels) -> Champion:
    """A model that is quick to train, and good enough to disagree with."""
    model = make_pipeline(
        PCA(50, svd_solver="covariance_eigh"), MLPClassifier((100,), max_iter=12, random_state=0, alpha=1e-3)
    )
    model.fit(linear({"images": images}, _CONTRACT), labels)
    return Champion(
        model,
        {**features({"images": images}, _CONTRACT), "target": labels},
        Answered(held_out_labels, answers(model, held_out)),
    )


def answers(model: Pipeline, images: Images) -> NDArray[np.floating[Any]]:
    """Probabilities [N, C]."""
    probabilities: NDArray[np.floating[Any]] = model.predict_proba(linear({"images": images}, _CONTRACT))
    return probabilities


def alarms(champion: Champion, images: Images, labels: Labels) -> Mapping[str, str]:
    """What fires, of labels and drift."""
    batch = Answered(labels, answers(champion.model, images))
    named = [""] * len(labels)
    found = {**features({"images": images}, _CONTRACT), "target": labels}
    drift = check_drift(found, champion.training, batch.answers, champion.holdout.answers, _CLASSES)
    return {**check_classes(batch, champion.holdout, _CLASSES, named)["alarms"], **drift["alarms"]}


def self_check_warns(images: Images, labels: Labels) -> bool:
    """Whether a batch looks as if nothing could be learnt from it."""
    return bool(check_classes_alone(linear({"images": images}, _CONTRACT), labels)["alarms"])


def as_it_is(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Nothing wrong."""
    return images, labels


def flipped(share: float) -> Fault:
    """Other labels for some rows, any but the right one."""

    def fault(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        wrong = rng.random(len(labels)) < share
        return images, np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)

    return fault


def shuffled(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Nothing but the labels, in another order."""
    return images, rng.permutation(labels)


def swapped(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """T-shirts called shirts, and the other way round."""
    return images, np.select([labels == 0, labels == 6], [6, 0], labels)


def brighter(factor: float) -> Fault:
    """Every pixel, times a factor."""
    return lambda images, labels, rng: ((images * factor).astype(np.uint8), labels)


def noisy(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Noise of ten grey levels."""
    return np.clip(images + rng.normal(0, 10, images.shape), 0, 255).astype(np.uint8), labels


def shifted(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """One pixel to the right."""
    return np.roll(images, 1, axis=2), labels


def mirrored(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Left to right."""
    return images[:, :, ::-1], labels


def inverted(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """One in twenty, black for white."""
    return np.where((rng.random(len(images)) < 0.05)[:, None, None], 255 - images, images), labels


def more_of_one(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Class 0 three times as often."""
    weights = np.where(labels == 0, 3.0, 1.0)
    rows = rng.choice(len(labels), len(labels), p=weights / weights.sum())
    return images[rows], labels[rows]


LABEL_CHECKS = ("agreement", "recall", "review")
DRIFT_CHECKS = ("features", "answers", "answered_classes")
LABEL_FAULTS: dict[str, Fault] = {
    "1 % of labels wrong": flipped(0.01),
    "2 % of labels wrong": flipped(0.02),
    "5 % of labels wrong": flipped(0.05),
    "10 % of labels wrong": flipped(0.1),
    "all labels shuffled": shuffled,
    "labels 0 and 6 swapped": swapped,
}
SHIFTS: dict[str, Fault] = {
    "5 % less brightness": brighter(0.95),
    "20 % less brightness": brighter(0.8),
    "noise of 10 grey levels": noisy,
    "a shift by one pixel": shifted,
    "a mirror image each": mirrored,
    "5 % inverted": inverted,
    "three times as many of class 0": more_of_one,
}


if __name__ == "__main__":
    main()
