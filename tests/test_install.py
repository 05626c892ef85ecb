"""The set-up script, told by stubs of its tools: each fault is one sentence with the command that mends it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["bash", "cat", "dirname", "grep", "id", "rm", "touch", "mkdir", "cp", "chmod", "make"]

# One program plays python3 and the venv's python. What it is asked is kept in $CALLS; what it lacks is in $LACKS.
PYTHON = """#!/bin/bash
echo "$0 $*" >> "$CALLS"
lacks() { [[ " $LACKS " == *" $1 "* ]]; }
case "$*" in
  "-c import sys; sys.exit(sys.version_info < (3, 11))") ! lacks new ;;
  "-c import ensurepip, venv") ! lacks venv ;;
  *'print("%d.%d"'*) echo 3.11 ;;
  --version) echo "Python 3.9.2" ;;
  "-m venv "*) lacks room && { echo "No space left on device" >&2; exit 1; }
               mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-c import pip, sys;"*) ! lacks whole ;;
  *'version("torch")'*) [ -n "$TORCH" ] && echo "$TORCH" ;;
  *"--dry-run"*) lacks torch && { echo "ERROR: No matching distribution found" >&2; exit 1; }; cat "$REPORT" ;;
  *pip._vendor*) exec "$REAL" "$@" ;;
  *"--index-url"*) ! lacks index ;;
  *"-m pip"*setuptools) ! lacks setuptools ;;
  *"-m pip"*".[dev]"*) ! lacks everything ;;
  *"-m pip"*) true ;;
  *) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


def report(folder: Path, *needs: str) -> Path:
    """What pip would say that torch needs."""
    path = folder / "report.json"
    path.write_text(json.dumps({"install": [{"metadata": {"name": "torch", "requires_dist": list(needs)}}]}))
    return path


