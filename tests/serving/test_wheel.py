"""The serving code as a wheel."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from gristmill.serving.wheel import ServingCodeError, closure, code_sha256, write_wheel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A package `gristmill` in small: service.py needs app, app needs ground; nobody who serves needs the registry."""
    files = {
        "service.py": "import os\nfrom gristmill.app import main\n",
        "gristmill/__init__.py": '"""The mill."""\n',
        "gristmill/app.py": (
            "from typing import TYPE_CHECKING\nimport numpy\nfrom gristmill import ground\n"
            "if TYPE_CHECKING:\n    from gristmill import registry\n"
            "def main():\n    from .ground.files import read\n    return read()\n"
        ),
        "gristmill/ground/__init__.py": '"""What all stand on."""\n',
        "gristmill/ground/files.py": "def read():\n    return 'read'\n",
        "gristmill/ground/process.py": "",
        "gristmill/registry.py": "",
        "gristmill/named/__init__.py": "from gristmill.named.inside import answer\n",
        "gristmill/named/inside.py": "answer = 42\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def test_it_holds_what_is_imported_at_any_depth_and_nothing_else(sources: Path) -> None:
    modules = closure(sources / "service.py", ["gristmill.named"], sources)
    assert list(modules) == [
        "gristmill/__init__.py",
        "gristmill/app.py",
        "gristmill/ground/__init__.py",
        "gristmill/ground/files.py",
        "gristmill/named/__init__.py",
        "gristmill/named/inside.py",
    ]


def test_an_edit_changes_the_hash_where_it_is_served_and_only_there(sources: Path) -> None:
    def serving_sha256() -> str:
        return code_sha256(closure(sources / "service.py", [], sources))

    before = serving_sha256()
    (sources / "gristmill/registry.py").write_text("changed = True\n", "utf-8")
    (sources / "gristmill/__init__.py").write_text("def __getattr__(name):\n    raise AttributeError\n", "utf-8")
    assert serving_sha256() == before
    (sources / "gristmill/ground/files.py").write_text("def read():\n    return 'mended'\n", "utf-8")
    assert serving_sha256() != before


def test_a_root_that_does_not_exist_is_named(sources: Path) -> None:
    with pytest.raises(ServingCodeError, match=r"gristmill\.kinds\.sounds\.answers"):
        closure(sources / "service.py", ["gristmill.kinds.sounds.answers"], sources)


def test_the_same_code_gives_the_same_bytes_at_another_time(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = closure(sources / "service.py", [], sources)
    (sources / "a").mkdir()
    (sources / "b").mkdir()
    first = write_wheel(sources / "a", modules)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    second = write_wheel(sources / "b", modules)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_its_record_names_every_file_with_its_size(sources: Path) -> None:
    wheel = write_wheel(sources, closure(sources / "service.py", [], sources))
    with zipfile.ZipFile(wheel) as opened:
        record = next(name for name in opened.namelist() if name.endswith("RECORD"))
        listed = [line.split(",") for line in opened.read(record).decode().splitlines()]
        assert {name for name, _, _ in listed} == set(opened.namelist())
        assert all(int(size) == opened.getinfo(name).file_size for name, _, size in listed if size)


def test_python_imports_from_it_where_the_package_is_not_installed(sources: Path) -> None:
    wheel = write_wheel(sources, closure(sources / "service.py", [], sources))
    code = "import gristmill.ground.files as files; print(files.read(), files.__file__)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(wheel)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.split() == ["read", f"{wheel}/gristmill/ground/files.py"]


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_the_real_serving_code_is_only_what_serving_needs(kind: str) -> None:
    named = [f"gristmill.kinds.{kind}.answers", f"gristmill.kinds.{kind}.tensors"]
    modules = closure(ROOT / "services" / "service.py", named, ROOT / "src")
    rooms = {"/".join(path.split("/")[1:3]) for path in modules if path.count("/") > 1}
    assert {room.split("/")[0] for room in rooms} <= {"ground", "kinds", "serving"}
    assert not any(other in path for path in modules for other in {"images", "tabular"} - {kind} if "kinds/" in path)
    assert not {"gristmill/serving/bundle.py", "gristmill/serving/wheel.py", "gristmill/ground/pipeline.py"} & set(
        modules
    )
