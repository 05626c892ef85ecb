"""BentoML's builder."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gristmill.adapters.bento import BentoError, build_bento

SERVICE = """
import bentoml

@bentoml.service(name="small")
class Small:
    @bentoml.api
    def double(self, number: float) -> float:
        return 2 * number
"""
BENTOFILE = """
service: "service:Small"
include: [service.py]
python: {requirements_txt: ./requirements.txt, lock_packages: false, pack_git_packages: false}
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "service.py").write_text(SERVICE, "utf-8")
    (folder / "bentofile.yaml").write_text(BENTOFILE, "utf-8")
    (folder / "requirements.txt").write_text("numpy\n", "utf-8")
    return folder


def test_the_same_folder_gives_the_same_bytes(context: Path, tmp_path: Path) -> None:
    build_bento(context, "small", "v1", tmp_path / "first.bento")
    for file in context.iterdir():
        os.utime(file, (1, 1))
    build_bento(context, "small", "v1", tmp_path / "second.bento")
    assert (tmp_path / "first.bento").read_bytes() == (tmp_path / "second.bento").read_bytes()


def test_bentoml_imports_what_was_built(context: Path, tmp_path: Path) -> None:
    build_bento(context, "small", "v1", tmp_path / "small.bento")
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "import", str(tmp_path / "small.bento")],
        env={**os.environ, "BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "bentos" / "small" / "v1" / "src" / "service.py").read_text("utf-8") == SERVICE


def test_no_place_or_time_of_the_build_is_in_it(context: Path, tmp_path: Path) -> None:
    build_bento(context, "small", "v1", tmp_path / "small.bento")
    with tarfile.open(tmp_path / "small.bento") as tar:
        for member in tar.getmembers():
            assert (member.mtime, member.uid, member.uname) == (0, 0, "")
            if member.isfile():
                content = tar.extractfile(member)
                assert content is not None
                assert str(tmp_path).encode() not in content.read()


def test_a_store_of_the_person_who_builds_is_left_alone(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "mine"))
    build_bento(context, "small", "v1", tmp_path / "small.bento")
    assert not (tmp_path / "mine").exists()


def test_what_bentoml_says_of_a_service_that_does_not_import_is_kept(context: Path, tmp_path: Path) -> None:
    (context / "service.py").write_text("import no_such_library\n", "utf-8")
    with pytest.raises(BentoError, match=r"could not build small:v1: .*no_such_library"):
        build_bento(context, "small", "v1", tmp_path / "small.bento")
    assert not (tmp_path / "small.bento").exists()
