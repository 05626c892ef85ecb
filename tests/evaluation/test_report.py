"""The page is one safe file, and tells a person what the verdict rests on."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from gristmill.evaluation.gates import Evidence, GateSettings, judge
from gristmill.evaluation.metrics import classification_metrics, regression_metrics
from gristmill.evaluation.report.charts import Whisker, difference_chart
from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.report.page import render
from gristmill.evaluation.report.problem import ProblemSettings
from gristmill.evaluation.tables import Predictions

PROBLEM = ProblemSettings(
    goal="Say whether a picture shows a cat or a dog.",
    decision="The door opens for cats.",
    costs={"a dog called a cat": "the cats leave"},
    owner="the doorkeeper",
)
VOID = {"meta", "link", "rect", "line", "circle", "polyline"}


class Strict(HTMLParser):
    """Fails where a tag is closed that is not open, and collects what a test asks about."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(classes: list[str], n: int = 400, roles: tuple[str, ...] = ("challenger", "champion", "best")) -> Page:
    rng = np.random.default_rng(0)
    target = np.arange(n) % len(classes)
    by_role = {}
    for role in roles:
        predicted = np.where(rng.random(n) < 0.8, target, rng.integers(0, len(classes), n))
        by_role[role] = np.asarray(np.eye(len(classes))[predicted], np.float32)
    predictions = Predictions([str(index) for index in range(n)], target, by_role)
    letters = {"challenger": "c", "champion": "a", "best": "b"}
    sha256 = {role: letter * 64 if role in roles else None for role, letter in letters.items()}
    settings = GateSettings(metric="accuracy", floors={"accuracy": 0.7, "f1_macro": 0.5}, margin=0.05, resamples=500)
    figures = {role: classification_metrics(target, answers, classes) for role, answers in by_role.items()}
    return Page(
        workload="toy",
        problem=PROBLEM,
        settings=settings,
        decision=judge(Evidence("toy", "classification", predictions, sha256), settings),
        holdout=predictions,
        metrics={
            "task": "classification",
            "classes": classes,
            "holdout": {"n": n, **figures},
            "benchmark": {"n": 0},
            "notes": [],
            **{f"{role}_sha256": value for role, value in sha256.items()},
        },
        validation={
            "rows": {"admitted": 90, "quarantined": 10, "total": 100},
            "batches": [
                {
                    "batch": "0123456789abcdef",
                    "role": "train",
                    "status": "partial",
                    "n_rows": 100,
                    "rows": {"admitted": 90, "quarantined": 10},
                    "reasons": [{"reason": "label 77 is not one of 0..9", "n_rows": 10, "severity": "critical"}],
                }
            ],
        },
        training={"best_epoch": 2},
        curves=[
            {"epoch": float(epoch), "split": split, "loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch}
            for epoch in (1, 2, 3)
            for split in ("train", "validation")
        ],
    )


def with_metrics(page: Page, **changed: Any) -> Page:
    return replace(page, metrics={**page.metrics, **changed})


def test_it_opens_with_the_verdict_and_its_sentence_and_what_was_asked() -> None:
    page = page_of(["cat", "dog"])
    text = Strict(render(page)).text
    assert text.index(page.decision.verdict) < text.index(page.decision.sentence) < text.index(PROBLEM.goal)
    assert "A dog called a cat : the cats leave" in text
    assert text.index(PROBLEM.owner) < text.index("Checks of the gate")


def test_it_ends_with_the_commands_that_make_it_again_and_the_identities() -> None:
    page = page_of(["cat", "dog"])
    html = render(page)
    assert "gristmill versions toy\ngit switch --detach toy@<b>VERSION</b>\ndvc checkout --allow-missing\n" in html
    text = Strict(html).text
    assert text.index("The data behind it") < text.index("the one whose model is cccccccc")
    assert all(letter * 64 in text for letter in "cab")


def test_every_check_stands_there_in_words() -> None:
    page = page_of(["cat", "dog"])
    text = Strict(render(page)).text
    assert len(page.decision.checks) == 4
    for check in page.decision.checks:
        assert check.sentence in text
    assert page.decision.sensitivity in text


def test_it_asks_nothing_of_any_network_and_runs_no_script() -> None:
    html = render(page_of(["cat", "dog"]))
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<iframe|<img", html)
    assert "default-src 'none'" in html


def test_names_from_data_cannot_become_markup() -> None:
    evil = '<script>alert("1")</script>'
    page = with_metrics(page_of([evil, "dog & cat"]), notes=[evil])
    batches = [dict(page.validation["batches"][0], reasons=[{"reason": evil, "n_rows": 1, "severity": "critical"}])]
    problem = ProblemSettings(goal=evil, decision=evil, costs={f"a{evil}": evil}, owner=evil)
    html = render(replace(page, problem=problem, validation={**page.validation, "batches": batches}))
    assert "<script" not in html
    assert Strict(html).text.count(evil) >= 9  # five of the problem, class table, matrix, reason, note
    assert "dog & cat" in Strict(html).text


def test_a_batch_that_the_checks_at_landing_warn_of_comes_before_others_that_are_in() -> None:
    page = page_of(["cat", "dog"])
    batch = {**page.validation["batches"][0], "status": "admitted"}
    batches = [
        {**batch, "batch": "a-quiet", "finding": {"warnings": []}},
        {**batch, "batch": "b-loud", "finding": {"warnings": ["the labels do not agree"]}},
        {**batch, "batch": "c-unchecked", "finding": None},
    ]
    text = Strict(render(replace(page, validation={**page.validation, "batches": batches}))).text
    assert "The checks of labels and drift at landing warn of 1 batch." in text
    assert text.index("b-loud") < text.index("a-quiet") < text.index("c-unchecked")


def test_the_same_evidence_is_the_same_bytes() -> None:
    assert render(page_of(["cat", "dog"])) == render(page_of(["cat", "dog"]))


def test_tables_and_drawings_can_be_read_without_seeing() -> None:
    parsed = Strict(render(page_of(["cat", "dog"])))
    drawings = [attrs for tag, attrs in parsed.tags if tag == "svg"]
    assert len(drawings) == 4  # the difference, two curves, the rows that landed
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    assert all(attrs.get("scope") for tag, attrs in parsed.tags if tag == "th")
    tables = [tag for tag, _ in parsed.tags if tag == "table"]
    assert len(tables) == len([tag for tag, _ in parsed.tags if tag == "caption"]) == 5
    assert [tag for tag, _ in parsed.tags if re.fullmatch("h[12]", tag)][:2] == ["h1", "h2"]


def test_what_landed_and_what_was_refused_is_told() -> None:
    text = Strict(render(page_of(["cat", "dog"]))).text
    assert "100 rows landed in 1 batch." in text
    assert "admitted 90" in text
    assert "label 77 is not one of 0..9 10 rows" in text


def test_a_first_model_has_a_page_without_comparison() -> None:
    text = Strict(render(page_of(["cat", "dog"], roles=("challenger",)))).text
    assert "Good enough to be the first in production." in text
    assert "against the" not in text
    assert "none yet" in text


def test_an_empty_holdout_has_a_page_too() -> None:
    page = page_of(["cat", "dog"])
    empty = Predictions([], np.array([], np.int64), {"challenger": np.empty((0, 2), np.float32)})
    sha256 = {"challenger": "c" * 64, "champion": None, "best": None}
    decision = judge(Evidence("toy", "classification", empty, sha256), page.settings)
    html = render(replace(with_metrics(page, holdout={"n": 0}), decision=decision, holdout=empty))
    assert "nothing could be measured" in Strict(html).text


def test_of_very_many_classes_the_worst_are_shown() -> None:
    text = Strict(render(page_of([f"class-{index}" for index in range(60)], n=3000))).text
    assert "The 40 classes with the lowest F1, of 60." in text
    assert "shaded by the share" not in text
    assert "taken for" in text


def test_a_cross_validation_is_shown_with_what_a_constant_answer_reaches() -> None:
    scores = {"primary": "balanced_accuracy", "folds": [0.66, 0.71, 0.69], "mean": 0.687, "std": 0.02, "baseline": 0.5}
    text = Strict(render(replace(page_of(["cat", "dog"]), training={"best_epoch": 2, "cross_validation": scores}))).text
    assert "Balanced accuracy is 0.6870 on average over 3 folds" in text
    assert "a constant answer reaches 0.5000" in text


def page_of_a_regression(margin: float, spread: float = 1.0) -> Page:
    rng = np.random.default_rng(0)
    target = spread * rng.normal(size=100)
    by_role = {"challenger": target + spread * rng.normal(size=100), "champion": target + spread * rng.normal(size=100)}
    predictions = Predictions([str(index) for index in range(100)], target, by_role)
    sha256 = {"challenger": "c" * 64, "champion": "a" * 64, "best": "a" * 64}
    settings = GateSettings(metric="mae", floors={"mae": 2}, margin=margin, resamples=500)
    page = with_metrics(
        page_of(["cat", "dog"]),
        task="regression",
        classes=[],
        holdout={"n": 100, **{role: regression_metrics(target, answers) for role, answers in by_role.items()}},
    )
    decision = judge(Evidence("toy", "regression", predictions, sha256), settings)
    return replace(page, settings=settings, decision=decision, holdout=predictions)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_a_regression_has_a_page_without_classes(margin: float) -> None:
    text = Strict(render(page_of_a_regression(margin))).text
    assert "Mean absolute error lower is better" in text
    assert "Class by class" not in text


def test_the_residuals_of_a_regression_are_told_and_drawn() -> None:
    page = page_of_a_regression(0.5)
    parsed = Strict(render(page))
    error = page.holdout.answers["challenger"] - page.holdout.target
    assert f"Half of the challenger's answers lie within {np.median(np.abs(error)):.4f} of the truth" in parsed.text
    assert f"The median error is {np.median(error):+.4f}." in parsed.text
    labels = [str(attrs["aria-label"]) for tag, attrs in parsed.tags if tag == "svg"]
    assert any(label.startswith("Answers against the truth, 100 records.") for label in labels)
    assert any(label.startswith("Errors by size") for label in labels)
    assert "How far off" not in Strict(render(page_of(["cat", "dog"]))).text


@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e9])
def test_targets_of_any_size_can_be_drawn(spread: float) -> None:
    html = render(page_of_a_regression(0.5, spread))
    assert not re.search(r"\bnan\b", html.lower()) and "Answer against truth" in html


def test_a_label_of_the_drawing_stays_inside_it_wherever_zero_lies() -> None:
    for lower in (-0.2, -0.009):
        chart = difference_chart([Whisker("against the champion", lower / 2, lower, -0.0001)], 0.01, "x")
        found = re.search(r'x="([\d.]+)" y="14.0" text-anchor="(\w+)">no difference', chart)
        assert found
        assert float(found[1]) + (80 if found[2] == "start" else 0) <= 640


def test_a_champion_judged_again_is_not_drawn_against_itself() -> None:
    page = page_of(["a", "b"])
    checks = [replace(check, numbers={"difference": 0.0, "lower": 0.0, "upper": 0.0}) for check in page.decision.checks]
    assert "paired bootstrap" not in render(replace(page, decision=replace(page.decision, checks=checks)))
    assert "paired bootstrap" in " ".join(render(page).split())
