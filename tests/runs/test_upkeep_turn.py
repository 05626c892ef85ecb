"""Upkeep beside real turns: what the cache lost is made again, and what gc leaves is all that a turn needs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import dvc, turn
from tests.recorded_turns import W

from gristmill.adapters.dvc import locked_output, read_lock
from gristmill.adapters.objects import object_path
from gristmill.runs.collection import collect
from gristmill.runs.integrity import check
from gristmill.runs.pulling import pull
from gristmill.runs.repository import Repository


@pytest.mark.skipif(not os.environ.get("GRISTMILL_PROVE"), reason="three real turns; `make prove` has them")
def test_a_turn_makes_again_what_the_cache_lost_and_finds_all_that_gc_has_left(
    turned: Repository, tmp_path: Path, prefect_api: str
) -> None:
    shutil.copytree(turned.cache, tmp_path / "cache")
    (turned.root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n    type = copy\n")
    repository = Repository(turned.root)
    stages = read_lock(repository.mill.read("dvc.lock"))
    for stage, path in (("gate", f"reports/{W}/report.html"), ("train", f"models/{W}/challenger")):
        out = locked_output(stages, f"{stage}@{W}", path)
        assert out is not None
        object_path(repository.cache, out["md5"]).unlink()
    mends = {re.search(r"`(git switch .*?)`", trouble.mend) for trouble in check(repository, []).troubles}
    [command] = {mend[1] for mend in mends if mend}
    path = f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH={repository.root / 'src'}"
    subprocess.run(["bash", "-ec", f"{path}\n{command}"], cwd=repository.root, check=True)
    assert check(repository, []).troubles == []

    assert "Unchanged" in turn(repository.root, W, prefect_api)  # evaluated against the new champion
    out = locked_output(read_lock(repository.mill.read("dvc.lock")), f"gate@{W}", f"reports/{W}/report.html")
    assert out is not None
    object_path(repository.cache, out["md5"]).unlink()
    assert f"`gristmill run {W}`" in check(repository, []).troubles[0].mend
    assert "the stages that make it run again" in turn(repository.root, W, prefect_api)
    assert check(repository, []).troubles == []

    plan = collect(repository, keep=1, shared_with=[repository.root], is_dry=False)
    assert plan.versions == []
    assert check(repository, []).troubles == []
    assert "Unchanged" in turn(repository.root, W, prefect_api)
    pull(repository)
    assert "up to date" in dvc(repository.root, "status", f"package@{W}")
