"""A stage process refuses to work, or to say that it is done, where its result would be a lie in the run cache."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gristmill
from gristmill.ground.pipeline import StageDefinition
from gristmill.ground.process import (
    GroundError,
    check_imported_from,
    check_libraries,
    check_unchanged,
    installed_release,
    leave_other_trees,
    snapshot,
)

TODAY = Path(gristmill.__file__).resolve().parents[2]
DEFINITION = StageDefinition("train@w", ("src", "data/w"), (), (), (("params/w.yaml", "train"),), (), "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("src/code.py", "data/w/rows", "params/w.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("train: {epochs: 6}\ngate: {margin: 0.1}\n")
    return tmp_path


def test_code_of_another_tree_is_refused_with_the_variable_to_set(tmp_path: Path) -> None:
    check_imported_from(TODAY)
    with pytest.raises(GroundError, match=rf"would run the code in {TODAY}.*Set PYTHONPATH={tmp_path}/src"):
        check_imported_from(tmp_path)


def test_a_stage_process_ends_where_the_gristmill_it_imported_lies_elsewhere(todays_code: Path) -> None:
    command = [sys.executable, "-m", "gristmill.stages", "ingest", "credit-risk"]
    environment = {**os.environ, "PYTHONPATH": str(TODAY / "src")}
    done = subprocess.run(command, cwd=todays_code, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ingest@credit-risk: the stage would run the code in")
    assert "Traceback" not in done.stderr


def test_a_package_of_another_tree_beside_gristmill_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other, plain = tmp_path / "own" / "src", tmp_path / "other" / "src", tmp_path / "site-packages"
    for tree in (own, other):
        (tree / "gristmill" / "ground").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(other), str(own), str(plain)])
    leave_other_trees(tmp_path / "own")
    assert sys.path == [str(own), str(plain)]


def test_another_release_of_a_deciding_library_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    (tmp_path / "versions.yaml").write_text('numpy: "1.0"\nno-such-library: "2.0"\n')
    with pytest.raises(
        GroundError, match=rf"numpy is {np.__version__}, declared 1\.0; .*not installed.*`gristmill pin`"
    ):
        check_libraries(tmp_path, ["numpy", "no-such-library"])
    (tmp_path / "versions.yaml").write_text(f'numpy: "{np.__version__}"\n')
    check_libraries(tmp_path, ["numpy"])


def test_a_library_that_versions_yaml_does_not_declare_is_refused(tmp_path: Path) -> None:
    (tmp_path / "versions.yaml").write_text("{}\n")
    with pytest.raises(GroundError, match="declared None"):
        check_libraries(tmp_path, ["numpy"])


def test_build_labels_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.13.0+cpu")
    assert installed_release("torch") == "2.13.0"


def test_what_nobody_touched_is_unchanged_and_compiled_files_do_not_count(root: Path) -> None:
    before = snapshot(root, DEFINITION)
    (root / "src" / "__pycache__").mkdir()
    (root / "src" / "__pycache__" / "code.pyc").touch()
    check_unchanged(root, DEFINITION, before)


def other_size(path: Path) -> None:
    stat = path.stat()
    path.write_text("longer than it was, and by a good deal, so that its size differs from before")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def other_time(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def other_inode(path: Path) -> None:
    stat = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    copy.replace(path)


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [other_size, other_time, other_inode, gone])
@pytest.mark.parametrize("name", ["src/code.py", "data/w/rows"])
def test_a_dependency_that_changed_while_the_stage_ran_is_named(root: Path, name: str, change: object) -> None:
    before = snapshot(root, DEFINITION)
    change(root / name)  # type: ignore[operator]
    with pytest.raises(GroundError, match=f"changed while the stage ran: {name}.*run it again"):
        check_unchanged(root, DEFINITION, before)


def test_a_new_file_in_a_dependency_counts_as_a_change(root: Path) -> None:
    before = snapshot(root, DEFINITION)
    (root / "data" / "w" / "more").touch()
    with pytest.raises(GroundError, match="data/w/more"):
        check_unchanged(root, DEFINITION, before)


def test_a_parameter_that_changed_while_the_stage_ran_is_named(root: Path) -> None:
    """DVC reads parameters when the command has ended, and would record the new value with the old value's result."""
    before = snapshot(root, DEFINITION)
    (root / "params" / "w.yaml").write_text("train: {epochs: 7}\ngate: {margin: 0.1}\n")
    with pytest.raises(GroundError, match=r"changed while the stage ran: train in params/w\.yaml"):
        check_unchanged(root, DEFINITION, before)


def test_another_stages_parameter_may_change_meanwhile(root: Path) -> None:
    before = snapshot(root, DEFINITION)
    (root / "params" / "w.yaml").write_text("train: {epochs: 6}\ngate: {margin: 0.2}\n")
    check_unchanged(root, DEFINITION, before)


def test_a_missing_dependency_says_which_verb_brings_it(root: Path) -> None:
    missing = StageDefinition("ingest@w", ("data/v",), (), (), (), (), "")
    with pytest.raises(GroundError, match=r"data/v does not exist.*`gristmill land`.*`gristmill pull`"):
        snapshot(root, missing)
