"""Bad input at the command line: one sentence that names what to do, exit code not 0, and everything as it was."""

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import clone_of, commit_all, copy_of_todays_code, git

from gristmill.adapters.git import Git
from gristmill.registry.mill import Mill
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

GRISTMILL = Path(sys.executable).parent / "gristmill"
IGNORED = {".git", ".gristmill", ".venv", "__pycache__"}


def gristmill(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The real command line, as a person types it."""
    return subprocess.run(
        [str(GRISTMILL), *args],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "COLUMNS"}, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def state_of(folder: Path) -> tuple[str, str, dict[str, str]]:
    """Branches and tags, git's status, and the bytes of every file that is not the mill's own state."""
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not IGNORED & set(path.relative_to(folder).parts) and ".dvc/tmp" not in str(path)
    }
    return git(folder, "for-each-ref"), git(folder, "status", "--porcelain"), files


def refused(folder: Path, *args: str, n_lines: int = 1, **env: str) -> str:
    """Type a command that must be refused; returns its sentence, once nothing is seen to have changed."""
    Mill(Git(folder)).tip()  # a clone's own branch is made from origin's at first sight; that is no change
    before = state_of(folder)
    done = gristmill(folder, *args, **env)
    assert done.returncode not in (0, -9), done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert state_of(folder) == before
    _, begins, sentence = done.stderr.rpartition("gristmill: ")
    assert begins and len(sentence.strip().splitlines()) == n_lines, done.stderr
    return sentence.strip()


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Today's code with one small batch landed; refusals leave it as it is, so tests share it."""
    folder = copy_of_todays_code(tmp_path_factory.mktemp("landed") / "repo")
    file = folder.parent / "first.csv"
    file.write_text("x\n1\n")
    repository = Repository(folder)
    land(repository, repository.workload("mnist"), [file])
    return folder


@pytest.fixture
def own(landed: Path, tmp_path: Path) -> Path:
    """A clone of it, to spoil."""
    return clone_of(landed, tmp_path / "own").root


def edit_params(folder: Path, workload: str, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "params" / f"{workload}.yaml"
    values = yaml.safe_load(path.read_text("utf-8"))
    edit(values)
    path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


@pytest.mark.parametrize("verb", ["land", "run", "versions", "history", "rollback", "resume", "serve"])
def test_an_unknown_workload_is_answered_with_the_nearest_name(landed: Path, verb: str) -> None:
    assert "Did you mean 'credit-risk'? Known: credit-risk, fashion-mnist, mnist." in refused(
        landed, verb, "credit-rsk"
    )


def test_a_name_like_no_other_gets_no_suggestion(landed: Path) -> None:
    sentence = refused(landed, "land", "zebra")
    assert "Did you mean" not in sentence and "Known: credit-risk" in sentence


@pytest.mark.parametrize("name", ["Credit_Risk", "a@b", "../x", "-", "x-", "credit risk"])
def test_a_name_that_the_rule_refuses_is_told_the_rule(landed: Path, name: str) -> None:
    sentence = refused(landed, "land", "--", name)
    assert f"'{name}' cannot name a workload: use lower-case letters, digits and inner dashes" in sentence


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("- a\n- b\n", "params.yaml: a mapping of sections is expected"),
        ("workloads: [mnist]\n", "params.yaml: expected a map 'workloads' of name: {kind: ...}"),
        ("workloads: {mnist: images}\n", "params.yaml: expected a map 'workloads' of name: {kind: ...}"),
        ("workloads: {mnist: {kind: sounds}}\n", "workloads.mnist.kind is 'sounds', allowed: images, tabular"),
        ("workloads: {Mnist: {kind: images}}\n", "'Mnist' cannot name a workload"),
        ("workloads: {mnist: {kind: images}\n", "params.yaml: not readable as YAML"),
        ("", "params.yaml: expected a map 'workloads'"),
    ],
)
def test_a_malformed_map_of_workloads_is_named(own: Path, params: str, expected: str) -> None:
    (own / "params.yaml").write_text(params)
    assert expected in refused(own, "status")


def test_a_workload_without_data_is_told_what_to_land(landed: Path) -> None:
    sentence = refused(landed, "run", "credit-risk")
    assert "`gristmill land credit-risk` for its declared source" in sentence
    assert "`gristmill land credit-risk FILE...` for your own" in sentence
    assert not list((landed / ".gristmill").glob("prefect-*")), "no server is started to say so"