class Machine:
    """A machine that has what it is given, and a copy of what the script reads."""

    def __init__(self, folder: Path, without: tuple[str, ...] = (), lacks: str = "", gpu: bool = False) -> None:
        self.root = folder / "a clone"
        (self.root / "tools").mkdir(parents=True)
        for name in ("tools/install.sh", "constraints.txt", "pyproject.toml", "Makefile"):
            shutil.copy2(ROOT / name, self.root / name)
        self.path, self.calls = folder / "bin", folder / "calls"
        self.path.mkdir()
        self.calls.touch()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.path / tool).symlink_to(found)
        programs = {"python3": PYTHON, "git": "#!/bin/bash\n"}
        if gpu:
            programs["nvidia-smi"] = "#!/bin/bash\necho a GPU\n"
        for name in programs.keys() - set(without):
            (self.path / name).write_text(programs[name])
            (self.path / name).chmod(0o755)
        self.environment = {
            "PATH": str(self.path),
            "CALLS": str(self.calls),
            "LACKS": lacks,
            "REPORT": str(report(folder, "filelock")),
            "REAL": sys.executable,
            "TORCH": "",
        }

    def install(self, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.run("bash", str(self.root / "tools" / "install.sh"), env=env)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def pip(self) -> list[str]:
        """What pip was asked to install."""
        calls = self.calls.read_text().splitlines()
        return [call.split("-m pip -qq install ")[1] for call in calls if "-m pip -qq install " in call]


def fault(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a fault; a tool's own lines may stand before it."""
    assert done.returncode == 1, done.stdout + done.stderr
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("install: ") and done.stderr.count("install: ") == 1
    return last.removeprefix("install: ")


def test_with_everything_there_all_is_installed_pinned_and_torch_first(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert machine.pip() == [
        "-c constraints.txt setuptools",
        "--dry-run --no-deps --ignore-installed --report - torch==2.13.0",
        "--no-deps torch==2.13.0",
        "-c constraints.txt --no-build-isolation -e .[dev]",
    ]
    assert (machine.root / ".venv" / ".installed").exists()


def test_the_setuptools_that_builds_the_package_is_pinned_too() -> None:
    assert any(line.startswith("setuptools==") for line in (ROOT / "constraints.txt").read_text().splitlines())


def test_without_python_the_package_is_named(tmp_path: Path) -> None:
    sentence = fault(Machine(tmp_path, without=("python3",)).install())
    assert sentence.startswith("there is no 'python3': `") and "apt install python3 python3-venv`" in sentence
    assert ("sudo" in sentence) == (os.geteuid() != 0)


def test_another_python_can_be_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert "there is no 'python3.99'" in fault(machine.install({"PYTHON": "python3.99"}))
    (machine.path / "python3.99").symlink_to(machine.path / "python3")
    assert machine.install({"PYTHON": "python3.99"}).returncode == 0


@pytest.mark.parametrize(
    ("lacks", "expected"),
    [
        (
            "new",
            "Python 3.9.2 is too old, 3.11 or newer is needed: install one and name it, as in `make install PYTHON=",
        ),
        ("venv", "apt install python3.11-venv` (where apt does not find it, `apt update` first)"),
        ("room", ".venv could not be made; the lines above say why. Mend that, `rm -rf .venv`"),
        ("whole", ".venv is broken, or of an older Python: `rm -rf .venv`, then `make install`"),
        ("setuptools", "pip could not install even setuptools"),
        ("torch", "pip cannot find torch==2.13.0; its lines above say why. Behind a proxy or a mirror"),
        (
            "everything",
            "pip could not install everything; its lines above say why. Mend that, then type `make install`",
        ),
    ],
)
def test_each_fault_is_one_sentence_with_what_mends_it(tmp_path: Path, lacks: str, expected: str) -> None:
    machine = Machine(tmp_path, lacks=lacks)
    assert expected in fault(machine.install())
    assert not (machine.root / ".venv" / ".installed").exists()
    assert machine.install({"LACKS": ""}).returncode == 0, "once mended, it goes on"


def test_without_git_its_package_is_named(tmp_path: Path) -> None:
    assert "apt install git`" in fault(Machine(tmp_path, without=("git",)).install())


CUDA = ("filelock", 'nvidia-cublas; platform_system == "Linux"', 'triton; platform_system == "Linux"')


def test_a_machine_without_a_gpu_never_gets_a_cuda_build(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    cuda = {"REPORT": str(report(tmp_path, *CUDA))}
    sentence = fault(machine.install(cuda))
    assert "this machine has no GPU, and pip would fetch gigabytes of CUDA with torch==2.13.0" in sentence
    assert "`make install TORCH_INDEX=https://...`" in sentence
    assert not any(call.startswith("--no-deps torch") for call in machine.pip())


def test_cuda_named_for_other_machines_alone_is_no_reason_to_stop(tmp_path: Path) -> None:
    elsewhere = {
        "REPORT": str(report(tmp_path, 'nvidia-cublas; platform_system == "Elsewhere"', 'cuda-x; extra == "gpu"'))
    }
    assert Machine(tmp_path).install(elsewhere).returncode == 0


def test_a_machine_with_a_gpu_gets_the_cuda_build(tmp_path: Path) -> None:
    machine = Machine(tmp_path, gpu=True)
    done = machine.install({"REPORT": str(report(tmp_path, *CUDA))})
    assert done.returncode == 0 and "installing torch==2.13.0 with CUDA" in done.stdout
    assert "--no-deps torch==2.13.0" in machine.pip()


def test_a_named_index_gives_torch_and_nothing_else(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.install({"TORCH_INDEX": "https://torch.example/cpu"}).returncode == 0
    from_there = [call for call in machine.pip() if "torch.example" in call]
    assert from_there == ["--no-deps --index-url https://torch.example/cpu torch==2.13.0"]


def test_an_index_without_torch_is_named(tmp_path: Path) -> None:
    sentence = fault(Machine(tmp_path, lacks="index").install({"TORCH_INDEX": "https://torch.example/cpu"}))
    assert sentence.startswith("pip found no torch==2.13.0 at https://torch.example/cpu")


def test_a_torch_that_is_there_is_not_fetched_again_and_another_release_is(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.install({"TORCH": "2.13.0"}).returncode == 0
    assert not any("torch" in call for call in machine.pip())
    assert machine.install({"TORCH": "2.12.0"}).returncode == 0
    assert "--no-deps torch==2.13.0" in machine.pip()


def test_a_second_make_install_does_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run("make", "install").returncode == 0
    calls = machine.calls.read_text()
    again = machine.run("make", "install")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout
    assert machine.calls.read_text() == calls


def test_make_alone_tells_every_target_in_one_line() -> None:
    # as a person's own shell would call it: what `make test` tells its children must not reach this make
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    done = subprocess.run(["make"], cwd=ROOT, env=outside, capture_output=True, text=True, check=True)
    told = {line.split()[0]: line for line in done.stdout.splitlines()}
    declared = (ROOT / "Makefile").read_text().split(".PHONY:")[1].splitlines()[0].split()
    targets = [name for name in declared if (ROOT / "Makefile").read_text().count(f"\n{name}:")]
    assert sorted(told) == sorted(targets) == sorted(declared)
    assert all(len(line) <= 120 and len(line.split()) > 2 for line in told.values())
