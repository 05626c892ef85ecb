"""`gristmill trace`: from an answer to version, verdict, data, batches and code, and back by the commands it prints."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import clone_of, git, gristmill
from tests.pages import type_in
from tests.served_answers import AT, W, answered, log

from gristmill.ground.files import file_sha256
from gristmill.registry.versions import find_version
from gristmill.runs.repository import Repository
from gristmill.runs.requests import FeedbackError, UnknownRequestError, find_labels, find_request
from gristmill.runs.tracing.lineage import to_json, trace


def say_truly(repository: Repository, request_id: str, item: int, label: str) -> None:
    with closing(sqlite3.connect(repository.serving(W) / "feedback.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS feedback(request_id TEXT, item INTEGER, label TEXT, at TEXT, "
            "PRIMARY KEY(request_id, item))"
        )
        database.execute("INSERT INTO feedback VALUES (?, ?, ?, ?)", (request_id, item, label, AT))


def test_an_answer_is_followed_to_everything_that_it_rests_on(turned: Repository) -> None:
    entry = answered(turned)
    say_truly(turned, entry["request_id"], 1, "Bad")
    done = gristmill(turned.root, "trace", entry["request_id"], "--json")
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    version = find_version(turned.git, W, "v1.0.0")
    assert told["request"]["predictions"] == entry["predictions"] and told["request"]["at"] == AT
    assert told["request"]["labels"] == [{"item": 1, "label": "Bad", "at": AT}]
    assert (told["version"], told["trained_by"]) == ("v1.0.0", "v1.0.0")
    assert told["verdict"] == {"verdict": "PROMOTE", "sentence": version.sentence}
    assert told["data"] == {"landing_md5": version.data, "mill_commit": version.base}
    assert [promotion["version"] for promotion in told["promotions"]] == ["v1.0.0"]
    [batch] = told["batches"]
    assert batch["status"] == "admitted" and batch["rows"]["admitted"] == batch["n_rows"] == 400
    assert batch["origin"] == "first.csv" and batch["landed"]
    assert [decision["decision"] for decision in batch["decisions"]] == ["check"]
    assert told["code"] == version.code == git(turned.root, "rev-parse", "HEAD")
    assert told["gaps"] == []


def test_in_words_it_says_the_same(turned: Repository) -> None:
    entry = answered(turned)
    say_truly(turned, entry["request_id"], 0, "Bad")
    done = gristmill(turned.root, "trace", entry["request_id"])
    version = find_version(turned.git, W, "v1.0.0")
    label = entry["predictions"][0]["label"]
    assert f"item 0: {label} (" in done.stdout and f"truly Bad, as said at {AT}" in done.stdout
    for words in (
        version.sentence,
        version.data,
        version.code,
        "400 admitted",
        "origin: first.csv",
        "promote credit-risk v1",
    ):
        assert words in done.stdout, words
    assert "not known" not in done.stdout


def test_the_commands_bring_data_code_and_model_back(turned: Repository, tmp_path: Path) -> None:
    traced = trace(turned, answered(turned)["request_id"])
    clone = clone_of(turned.root, tmp_path / "again")
    git(clone.root, "commit", "-q", "--allow-empty", "-m", "work goes on")
    for command in traced.restore:
        told = type_in(clone.root, command)
    assert "Data and pipelines are up to date" in told
    assert traced.source is not None and git(clone.root, "rev-parse", "HEAD~1") == traced.source.code
    model = clone.root / "models" / W / "challenger" / "model.safetensors"
    assert file_sha256(model) == traced.asked.model_sha256
    assert list((clone.root / "data" / W / "landing").glob("*/*/first.csv"))


def test_an_id_that_no_log_holds_is_refused_in_a_sentence(turned: Repository) -> None:
    with pytest.raises(UnknownRequestError, match="there is no log of requests"):
        trace(turned, "f00")
    answered(turned)
    done = gristmill(turned.root, "trace", "f00")
    assert done.returncode == 1
    assert "no answered request is called 'f00': none of the 1 logs under .gristmill/serving/ holds it" in done.stdout


def test_a_torn_last_line_is_skipped(turned: Repository) -> None:
    entry = answered(turned)
    log(turned, json.dumps({**entry, "request_id": "torn"})[:-20])
    assert find_request(turned, entry["request_id"]).predictions == entry["predictions"]
    with pytest.raises(UnknownRequestError):
        find_request(turned, "torn")


def test_of_a_shadows_answer_and_the_champions_the_one_that_the_caller_got_is_told(turned: Repository) -> None:
    entry = answered(turned, request_id="twice", role="shadow", version="v9.0.0")
    log(turned, json.dumps({**entry, "role": "champion", "version": "v1.0.0"}) + "\n", "0000.jsonl")
    assert find_request(turned, "twice").version == "v1.0.0"


def test_feedback_that_is_no_database_is_a_gap_and_the_rest_is_told(turned: Repository) -> None:
    entry = answered(turned)
    (turned.serving(W) / "feedback.sqlite").write_bytes(
        b"no database, and longer than a header of one hundred bytes" * 3
    )
    with pytest.raises(FeedbackError):
        find_labels(turned, find_request(turned, entry["request_id"]))
    traced = trace(turned, entry["request_id"])
    assert traced.labels == () and "cannot be read as feedback" in traced.gaps[0]
    assert traced.version == "v1.0.0" and len(traced.batches) == 1


def test_without_its_tag_a_version_is_told_from_the_branch_mill(turned: Repository) -> None:
    entry = answered(turned)
    whole = to_json(trace(turned, entry["request_id"]))
    git(turned.root, "tag", "-d", f"{W}@v1.0.0")
    traced = trace(turned, entry["request_id"])
    assert "the tag credit-risk@v1.0.0 is gone" in traced.gaps[0] and "`git fetch origin tag" in traced.gaps[0]
    told = to_json(traced)
    for key in ("version", "trained_by", "verdict", "promotions", "data", "batches", "code"):
        assert told[key] == whole[key], key
    for command in traced.restore:
        type_in(turned.root, command)
    model = turned.root / "models" / W / "challenger" / "model.safetensors"
    assert file_sha256(model) == entry["model_sha256"]


def test_a_tag_that_names_another_model_is_not_believed(turned: Repository) -> None:
    entry = answered(turned, model_sha256="0" * 64)
    assert "is gone, or names another model" in trace(turned, entry["request_id"]).gaps[0]


def test_an_answer_without_a_version_is_known_by_its_model_or_said_to_be_from_elsewhere(turned: Repository) -> None:
    assert trace(turned, answered(turned, version=None)["request_id"]).version == "v1.0.0"
    strange = trace(turned, answered(turned, version=None, model_sha256="0" * 64)["request_id"])
    assert strange.source is None and "it was served from elsewhere" in strange.gaps[0]


def test_a_model_with_newer_serving_code_is_traced_to_the_turn_that_trained_it(turned: Repository) -> None:
    first = find_version(turned.git, W, "v1.0.0")
    again = replace(first, version="v1.0.1", serving_sha256="another", data="f" * 32 + ".dir", tagged="")
    commit = turned.git.commit_of(first.tag)
    tag = turned.git.tag_object(commit, f"{W}@v1.0.1", again.to_message(), "1700000000 +0000")
    turned.git.move([(again.tag, tag, "0" * 40)])
    traced = trace(turned, answered(turned, version="v1.0.1")["request_id"])
    assert traced.version == "v1.0.1" and traced.source is not None
    assert (traced.source.version, traced.source.data) == ("v1.0.0", first.data)
    assert traced.restore[0] == f"git switch --detach {W}@v1.0.0"


def test_where_the_cache_lacks_the_lists_the_rest_is_told(turned: Repository) -> None:
    entry = answered(turned)
    (turned.root / ".dvc" / "config.local").unlink()
    traced = trace(Repository(turned.root), entry["request_id"])
    assert len(traced.gaps) == 1 and "origins, licences and decisions of the batches are not known" in traced.gaps[0]
    [batch] = traced.batches
    assert (batch.status, batch.n_rows, batch.manifest) == ("admitted", 400, None)
    assert traced.source is not None and traced.source.verdict == "PROMOTE"
