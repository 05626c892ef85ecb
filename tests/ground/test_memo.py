"""The memo: what was made from the same things is found again, whole, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.ground.memo import KEPT_TURNS, Memo, open_memo
from gristmill.ground.pipeline import StageDefinition
from gristmill.ground.workload import Workload

DEFINITION = StageDefinition(
    name="validate@shop",
    deps=("src/code", "expectations/shop.json", "expectations/shop.profile.json", "data/shop/landing"),
    outs=(),
    figures=(),
    params=(("params/shop.yaml", "validate"), ("versions.yaml", "numpy")),
    libraries=("numpy",),
    command="",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "memo"


def remembered(folder: Path, content: bytes = b"a verdict", *batch: str) -> Path:
    """Keep a content under the key of a batch, in a turn of its own; the file that holds it."""
    memo = Memo(folder, "ground")
    memo.keep(memo.key(*(batch or ("b1",))), content)
    memo.settle()
    return next(folder.glob(f"{memo.key(*(batch or ('b1',)))}-*"))


def recalled(folder: Path, *batch: str, ground: str = "ground") -> bytes | None:
    memo = Memo(folder, ground)
    return memo.read(memo.key(*(batch or ("b1",))))


def test_the_same_batch_on_the_same_ground_is_remembered_and_no_other(folder: Path) -> None:
    remembered(folder)
    assert recalled(folder) == b"a verdict"
    assert recalled(folder, "b2") is None
    assert recalled(folder, ground="another") is None


def test_nothing_is_remembered_until_the_ground_was_found_unchanged(folder: Path) -> None:
    memo = Memo(folder, "ground")
    memo.keep(memo.key("b1"), b"a verdict")
    assert not folder.exists()
    memo.settle()
    assert recalled(folder) == b"a verdict"


def test_a_file_is_remembered_by_a_second_name_and_given_back_by_a_third(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.parquet"
    made.write_bytes(b"a table")
    memo = Memo(folder, "ground")
    memo.keep(memo.key("b1"), made)
    memo.settle()
    again = Memo(folder, "ground")
    assert again.link(again.key("b1"), tmp_path / "new" / "again.parquet")
    assert (tmp_path / "new" / "again.parquet").samefile(made)
    assert not again.link(again.key("b2"), tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()


def test_where_the_file_system_knows_no_links_files_are_copied(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    made = tmp_path / "made"
    made.write_bytes(b"a table")
    memo = Memo(folder, "ground")
    memo.keep(memo.key("b1"), made)
    memo.settle()
    again = Memo(folder, "ground")
    assert again.link(again.key("b1"), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"a table"


def _flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


@pytest.mark.parametrize(
    "damage", [_flip, lambda content: content[:-1], lambda content: b"", lambda content: content * 2]
)
def test_what_is_damaged_is_forgotten_and_never_given(
    damage: Callable[[bytes], bytes], folder: Path, tmp_path: Path
) -> None:
    for asks_for_a_file in (False, True):
        entry = remembered(folder)
        entry.write_bytes(damage(entry.read_bytes()))
        memo = Memo(folder, "ground")
        if asks_for_a_file:
            assert not memo.link(memo.key("b1"), tmp_path / "given")
        else:
            assert memo.read(memo.key("b1")) is None
        assert not entry.exists()
        assert not (tmp_path / "given").exists()


def test_an_entry_goes_when_the_last_turns_did_not_use_it(folder: Path) -> None:
    for batch in ("used", "unused"):
        remembered(folder, b"a verdict", batch)
    for _ in range(KEPT_TURNS + 1):
        memo = Memo(folder, "ground")
        assert memo.read(memo.key("used"))
        memo.settle()
    assert recalled(folder, "used")
    assert recalled(folder, "unused") is None
    assert len(list(folder.iterdir())) == 2  # the entry, and how long each was not used


def test_a_stage_that_used_an_entry_within_the_last_turns_finds_it(folder: Path) -> None:
    remembered(folder)
    for _ in range(3):
        for _ in range(KEPT_TURNS - 1):
            Memo(folder, "ground").settle()
        memo = Memo(folder, "ground")
        assert memo.read(memo.key("b1"))
        memo.settle()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": null}', '{"a": "b"}'])
def test_damage_to_the_account_of_use_costs_nothing_but_age(content: str, folder: Path) -> None:
    remembered(folder)
    (folder / "unused.json").write_text(content)
    Memo(folder, "ground").settle()
    assert recalled(folder) == b"a verdict"


def test_two_stages_at_once_keep_what_each_has_made(folder: Path) -> None:
    one, other = Memo(folder, "ground"), Memo(folder, "ground")
    for memo, batches in ((one, ("b1", "b2")), (other, ("b2", "b3"))):
        for batch in batches:
            memo.keep(memo.key(batch), batch.encode())
    one.settle()
    other.settle()
    assert [recalled(folder, batch) for batch in ("b1", "b2", "b3")] == [b"b1", b"b2", b"b3"]


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_stage(tmp_path: Path) -> None:
    (tmp_path / "memo").write_text("a file is in the way")
    memo = Memo(tmp_path / "memo", "ground")
    memo.keep(memo.key("b1"), b"a verdict")
    memo.settle()
    assert recalled(tmp_path / "memo") is None


@pytest.fixture
def shop(tmp_path: Path) -> Workload:
    for name in ("src/code/a.py", "expectations/shop.json", "expectations/shop.profile.json", "data/shop/landing/b1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "shop.yaml").write_text("validate: {max_bad_rows: .nan, 1: b}\nprepare: {}\n")
    (tmp_path / "versions.yaml").write_text("numpy: 2.4.6\npandas: 3.1.1\n")
    return Workload("shop", "tabular", tmp_path)


def key(workload: Workload, definition: StageDefinition = DEFINITION) -> str:
    return open_memo(workload, definition, [workload.landing]).key("b1")


@pytest.mark.parametrize(
    ("file", "content", "forgets"),
    [
        ("src/code/a.py", "2", True),
        ("src/code/new.py", "", True),
        ("src/code/__pycache__/a.pyc", "2", False),
        ("src/elsewhere.py", "2", False),
        ("expectations/shop.json", "2", True),
        ("expectations/shop.profile.json", "2", True),
        ("params/shop.yaml", "validate: {max_bad_rows: 0.5}\nprepare: {}\n", True),
        ("params/shop.yaml", "validate: {max_bad_rows: .nan, 1: b}\nprepare: {a: 1}\n", False),
        ("versions.yaml", "numpy: 2.5.0\npandas: 3.1.1\n", True),
        ("versions.yaml", "numpy: 2.4.6\npandas: 3.2.0\n", False),
        ("data/shop/landing/b1", "2", False),
        ("data/shop/landing/b2", "1", False),
    ],
)
def test_all_that_the_stage_depends_on_is_ground_but_what_belongs_to_a_batch(
    file: str, content: str, forgets: bool, shop: Workload
) -> None:
    before = key(shop)
    assert key(shop) == before
    (shop.root / file).parent.mkdir(exist_ok=True)
    (shop.root / file).write_text(content)
    assert (key(shop) != before) == forgets


def test_another_kind_or_stage_has_other_keys(shop: Workload) -> None:
    as_images = Workload("shop", "images", shop.root)
    as_ingest = DEFINITION.__class__(**{**DEFINITION.__dict__, "name": "ingest@shop"})
    assert len({key(shop), key(as_images), key(shop, as_ingest)}) == 3


def test_the_environment_may_name_the_folder(shop: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep() -> None:
        memo = open_memo(shop, DEFINITION, [shop.landing])
        memo.keep(memo.key("b1"), b"a verdict")
        memo.settle()

    keep()
    assert list((shop.root / ".gristmill" / "memo" / "shop" / "validate").iterdir())
    monkeypatch.setenv("GRISTMILL_MEMO", str(tmp_path / "elsewhere"))
    keep()
    assert list((tmp_path / "elsewhere" / "shop" / "validate").iterdir())
