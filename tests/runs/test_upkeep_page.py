"""docs/upkeep.md, typed: from the first copy to a new machine that has everything."""

import re
import subprocess
import sys
from pathlib import Path

from tests.cached_turns import model_of, object_of
from tests.conftest import ROOT, git

from gristmill.runs.repository import Repository


def test_what_the_page_says_is_what_happens(grown: Repository, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(grown.root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(grown.root, "config", "user.name", "Ada")
    git(grown.root, "config", "user.email", "ada@example.org")
    page = (ROOT / "docs" / "upkeep.md").read_text("utf-8")
    page = page.replace("/mnt/backup", str(tmp_path)).replace(
        "https://git.example.org/team/gristmill.git", str(tmp_path / "origin.git")
    )
    typed = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    assert typed.count("gristmill ") >= 8
    path = f"export PATH={Path(sys.executable).parent}:$PATH"
    done = subprocess.run(
        ["bash", "-ec", f"{path}\n{typed}"], cwd=grown.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    again = Repository(grown.root / "again")
    assert object_of(again, model_of("m1")).read_bytes() == model_of("m1")
    assert "nothing is amiss" in done.stdout and "nothing to remove" in done.stdout
