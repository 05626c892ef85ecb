"""What lies beside a landed batch is read strictly, and a fault names its file."""

import hashlib
import json
from pathlib import Path

import pytest

from gristmill.data.manifest import LandedFileError, Part, batch_id, read_landing

MANIFEST = {"batch": "ab", "role": "train", "parts": [], "origin": "a test"}
DECISION = {"decision": "drop", "actor": "A. Person", "reason": "a test", "at": "2026-01-01T00:00:00Z"}


def landing(folder: Path, **files: object) -> Path:
    batch = folder / "landing" / "2026-01" / "ab"
    batch.mkdir(parents=True)
    for name, content in {"manifest": MANIFEST, **files}.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (batch / f"{name}.json").write_text(text)
    return folder / "landing"


def test_decisions_are_read_oldest_first(tmp_path: Path) -> None:
    files = {"0002-release": {**DECISION, "decision": "release"}, "0001-drop": DECISION}
    (batch,) = read_landing(landing(tmp_path, **files))
    assert [one.decision for one in batch.decisions] == ["drop", "release"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "0001-drop",
            {**DECISION, "decision": "dropp"},
            r"0001-drop\.json cannot be read as a decision: decision: .*'release'",
        ),
        (
            "0001-drop",
            {"decision": "drop"},
            r"actor: Field required; reason: Field required; at: .*Correct the file or remove",
        ),
        ("0001-drop", {**DECISION, "row": []}, r"row: Extra inputs"),
        ("0001-drop", [DECISION], r"the file: Input should be a valid dictionary"),
        ("0001-drop", "{", r"0001-drop\.json .*: it is not JSON"),
        (
            "manifest",
            {**MANIFEST, "role": "trian"},
            r"manifest\.json cannot be read as a manifest: role: .*gristmill pull",
        ),
        ("manifest", "", r"manifest\.json .*: it is not JSON"),
    ],
)
def test_a_malformed_file_is_one_sentence_that_names_it(
    tmp_path: Path, name: str, content: object, expected: str
) -> None:
    with pytest.raises(LandedFileError, match=expected) as caught:
        read_landing(landing(tmp_path, **{name: content}))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_one_sentence_too(tmp_path: Path) -> None:
    folder = landing(tmp_path)
    (folder / "2026-01" / "ab" / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(LandedFileError, match="it is not JSON"):
        read_landing(folder)


def identity(**names: str) -> str:
    """The id of a batch whose parts hold `a`, `b`, ..., by what they are called."""
    return batch_id("train", [Part(name=name, sha256=content, size=1) for content, name in names.items()])


def test_the_same_bytes_under_other_names_are_the_same_batch_and_always_had_this_id() -> None:
    assert identity(a="x.csv", b="y.csv") == identity(b="x.csv", a="z.csv")
    assert identity(a="x.csv", b="y.csv") == hashlib.sha256(b"train\na\nb").hexdigest()[:16]


def test_a_folder_is_part_of_the_identity_for_it_may_be_a_label() -> None:
    ids = {identity(a="1.png"), identity(a="shirts/1.png"), identity(a="coats/1.png")}
    assert len(ids) == 3
    assert identity(a="shirts/1.png", b="coats/1.png") != identity(b="shirts/1.png", a="coats/1.png")
    assert identity(a="shirts/1.png") == identity(a="shirts/2.png")
    assert identity(a="chaussée/1.png") == identity(a="chausse\u0301e/1.png")


def test_beside_a_labels_csv_names_are_part_of_the_identity() -> None:
    assert identity(a="1.png", b="2.png", c="labels.csv") != identity(b="1.png", a="2.png", c="labels.csv")
    assert identity(a="labels.csv") == identity(a="x.csv"), "alone it refers to nothing"
