"""True labels that come later: once, from any process, and never for an answer that nobody gave."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.toy_models import IMAGES

from gristmill.serving.feedback import ContradictionError, Feedback, FeedbackError, NoPlaceError
from gristmill.serving.ids import Ids, UnknownIdError

REGRESSION = IMAGES | {"task": "regression"}


@pytest.fixture
def ids(tmp_path: Path) -> Ids:
    return Ids(tmp_path)


@pytest.fixture
def feedback(tmp_path: Path, ids: Ids) -> Feedback:
    return Feedback(tmp_path, ids)


def kept(folder: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "feedback.sqlite") as base:
        return base.execute("SELECT request_id, item, label FROM feedback ORDER BY item").fetchall()


def test_a_label_is_taken_once_and_the_same_again_changes_nothing(feedback: Feedback, ids: Ids, tmp_path: Path) -> None:
    body = {"request_id": ids.new(2), "item": 1, "label": "boot"}
    assert feedback.take(body, IMAGES) == {**body, "result": "taken"}
    assert feedback.take(body, IMAGES)["result"] == "known"
    with pytest.raises(ContradictionError, match="the label 'boot' already; a label is given once") as refused:
        feedback.take(body | {"label": "coat"}, IMAGES)
    assert refused.value.status == 409
    assert feedback.take(body | {"item": 0, "label": "coat"}, IMAGES)["result"] == "taken"
    assert kept(tmp_path) == [(body["request_id"], 0, "coat"), (body["request_id"], 1, "boot")]


def test_an_id_of_another_process_of_the_workload_is_known_and_of_another_workload_is_not(
    feedback: Feedback, tmp_path: Path
) -> None:
    code = (
        f"from pathlib import Path\nfrom gristmill.serving.ids import Ids\nprint(Ids(Path({str(tmp_path)!r})).new(1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert feedback.take({"request_id": done.stdout.strip(), "label": "bag"}, IMAGES)["result"] == "taken"
    for other in (Ids(tmp_path / "other").new(1), Ids(None).new(1), "0" * 32, "", "x" * 32, done.stdout.strip() + "00"):
        with pytest.raises(UnknownIdError, match="not given out here"):
            feedback.take({"request_id": other, "label": "bag"}, IMAGES)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"label": "shoe"}, "a class of the model: 'bag', 'boot', 'coat'"),
        ({"label": None}, "a class of the model"),
        ({"label": ["bag"]}, "a class of the model"),
        ({"item": 2}, "the answer had 2 items, and none at 2"),
        ({"item": -1}, "from 0 on"),
        ({"item": 0.5}, "a whole number"),
        ({"item": True}, "a whole number"),
        ({"item": "0"}, "a whole number"),
        ({"request_id": 7}, "the field request_id is needed"),
        ({"comment": "nice"}, "unknown field 'comment'"),
    ],
)
def test_what_is_no_feedback_is_refused_with_a_sentence(
    feedback: Feedback, ids: Ids, changed: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(FeedbackError, match=sentence):
        feedback.take({"request_id": ids.new(2), "label": "bag", **changed}, IMAGES)


def test_a_number_is_the_truth_of_a_regression(feedback: Feedback, ids: Ids, tmp_path: Path) -> None:
    feedback.take({"request_id": ids.new(1), "label": 3}, REGRESSION)
    assert kept(tmp_path)[0][2] == "3.0"
    for wrong in ("3", None, True):
        with pytest.raises(FeedbackError, match="a number"):
            feedback.take({"request_id": ids.new(1), "label": wrong}, REGRESSION)


def test_where_nothing_can_be_kept_it_says_so(ids: Ids, tmp_path: Path) -> None:
    with pytest.raises(NoPlaceError, match="without a serving folder"):
        Feedback(None, ids).take({"request_id": ids.new(1), "label": "bag"}, IMAGES)
    (tmp_path / "feedback.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(NoPlaceError, match="send it again later"):
        Feedback(tmp_path, ids).take({"request_id": ids.new(1), "label": "bag"}, IMAGES)


def test_where_no_key_can_be_written_ids_are_known_in_one_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    ids = Ids(tmp_path / "file")
    assert ids.read(ids.new(3)).n_items == 3
    assert "known in this process only" in caplog.text


def test_the_key_of_ids_is_the_owners_alone(ids: Ids, tmp_path: Path) -> None:
    assert (tmp_path / "ids.key").stat().st_mode & 0o777 == 0o600
    assert len({ids.new(1) for _ in range(10_000)}) == 10_000
    assert ids.read(ids.new(300)).n_items == 300
