"""Landing: append-only, idempotent, safe in company."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gristmill.adapters.git import NoCommitError
from gristmill.registry.mill import MillCheckedOutError
from gristmill.runs.landing import LandingError, land, landing_md5
from gristmill.runs.repository import Repository

MakeFile = Callable[[str, str], Path]


def batches_on_mill(repository: Repository, workload: str) -> set[str]:
    landing = repository.mill.read(f"data/{workload}/landing.dvc")
    assert landing is not None
    return {path.split("/")[1] for path in repository.dvc.listing(landing_md5(landing))}


def test_a_batch_lands_as_received_with_a_manifest_and_one_commit(repository: Repository, make_file: MakeFile) -> None:
    landed = land(repository, repository.workload("credit-risk"), [make_file("a.csv", "x,y\n1,2\n")], origin="a test")
    pointer = repository.mill.read("data/credit-risk/landing.dvc")
    assert landed.is_new and pointer is not None
    listing = repository.dvc.listing(landing_md5(pointer))
    names = {path.split("/", 2)[2] for path in listing}
    assert names == {"a.csv", "manifest.json", "0001-check.json"}
    manifest = json.loads(
        repository.dvc.object_path(next(v for k, v in listing.items() if k.endswith("manifest.json"))).read_text()
    )
    assert manifest["batch"] == landed.manifest.batch
    assert manifest["origin"] == "a test"
    assert repository.mill.read("models/credit-risk/champion.dvc") is not None


def test_the_same_batch_landed_twice_makes_no_second_commit(repository: Repository, make_file: MakeFile) -> None:
    workload = repository.workload("credit-risk")
    land(repository, workload, [make_file("a.csv", "x\n1\n")])
    tip = repository.mill.tip()
    again = land(repository, workload, [make_file("renamed.csv", "x\n1\n")])
    assert not again.is_new
    assert repository.mill.tip() == tip


def test_four_simultaneous_landings_all_survive(repository: Repository, make_file: MakeFile) -> None:
    workload = repository.workload("credit-risk")
    files = [make_file(f"{n}.csv", f"x\n{n}\n") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        landed = list(pool.map(lambda file: land(Repository(repository.root), workload, [file]), files))
    assert batches_on_mill(repository, "credit-risk") == {one.manifest.batch for one in landed}
    assert len({one.manifest.batch for one in landed}) == 4


def test_landing_leaves_the_persons_tree_index_and_branch_alone(repository: Repository, make_file: MakeFile) -> None:
    before = repository.git.commit_of("HEAD")
    (repository.root / "README.md").write_text("an edit in progress")
    land(repository, repository.workload("mnist"), [make_file("a.csv", "x\n1\n")])
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=repository.root, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[1] for line in status.splitlines()] == ["README.md"]
    assert repository.git.commit_of("HEAD") == before
    assert not (repository.state / "worktrees").exists() or not list((repository.state / "worktrees").iterdir())


def test_a_missing_file_is_named_and_nothing_lands(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=r"nowhere\.csv does not exist"):
        land(repository, repository.workload("mnist"), [tmp_path / "nowhere.csv"])
    assert repository.mill.tip() is None


def test_a_repository_without_commits_says_what_to_type(tmp_path: Path, todays_code: Path, make_file: MakeFile) -> None:
    subprocess.run(["git", "checkout", "-q", "--orphan", "empty"], cwd=todays_code, check=True)
    repository = Repository(todays_code)
    with pytest.raises(NoCommitError, match="git add -A && git commit"):
        land(repository, repository.workload("mnist"), [make_file("a.csv", "x\n")])


def test_landing_is_refused_while_somebody_has_mill_checked_out(repository: Repository, make_file: MakeFile) -> None:
    workload = repository.workload("mnist")
    land(repository, workload, [make_file("a.csv", "x\n1\n")])
    tip = repository.mill.tip()
    subprocess.run(["git", "switch", "-q", "mill"], cwd=repository.root, check=True)
    with pytest.raises(MillCheckedOutError, match="git switch --detach mill"):
        land(repository, workload, [make_file("b.csv", "x\n2\n")])
    assert repository.mill.tip() == tip


def test_a_fresh_clone_goes_on_where_origin_is(repository: Repository, make_file: MakeFile, tmp_path: Path) -> None:
    land(repository, repository.workload("mnist"), [make_file("a.csv", "x\n1\n")])
    subprocess.run(["git", "clone", "-q", str(repository.root), str(tmp_path / "clone")], check=True)
    clone = Repository(tmp_path / "clone")
    (clone.root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {repository.cache}\n")
    land(clone, clone.workload("mnist"), [make_file("b.csv", "x\n2\n")])
    assert len(batches_on_mill(clone, "mnist")) == 2
    assert clone.git.log("refs/heads/mill", "%H")[-1] == repository.git.log("refs/heads/mill", "%H")[-1]


def test_a_persons_git_settings_change_nothing(
    repository: Repository, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-checkout", "reference-transaction", "commit-msg"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f"[core]\n hooksPath = {hooks}\n autocrlf = true\n[commit]\n gpgSign = true\n[tag]\n gpgSign = true\n"
        "[gpg]\n program = /bin/false\n[user]\n useConfigOnly = true\n[log]\n showSignature = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    landed = land(repository, repository.workload("mnist"), [make_file("a.csv", "x\n1\n")])
    assert landed.is_new


def test_a_landing_killed_at_any_moment_keeps_the_file_and_the_next_one_succeeds(
    repository: Repository, make_file: MakeFile
) -> None:
    file = make_file("a.csv", "x\n1\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom gristmill.runs.landing import land\n"
        "from gristmill.runs.repository import Repository\n"
        "r = Repository(Path(sys.argv[1]))\nland(r, r.workload('mnist'), [Path(sys.argv[2])])\n"
    )
    for delay in (0.15, 0.4, 0.8):
        process = subprocess.Popen([sys.executable, "-c", code, str(repository.root), str(file)])
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert file.exists()
    land(repository, repository.workload("mnist"), [file])
    assert len(batches_on_mill(repository, "mnist")) == 1
    assert not [p for p in (repository.state / "worktrees").iterdir() if p.is_dir()]