@pytest.mark.parametrize("verb", [["serve"], ["rollback"], ["resume"]])
def test_without_a_model_each_verb_names_the_one_that_makes_it(landed: Path, verb: list[str]) -> None:
    assert "`gristmill land credit-risk`" in refused(landed, *verb, "credit-risk") or verb == ["serve"]
    assert "`gristmill run mnist` makes one" in refused(landed, "serve", "mnist")


def test_a_pull_before_anything_has_landed_says_so(todays_code: Path) -> None:
    assert "nothing has landed yet" in refused(todays_code, "pull")


def test_lists_are_answered_with_a_sentence_while_they_are_empty(todays_code: Path) -> None:
    assert gristmill(todays_code, "history").stdout.startswith("nothing has happened yet: `gristmill land")
    assert "has no version yet: `gristmill run mnist`" in gristmill(todays_code, "versions", "mnist").stdout
    assert "none: `gristmill land mnist`" in gristmill(todays_code, "status").stdout


def test_a_workload_that_declares_no_source_says_where_one_is_declared(own: Path) -> None:
    edit_params(own, "mnist", lambda values: values.update(source={}))
    assert "declares no source. Land your own files" in refused(own, "land", "mnist")


def with_mirrors(folder: Path, *mirrors: str) -> None:
    part = {"name": "a.csv", "sha256": "0" * 64, "mirrors": list(mirrors)}
    edit_params(
        folder, "credit-risk", lambda values: values.update(source={"batches": [{"role": "train", "parts": [part]}]})
    )


def test_when_no_mirror_can_be_reached_each_is_named_with_its_own_error(own: Path) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody_listens.getsockname()[1]}/a.csv"
        with_mirrors(own, address, "file:/nowhere/a.csv")
        first, *mirrors, mend = refused(own, "land", "credit-risk", n_lines=4).splitlines()
    assert first == "source: no mirror gave 'a.csv':"
    assert mirrors[0].startswith(f"  {address}: ") and "refused" in mirrors[0]
    assert mirrors[1] == "  file:/nowhere/a.csv: there is no file /nowhere/a.csv"
    assert "add a mirror that this machine can reach to source.batches in params/<workload>.yaml" in mend


