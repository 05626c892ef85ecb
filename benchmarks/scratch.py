"""A scratch repository of the last commit's code, and commands in it that are timed line by line."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gristmill.data.manifest import Role
from gristmill.data.progress import progress_bars
from gristmill.data.sources import fetch_batch
from gristmill.runs.repository import Repository
from gristmill.runs.sourcing import source_cache, source_settings

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


class Line(NamedTuple):
    """A line that a command printed."""

    second: float
    """Since the command began."""
    text: str


class Done(NamedTuple):
    """A command that has ended."""

    seconds: float
    lines: list[Line]


@contextmanager
def scratch_repository() -> Iterator["Scratch"]:
    """The code of HEAD as a repository of its own: no data, no branch `mill`, no versions."""
    with tempfile.TemporaryDirectory(prefix="gristmill-benchmark-") as folder:
        root = Path(folder) / "repository"
        for args in (
            ("init", "--quiet", "--initial-branch=main", str(root)),
            ("-C", str(root), "fetch", "--quiet", "--no-tags", str(ROOT), "HEAD"),
            ("-C", str(root), "reset", "--quiet", "--hard", "FETCH_HEAD"),
        ):
            subprocess.run(["git", *args], check=True)
        yield Scratch(root)


class Scratch:
    """One scratch repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, **environment: str) -> Done:
        """Run a command to its end, and note when each line came.

        Raises:
            RuntimeError: it failed; its last lines follow.
        """
        began = time.perf_counter()
        with subprocess.Popen(
            command,
            cwd=self.root,
            env={**self.environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            lines = [Line(time.perf_counter() - began, line.rstrip()) for line in process.stdout]
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            tail = "\n".join(line.text for line in lines[-30:])
            raise RuntimeError(f"`{' '.join(command)}` ended with exit code {process.returncode}:\n{tail}")
        return Done(seconds, lines)

    def gristmill(self, *args: str, **environment: str) -> Done:
        """A verb, as a person types it."""
        return self.run(str(BIN / "gristmill"), *args, **environment)

    def dvc(self, *args: str) -> Done:
        """DVC, as a person types it."""
        return self.run(str(BIN / "dvc"), *args)

    def environment(self) -> dict[str, str]:
        """The code of this repository, this Python's programs, and no server of anybody else's."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GIT_"))}
        return {
            **clean,
            "PATH": os.pathsep.join([str(BIN), clean.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join([str(self.root / "src"), str(self.root)]),
            "PYTHONUNBUFFERED": "1",
            "DVC_NO_ANALYTICS": "1",
        }


def declared_parts(workload: str, role: Role = "train") -> list[Path]:
    """The files of a workload's declared source, fetched into the repository's own cache if they are not there yet."""
    repository = Repository(ROOT)
    batches = source_settings(repository.workload(workload)).batches
    with progress_bars() as report:
        batch = next(batch for batch in batches if batch.role == role)
        return list(fetch_batch(batch, source_cache(repository), report).parts)
