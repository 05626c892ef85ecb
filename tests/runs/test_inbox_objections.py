"""What the inbox does not take: each entry that waits is named, says what to do, and goes in once that is done."""

import json
import os
from pathlib import Path

import pytest
from tests.conftest import commit_all
from tests.digits import write_digits
from tests.picture_files import encoded, pixels, write_folder, write_zip
from tests.watched import Watched

from gristmill.ground.files import file_sha256
from gristmill.runs.dropped import Entry, objection
from gristmill.runs.inbox import RETRY_S
from gristmill.runs.repository import Repository


@pytest.fixture
def watched(repository: Repository) -> Watched:
    return Watched(repository)


def close(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this user had no right to it: tests may run as root, who has all of them."""
    may = os.access
    monkeypatch.setattr(os, "access", lambda asked, mode: Path(asked) != path and may(asked, mode))


def declare(folder: Path, **sha256s: str) -> None:
    """A sender's manifest: file stems and their SHA-256."""
    parts = [{"name": f"{stem}.csv", "sha256": sha256} for stem, sha256 in sha256s.items()]
    (folder / "manifest.json").write_text(json.dumps({"parts": parts}), "utf-8")


def test_images_without_labels_wait_and_go_in_when_the_labels_come(watched: Watched) -> None:
    folder = watched.repository.workload("mnist").inbox / "march"
    _, labels = write_digits(folder, 0, 20)
    aside = labels.rename(watched.repository.root / "aside")
    watched.rest()
    assert watched.said == [
        "data/mnist/inbox/march waits: it holds images without labels, which belong together; "
        "put all parts of a batch into one folder"
    ]
    aside.rename(labels)
    watched.rest()
    assert watched.landed == ["images-0, labels-0"] and watched.notes == []


# A sender's manifest


def test_a_folder_waits_for_the_parts_that_its_manifest_names(watched: Watched) -> None:
    a = watched.drop("week/a.csv", "x\n1\n")
    declare(a.parent, a=file_sha256(a).upper(), b="")
    watched.rest()
    assert watched.notes == ["data/credit-risk/inbox/week waits for b.csv, which its manifest names"]
    watched.drop("week/b.csv", "x\n2\n")
    watched.rest()
    assert watched.landed == ["a.csv, b.csv"] and watched.is_empty(), "the manifest of the sender is no part"


def test_parts_that_the_manifest_does_not_name_are_refused(watched: Watched) -> None:
    a = watched.drop("week/a.csv")
    watched.drop("week/b.csv")
    declare(a.parent, a=file_sha256(a))
    watched.rest()
    assert watched.notes == ["data/credit-risk/inbox/week waits: its manifest does not name b.csv"]
    assert watched.landed == []


def test_a_part_of_another_sha256_is_refused_and_a_status_does_not_hash_it_each_second(watched: Watched) -> None:
    a = watched.drop("week/a.csv")
    declare(a.parent, a="0" * 64)
    watched.rest()
    assert watched.notes == [
        "data/credit-risk/inbox/week waits: a.csv is not the file whose SHA-256 its manifest names; send it again"
    ]
    assert watched.landed == [] and objection(watched.repository, Entry("credit-risk", a.parent)) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"parts": [1]}', '{"parts": [{}]}', "[" * 100_000, "\udcff"])
def test_a_manifest_that_cannot_be_read_is_named(watched: Watched, text: str) -> None:
    watched.drop("week/a.csv").with_name("manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    watched.rest()
    assert watched.notes == [
        'data/credit-risk/inbox/week/manifest.json cannot be read; {"parts": [{"name": ..., "sha256": ...}]} is expected'
    ]


def test_a_manifest_below_the_folder_is_a_part_and_is_not_dropped_in_silence(watched: Watched) -> None:
    watched.drop("week/a.csv")
    path = watched.drop("week/deeper/manifest.json", "{}")
    watched.rest()
    assert watched.landed == [] and path.exists()
    assert "deeper/manifest.json: this name is the mill's own" in watched.said[0]


# Files that are none, or not yet


@pytest.mark.parametrize("name", ["a.csv", "week/a.csv"])
def test_an_empty_file_waits_to_be_filled(watched: Watched, name: str) -> None:
    watched.drop(name, "")
    watched.rest()
    assert watched.notes == [f"data/credit-risk/inbox/{name} is empty: it waits to be filled, or to be taken out"]
    watched.drop(name)
    watched.rest()
    assert watched.landed == ["a.csv"]


def test_a_folder_waits_while_a_file_in_it_has_a_temporary_name(watched: Watched) -> None:
    watched.drop("week/a.csv", "x\n1\n")
    path = watched.drop("week/.b.csv.x8f3", "x\n")
    watched.rest()
    assert watched.notes == [
        "data/credit-risk/inbox/week/.b.csv.x8f3 has a temporary name: rename it when it is whole, or take it out"
    ]
    path.rename(path.with_name("b.csv"))
    watched.rest()
    assert watched.landed == ["a.csv, b.csv"]


def test_an_empty_folder_waits_and_says_so(watched: Watched) -> None:
    (watched.repository.workload("credit-risk").inbox / "week").mkdir(parents=True)
    watched.rest()
    assert watched.notes == ["data/credit-risk/inbox/week waits: the folder holds no file of data"]


@pytest.mark.parametrize("name", ["link", "week/link", "pipe", "week/pipe", "week/folder"])
def test_what_is_no_file_is_named_and_never_opened(watched: Watched, name: str) -> None:
    path = watched.drop(name)
    path.unlink()
    if path.name == "pipe":
        os.mkfifo(path)  # opening it would wait for ever
    else:
        path.symlink_to("nothing" if path.name == "link" else watched.repository.root / "src")
    watched.rest()
    [note] = watched.notes
    assert note.startswith(f"data/credit-risk/inbox/{name} is no file") and os.path.lexists(path)
    entry = path if path.parent.name == "inbox" else path.parent
    assert objection(watched.repository, Entry("credit-risk", entry)) == note


# Names


@pytest.mark.parametrize("name", ["manifest.json", "0001-drop.json"])
def test_a_name_of_the_mills_own_is_a_sentence_and_nothing_is_lost(watched: Watched, name: str) -> None:
    path = watched.drop(name, "{}")
    watched.rest()
    assert "this name is the mill's own. Rename the file." in watched.said[0]
    assert path.read_text() == "{}" and watched.landed == []


@pytest.mark.parametrize(("text", "why"), [("x\n1\n", "is no line of UTF-8"), ("", "is empty")])
def test_a_name_that_is_no_text_is_a_sentence_of_one_line_and_nothing_is_lost(
    watched: Watched, text: str, why: str
) -> None:
    path = watched.drop(os.fsdecode(b"m\xe4rz\n.csv"), text)
    watched.rest()
    [told] = watched.notes
    assert watched.said == [told] and why in told
    assert told.isprintable() and path.exists()


# Rights


def test_a_file_that_may_not_be_read_is_named(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    close(watched.drop("week/a.csv"), monkeypatch)
    watched.rest()
    assert watched.notes == [
        "data/credit-risk/inbox/week/a.csv may not be read by this user: give the right to, or take it out"
    ]


def test_a_folder_that_may_not_be_emptied_is_named_before_it_lands(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(watched.drop("week/a.csv").parent, monkeypatch)
    watched.rest()
    [note] = watched.notes
    assert "inbox/week may not be read and emptied by this user" in note and watched.landed == []


def test_an_inbox_that_may_not_be_used_is_named_and_the_others_go_on(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.drop("x", workload="mnist")
    with monkeypatch.context() as patch:
        close(path.parent, patch)
        watched.drop("a.csv")
        watched.rest()
        assert watched.notes == [
            "data/mnist/inbox cannot be used: give this user the right to read and write that folder"
        ]
        assert watched.landed == ["a.csv"]
    watched.look(0.25)
    assert watched.notes == []


# Workloads


def test_the_inbox_of_a_workload_that_nobody_knows_is_named(watched: Watched) -> None:
    path = watched.drop("a.csv", workload="nobody")
    watched.rest()
    [note] = watched.notes
    assert note.startswith("data/nobody/inbox/a.csv waits: params.yaml knows no workload 'nobody'; add it")
    assert path.exists()


def test_the_inbox_of_a_workload_that_is_not_committed_waits_for_the_commit(watched: Watched) -> None:
    here = watched.repository.here
    params = here / "params.yaml"
    params.write_text(params.read_text() + "  newborn: {kind: tabular}\n")
    watched.drop("a.csv", workload="newborn")
    watched.rest()
    [note] = watched.notes
    assert note.startswith("data/newborn/inbox/a.csv waits: the workload 'newborn' is not committed yet")
    commit_all(here, "Add newborn")
    watched.look(RETRY_S + 1)
    assert watched.landed == ["a.csv"] and watched.notes == []


# Folders


def test_parts_below_a_folder_land_under_their_paths_and_a_manifest_names_them_so(watched: Watched) -> None:
    a = watched.drop("week/shops/é.csv", "x\n1\n")
    watched.drop("week/web/é.csv", "x\n2\n")
    parts = [{"name": "shops/e\u0301.csv", "sha256": file_sha256(a)}, {"name": "../web/é.csv"}]
    manifest = watched.drop("week/manifest.json", json.dumps({"parts": parts}))
    watched.rest()
    assert watched.notes == ["data/credit-risk/inbox/week waits for ../web/é.csv, which its manifest names"]
    manifest.write_text(json.dumps({"parts": [parts[0], {"name": "web/é.csv"}]}))
    watched.rest()
    assert watched.landed == ["shops/é.csv, web/é.csv"] and watched.is_empty()


@pytest.mark.parametrize("name", ["link.csv", "week/link.csv", "week"])
def test_a_link_in_an_inbox_is_named_and_what_it_leads_to_is_not_read(watched: Watched, name: str) -> None:
    secret = watched.repository.root / "secret"
    (secret / "of").mkdir(parents=True)
    (secret / "of" / "key.csv").write_text("x\n1\n")
    path = watched.drop(name)
    path.unlink()
    path.symlink_to(secret / "of" if name == "week" else secret / "of" / "key.csv")
    watched.rest()
    [note] = watched.notes
    assert note.startswith(f"data/credit-risk/inbox/{name} is a link") and watched.landed == []
    assert os.path.lexists(path)


def test_a_link_within_a_folder_is_the_file_that_it_leads_to(watched: Watched) -> None:
    watched.drop("week/a.csv").with_name("b.csv").symlink_to("a.csv")
    watched.rest()
    assert watched.landed == ["a.csv, b.csv"] and watched.is_empty()


def test_pictures_without_labels_wait_and_go_in_when_the_labels_come(watched: Watched) -> None:
    march = watched.repository.workload("mnist").inbox / "march"
    write_folder(march, {"1.png": encoded(pixels(1))})
    watched.rest()
    assert watched.notes == [
        "data/mnist/inbox/march waits: it holds pictures without labels; put them into folders called like their classes, "
        "or a labels.csv (columns file and label) beside them"
    ]
    write_folder(march, {"labels.csv": b"file,label\n1.png,7\n"})
    watched.rest()
    assert watched.landed == ["1.png, labels.csv"] and watched.notes == []


def test_an_archive_that_is_cut_short_waits_and_goes_in_when_it_is_whole(watched: Watched) -> None:
    path = write_zip(watched.repository.workload("mnist").inbox / "a.zip", {"7/1.png": encoded(pixels(1))})
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    watched.rest()
    assert watched.notes == [
        "data/mnist/inbox/a.zip waits: it holds a.zip, which is no zip archive, is damaged or cut short"
    ]
    path.write_bytes(whole)
    watched.rest()
    assert watched.landed == ["a.zip"] and watched.is_empty("mnist")
