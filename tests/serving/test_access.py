"""Tokens: from a file that only its owner reads, several at once, and taken over without a restart."""

import os
from pathlib import Path

import pytest

from gristmill.serving import access as access_module
from gristmill.serving.access import Access, TokenFileError, from_environment

OLD, NEW = "an-old-token-of-ours", "a-new-token-of-ours"


def write(path: Path, *tokens: str, mode: int = 0o600) -> Path:
    path.write_text("# ours\n\n" + "".join(f"{token}\n" for token in tokens), "utf-8")
    path.chmod(mode)
    return path


def allows(access: Access, token: str, path: str = "/predict") -> bool:
    return access.allows(path, f"Bearer {token}".encode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "tokens", OLD)


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "_LOOK_S", 0.0)


def test_without_a_file_everybody_may_ask() -> None:
    access = Access(None)
    assert access.allows("/predict", b"") and not access.is_guarded


def test_tokens_are_rotated_without_a_restart(file: Path) -> None:
    access = Access(file)
    assert allows(access, OLD) and not allows(access, NEW)
    write(file, OLD, NEW)
    assert allows(access, OLD) and allows(access, NEW)
    write(file, NEW)
    assert not allows(access, OLD) and allows(access, NEW)


@pytest.mark.parametrize("wrong", ["", OLD[:-1], OLD + "x", OLD.upper(), f"{OLD},{NEW}", "# ours"])
def test_what_is_no_token_is_refused(file: Path, wrong: str) -> None:
    assert not allows(Access(file), wrong)
    assert not Access(file).allows("/predict", OLD.encode())
    assert not Access(file).allows("/predict", b"Bearer \xff\xfe")


@pytest.mark.parametrize(
    ("tokens", "mode", "sentence"),
    [
        ([OLD], 0o644, r"can be read by others \(mode 644\): `chmod 600"),
        ([OLD], 0o620, "can be read by others"),
        ([], 0o600, "holds no token; .*secrets"),
        (["short"], 0o600, "holds 1 that could be guessed"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path, tokens: list[str], mode: int, sentence: str) -> None:
    with pytest.raises(TokenFileError, match=sentence) as refused:
        Access(write(tmp_path / "tokens", *tokens, mode=mode))
    assert OLD not in str(refused.value) and "short" not in str(refused.value)
    with pytest.raises(TokenFileError, match="cannot be read"):
        Access(tmp_path / "nowhere")


def test_a_file_that_is_spoilt_later_leaves_the_tokens_from_before_and_is_complained_of_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(file)
    write(file, NEW, mode=0o644)
    assert allows(access, OLD) and not allows(access, NEW)
    assert allows(access, OLD)
    file.unlink()
    assert allows(access, OLD)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "chmod 600" in told[0] and "hold on" in told[1]


def test_the_environment_says_which_file_and_what_is_open(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_TOKENS", os.fspath(file))
    monkeypatch.setenv("GRISTMILL_OPEN", "/metrics,/docs")
    access = from_environment()
    assert access.allows("/metrics", b"") and access.allows("/docs", b"") and not access.allows("/model", b"")
    monkeypatch.delenv("GRISTMILL_TOKENS")
    assert from_environment().allows("/model", b"")