def test_bytes_with_a_wrong_checksum_are_not_kept(own: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("other bytes")
    with_mirrors(own, f"file:{tmp_path / 'a.csv'}")
    sentence = refused(own, "land", "credit-risk", n_lines=3)
    got = hashlib.sha256(b"other bytes").hexdigest()
    assert f"wrong checksum: expected SHA-256 {'0' * 64}, got {got}" in sentence
    kept = [path for path in (own / ".gristmill" / "sources").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["lock"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_on_a_full_disk_nothing_lands_and_with_room_it_does(own: Path, small_disk: Path, tmp_path: Path) -> None:
    Mill(Git(own)).tip()
    git(tmp_path, "clone", "-q", str(own), str(small_disk / "repo"))
    repository = small_disk / "repo"
    big = tmp_path / "big.csv"
    big.write_bytes(os.urandom(48 << 20))
    sentence = refused(repository, "land", "fashion-mnist", str(big))
    assert (
        "the batch needs 52.8 MB on the disk" in sentence
        and "nothing landed, the files are where they were" in sentence
    )
    assert big.stat().st_size == 48 << 20
    objects = [path for path in (repository / ".dvc" / "cache" / "files").rglob("*") if path.is_file()]
    for path in objects:
        assert hashlib.md5(path.read_bytes()).hexdigest() == (path.parent.name + path.name).removesuffix(".dir")  # noqa: S324
    assert not [path for path in (repository / ".gristmill" / "worktrees").glob("*") if path.is_dir()]
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    done = gristmill(repository, "land", "fashion-mnist", str(big))
    assert done.returncode == 0 and "landed batch" in done.stdout, done.stderr


@pytest.mark.parametrize("verb", [["land", "mnist"], ["run", "mnist"]])
def test_a_repository_without_commits_says_what_to_type(own: Path, tmp_path: Path, verb: list[str]) -> None:
    subprocess.run(["git", "switch", "-q", "--orphan", "empty"], cwd=own, check=True)
    subprocess.run(["git", "restore", "-q", "--source=main", "--worktree", "."], cwd=own, check=True)
    files = [str(tmp_path / "a.csv")] if verb[0] == "land" else []
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert (
        refused(own, *verb, *files)
        == "the repository has no commit yet. Commit the code first: `git add -A && git commit`."
    )


def test_mill_checked_out_by_a_person_is_named_with_the_way_back(own: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n2\n")
    Mill(Git(own)).tip()
    git(own, "worktree", "add", "-q", str(tmp_path / "look"), "mill")
    for verb in (["land", "mnist", str(tmp_path / "a.csv")], ["run", "mnist"]):
        sentence = refused(own, *verb)
        assert f"{tmp_path / 'look'} has the branch 'mill' checked out" in sentence
        assert "`git switch -`" in sentence
    git(own, "worktree", "remove", str(tmp_path / "look"))
    git(own, "switch", "-q", "mill")
    assert f"{own} has the branch 'mill' checked out" in refused(own, "status")


def test_a_folder_that_is_no_git_repository_is_named(tmp_path: Path) -> None:
    done = gristmill(tmp_path, "status")
    assert done.returncode == 1
    assert done.stderr.startswith(f"gristmill: {tmp_path} is not inside a git repository. Clone Gristmill")


def test_a_repository_that_is_not_gristmills_is_named(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").touch()
    commit_all(tmp_path, "other work")
    assert "holds no dvc.yaml and params.yaml: it is not a Gristmill repository" in refused(tmp_path, "status")


def test_without_git_its_package_is_named(landed: Path, tmp_path: Path) -> None:
    assert refused(landed, "status", PATH=str(tmp_path)) == "git is not installed, or not on PATH: `apt install git`."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_not_called_missing(own: Path, tmp_path: Path) -> None:
    os.chown(own, 12345, 12345)
    os.chown(own / ".git", 12345, 12345)
    done = gristmill(own, "status", HOME=str(tmp_path), GIT_CONFIG_GLOBAL="/dev/null")
    os.chown(own, 0, 0)
    os.chown(own / ".git", 0, 0)
    assert "belongs to another user" in done.stderr and "safe.directory" in done.stderr


@pytest.mark.parametrize("name", ["manifest.json", "0001-drop.json"])
def test_a_part_with_a_name_of_the_mills_own_does_not_land(landed: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    assert "this name is the mill's own. Rename the file." in refused(landed, "land", "mnist", str(tmp_path / name))


@pytest.mark.parametrize("files", [["nowhere.csv"], ["empty"]])
def test_a_missing_file_and_an_empty_folder_are_named(landed: Path, tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert files[0] in refused(landed, "land", "mnist", *(str(tmp_path / file) for file in files))


def test_an_unknown_commit_is_named_before_anything_starts(landed: Path) -> None:
    assert "there is no commit 'nonsense'" in refused(landed, "run", "mnist", "--code", "nonsense")


def test_a_prefect_server_that_does_not_answer_is_named(landed: Path) -> None:
    url = "http://127.0.0.1:9/api"
    assert f"no Prefect server answers at {url} (PREFECT_API_URL)" in refused(
        landed, "run", "mnist", PREFECT_API_URL=url
    )


# With a model in production.


def test_versions_that_cannot_be_promoted_are_named(turned: Repository) -> None:
    why = ["--reason", "a test"]
    assert "has no version 'v9.9.9'. It has: v1.0.0." in refused(turned.root, "promote", "credit-risk", "v9.9.9", *why)
    sentence = refused(turned.root, "promote", "credit-risk", "v1.0.0", *why)
    assert sentence == "credit-risk v1.0.0 is in production already."


def test_a_promotion_without_a_reason_is_refused(turned: Repository) -> None:
    done = gristmill(turned.root, "promote", "credit-risk", "v1.0.0")
    assert done.returncode == 2 and "--reason" in done.stderr and "Traceback" not in done.stderr


def test_there_is_nothing_to_roll_back_to_and_nothing_to_resume(turned: Repository) -> None:
    sentence = refused(turned.root, "rollback", "credit-risk")
    assert "v1.0.0 has no predecessor in production" in sentence and "`gristmill versions credit-risk`" in sentence
    assert refused(turned.root, "resume", "credit-risk") == "credit-risk is not frozen: automatic promotion is on."


def test_a_port_in_use_is_named_with_the_option_that_chooses_another(turned: Repository) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sentence = refused(turned.root, "serve", "credit-risk", "--port", str(port))
    assert sentence == f"port {port} of 127.0.0.1 is in use. Choose another with --port, or end what listens there."


@pytest.mark.parametrize(
    ("section", "wrong", "missing", "expected"),
    [
        (
            "ingest",
            {"targets": "Class", "columns": {"Age": "number"}},
            "target",
            [
                "ingest@credit-risk: params/credit-risk.yaml: ",
                "ingest.target is missing",
                "ingest.targets is not a parameter of this section",
                "ingest.columns.Age is 'number': Input should be 'numeric', 'categorical' or 'date'",
            ],
        ),
        (
            "train",
            {"epochs": 0},
            "seed",
            [
                "train@credit-risk: params/credit-risk.yaml: train.epochs is 0: Input should be greater than or equal to 1",
            ],
        ),
    ],
)
def test_wrong_parameters_are_named_all_at_once_with_file_key_and_range(
    turned: Repository, section: str, wrong: dict[str, object], missing: str, expected: list[str]
) -> None:
    def spoil(values: dict[str, Any]) -> None:
        del values[section][missing]
        values[section].update(wrong)

    edit_params(turned.root, "credit-risk", spoil)
    commit_all(turned.root, "a typo, and worse")
    sentence = refused(turned.root, "run", "credit-risk")
    for part in expected:
        assert part in sentence


def test_a_malformed_suite_is_named_and_judges_nothing(turned: Repository) -> None:
    (turned.root / "expectations" / "credit-risk.json").write_text('{"name": "credit-risk", "expectations": []}')
    commit_all(turned.root, "no expectations")
    sentence = refused(turned.root, "run", "credit-risk")
    assert sentence.startswith("validate@credit-risk: expectations/credit-risk.json: expectations: it is empty")
    assert "no batch is judged until then" in sentence


@pytest.mark.parametrize(("name", "kind"), [("manifest.json", "manifest"), ("0001-drop.json", "decision")])
def test_a_malformed_file_beside_a_batch_stops_the_stage_with_its_name(own: Path, name: str, kind: str) -> None:
    gristmill(own, "pull")
    (manifest,) = (own / "data" / "mnist" / "landing").glob("*/*/manifest.json")
    file = manifest.with_name(name)
    file.unlink(missing_ok=True)  # a hard link into the cache
    file.write_text('{"decision": "dropp"}')
    done = subprocess.run(
        [sys.executable, "-m", "gristmill.stages", "ingest", "mnist"],
        cwd=own,
        env={**os.environ, "PYTHONPATH": str(own / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith(f"ingest@mnist: {file.relative_to(own)} cannot be read as a {kind}: ")
    assert not (own / "data" / "mnist" / "batches").exists()


# What is printed.


def test_history_fits_a_terminal_of_100_columns_in_two_lines_an_event(turned: Repository) -> None:
    lines = gristmill(turned.root, "history", COLUMNS="100").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    events = [line for line in lines if line[:3].strip().isdigit() or line[1:3].isdigit()]
    assert len(events) == 4
    assert len(lines) <= 4 * 2 + 4
    assert any("credit-risk" in line and "promoted" in line and "v1.0.0" in line for line in events)


def test_through_a_pipe_each_event_is_one_plain_line_with_nothing_cut(turned: Repository) -> None:
    heading, *events = gristmill(turned.root, "history").stdout.splitlines()
    assert heading.split() == ["when", "workload", "what", "version", "commit", "who", "why"]
    assert len(events) == 4
    assert not set("─│┃╭") & set("".join(events))
    assert any("promoted" in line and line.rstrip().endswith(".") and "..." not in line for line in events)


def test_status_fits_a_terminal_and_is_a_line_for_each_workload_in_a_pipe(turned: Repository) -> None:
    assert max(map(len, gristmill(turned.root, "status", COLUMNS="100").stdout.splitlines())) <= 100
    lines = gristmill(turned.root, "status").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["workload", "credit-risk", "fashion-mnist", "mnist"]
    assert "v1.0.0" in lines[1] and "PROMOTE" in lines[1] and "all milled" in lines[1]
