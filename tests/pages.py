"""What the pages tell a reader to type, and typing it as a reader does."""

import os
import re
import subprocess
import sys
from pathlib import Path


def printed_commands(page: Path, heading: str) -> list[str]:
    """The commands of the one console block under a heading."""
    (section,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (block,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def persons_environment(folder: Path) -> dict[str, str]:
    """Of somebody who has activated .venv in a clone; `gristmill` is that clone's, and git knows who they are."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(folder / "src"),
        "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site"),
        **{f"GIT_{who}_{what}": "person" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }


def type_in(folder: Path, command: str, **environment: str) -> str:
    """What a command prints to either stream, typed at a shell's prompt; it must end well."""
    done = subprocess.run(  # noqa: S602 - as a person's shell reads it
        command,
        cwd=folder,
        env={**persons_environment(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        shell=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout
