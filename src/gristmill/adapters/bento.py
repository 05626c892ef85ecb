"""BentoML's builder: a folder in, an archive out; without a network, and the same bytes for the same input.

BentoML runs as a process of its own, with a store of its own that is thrown away: it keeps its configuration in globals,
imports the service under the name `service`, and would otherwise share a store with whatever else a person builds. Two
things that it writes differ from build to build, its creation time and the times in the archive; both are fixed here,
so that a package that is made again is the same package.
"""

import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.lifetime import dying_with_caller

_FIXED_TIME = "1980-01-01T00:00:00+00:00"
_TIMEOUT_S = 300


class BentoError(GristmillError):
    """BentoML could not build."""

    def __init__(self, tag: str, problem: str) -> None:
        super().__init__(tag, problem)

    def __str__(self) -> str:
        tag, problem = self.args
        return f"BentoML could not build {tag}: {problem}."


def build_bento(context: Path, name: str, version: str, target: Path) -> None:
    """Build the Bento that `context`/bentofile.yaml describes and write it as an archive that `bentoml import` reads.

    Args:
        context: a folder with bentofile.yaml and all that it includes.
        name: of the Bento; with `version` its tag.
        version: lower-case letters, digits, dots and dashes.
        target: the archive, `.bento`.

    Raises:
        BentoError: BentoML refused; its last words are kept.
    """
    with tempfile.TemporaryDirectory(prefix="gristmill-bento-") as scratch:
        command = [sys.executable, "-m", "bentoml", "build", str(context), "-f", str(context / "bentofile.yaml")]
        command += ["--name", name, "--version", version, "--output", "tag"]
        try:
            done = subprocess.run(
                [*dying_with_caller(), *command],
                env=_environment(Path(scratch)),
                cwd=scratch,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BentoError(f"{name}:{version}", f"it did not end within {_TIMEOUT_S} s") from error
        built = Path(scratch) / "bentos" / name / version
        if done.returncode != 0 or not built.is_dir():
            raise BentoError(f"{name}:{version}", " ".join((done.stderr or done.stdout).split())[-1000:])
        _fix_creation_time(built / "bento.yaml")
        _archive(built, target)


def _environment(home: Path) -> dict[str, str]:
    # BentoML looks for `uv` on PATH, and installs it into the environment where it finds none.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        **os.environ,
        "PATH": path,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "GRISTMILL_SERVING": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "UV_OFFLINE": "1",
    }


def _fix_creation_time(bento_yaml: Path) -> None:
    text, n_replaced = re.subn(
        r"(?m)^creation_time: .*$", f"creation_time: '{_FIXED_TIME}'", bento_yaml.read_text("utf-8")
    )
    assert n_replaced == 1, "BentoML writes one creation_time"
    bento_yaml.write_text(text, "utf-8")


def _archive(folder: Path, target: Path) -> None:
    with lzma.open(target, "wb", preset=1) as compressed, tarfile.open(fileobj=compressed, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()) or "__pycache__" in path.parts:
                continue
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                content = path.read_bytes()
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
