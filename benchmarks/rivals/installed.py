"""What only a rival needs, in an environment of its own beside this one, so that nothing of it is ever a dependency of ours.

It sees the libraries of this environment too, and is kept in .gristmill/ until a requirement changes.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from benchmarks.scratch import ROOT
from gristmill.ground.files import content_sha256

_HERE = Path(__file__).resolve().parent


class NotInstalledError(Exception):
    """A rival that cannot be had here; the sentence says why."""


def python_with(rival: str) -> str:
    """The interpreter of an environment with the requirements in `<rival>.txt`.

    Raises:
        NotInstalledError: pip could not install them.
    """
    requirements = _HERE / f"{rival}.txt"
    libraries = sysconfig.get_paths()["purelib"]
    made_of = [sys.version, libraries, requirements.read_text("utf-8")]
    folder = ROOT / ".gristmill" / "benchmarks" / f"{rival}-{content_sha256(made_of)[:12]}"
    python = folder / "bin" / "python"
    if (folder / "whole").exists():
        return str(python)
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    site_packages = Path(sysconfig.get_paths(vars={"base": str(folder)})["purelib"])
    (site_packages / "libraries.pth").write_text(libraries + "\n", "utf-8")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*install, "-r", str(requirements)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalledError(f"{rival} cannot be installed: {' '.join(done.stderr.split())[-300:]}")
    (folder / "whole").touch()
    return str(python)
