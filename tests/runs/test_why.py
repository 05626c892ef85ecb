"""`gristmill why` names what changed, with old and new value, and agrees with DVC about what would run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.applications import applications, write_applications
from tests.conftest import clone_of, commit_all, git, gristmill

from gristmill.adapters.dvc import Dvc, locked_output, read_lock
from gristmill.ground.workload import UnknownWorkloadError, WorkloadNameError
from gristmill.registry.aliases import Barred
from gristmill.registry.mill import Change
from gristmill.runs.landing import land
from gristmill.runs.pulling import pull
from gristmill.runs.repository import Repository
from gristmill.runs.why.answers import Answer, QuestionError, RenamedWorkloadError, explain
from gristmill.runs.why.words import answer_lines, overview_lines
from gristmill.runs.workspace import workspace, worktree

W = "credit-risk"
UNCOMMITTED = "(not committed: `gristmill run` will not see it)"
PARAMS = f"params/{W}.yaml"


@pytest.fixture
def repo(milled: Path, tmp_path: Path) -> Repository:
    """A clone in which the last turn made v1.0.0 and put it into production."""
    return clone_of(milled, tmp_path / "clone")


def why(repository: Repository, question: str) -> str:
    """What a person reads."""
    answers = explain(repository, question)
    asked = [answer for answer in answers if answer.name == question]
    return "\n".join(answer_lines(asked[0], answers) if asked else overview_lines(answers))


def answer(repository: Repository, stage: str) -> Answer:
    return next(one for one in explain(repository, W) if one.stage == stage)


def change(repository: Repository, path: str, old: str = "", new: str = "") -> None:
    """Edit a file of the working tree: replace text that is there, or add to its end."""
    file = repository.here / path
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1) if old else text + new, "utf-8")


def change_params(repository: Repository, edit: Callable[[dict[str, Any]], object]) -> None:
    file = repository.here / PARAMS
    values = yaml.safe_load(file.read_text("utf-8"))
    edit(values)
    file.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


def land_more(repository: Repository, tmp_path: Path) -> str:
    """Land a second batch; returns its id."""
    file = write_applications(tmp_path / "second.csv", applications(5, seed=2))
    return land(repository, repository.workload(W), [file]).manifest.batch


# Nothing runs


def test_a_stage_whose_inputs_are_as_they_were_is_up_to_date_and_says_since_when(repo: Repository) -> None:
    told = why(repo, f"train@{W}")
    assert told.startswith(f"train@{W} is up to date: a turn skips it\n")
    assert "the same code: " in told and "src/gristmill/training" in told
    assert f"the same parameters: train of {PARAMS}" in told
    assert "the same libraries: numpy " in told and "the same data: data/credit-risk/prepared (" in told
    assert f"code {git(repo.root, 'rev-parse', 'HEAD')[:8]}, recorded on mill by" in told


def test_an_edit_that_no_stage_depends_on_is_no_reason(repo: Repository) -> None:
    change(repo, "README.md", new="more")
    change(repo, "src/gristmill/cli.py", new="# more\n")
    assert answer(repo, "train").state == "up to date"


def test_where_nothing_has_landed_the_verb_that_lands_is_named(repo: Repository) -> None:
    told = why(repo, "train@mnist")
    assert told.startswith("train@mnist cannot run: nothing has landed for mnist\n")
    assert "`gristmill land mnist`" in told


def test_where_data_landed_and_no_turn_was_recorded_it_never_ran(repo: Repository, tmp_path: Path) -> None:
    land(repo, repo.workload("mnist"), [write_applications(tmp_path / "a.csv", applications(2, seed=3))])
    assert why(repo, "train@mnist") == "train@mnist has never run: `gristmill run mnist` runs it"


def test_a_workload_that_was_not_committed_never_ran_and_says_what_to_commit(repo: Repository, tmp_path: Path) -> None:
    for path in ("params/{}.yaml", "expectations/{}.json"):
        shutil.copy(repo.here / path.format(W), repo.here / path.format("loans"))
    change(repo, "params.yaml", new="  loans: {kind: tabular}\n")
    land(repo, repo.workload("loans"), [write_applications(tmp_path / "a.csv", applications(2, seed=3))])
    told = why(repo, "train@loans")
    assert told.startswith("train@loans has never run")
    assert "loans is in your params.yaml, but not in that of commit" in told and "Commit it first" in told


# What changed, with old and new value


def test_a_parameter_is_named_with_its_old_and_new_value(repo: Repository) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    assert f"  parameter train.epochs in {PARAMS}: 6 -> 12 {UNCOMMITTED}\n" in why(repo, f"train@{W}")
    commit_all(repo.root, "longer")
    told = why(repo, f"train@{W}")
    assert f"  parameter train.epochs in {PARAMS}: 6 -> 12\n" in told
    assert told.startswith(f"train@{W} would run (or come from the run cache, where exactly this ran before):\n")


def test_added_and_removed_parameters_and_words_of_a_list_are_told_apart(repo: Repository) -> None:
    def edit(values: dict[str, Any]) -> None:
        del values["train"]["seed"]
        values["train"]["patience"] = 3
        values["prepare"]["columns"]["Purpose"].append("Boat")

    change_params(repo, edit)
    train, prepare = why(repo, f"train@{W}"), why(repo, f"prepare@{W}")
    assert f"parameter train.patience in {PARAMS}: added, 3 " in train
    assert f"parameter train.seed in {PARAMS}: removed, it was " in train
    assert f"parameter prepare.columns.Purpose in {PARAMS}: Boat added {UNCOMMITTED}" in prepare


def write_rate_otherwise(repository: Repository) -> None:
    rate = yaml.safe_load((repository.here / PARAMS).read_text())["train"]["learning_rate"]
    change(repository, PARAMS, f"learning_rate: {rate}", f"learning_rate: {rate * 1000:g}e-3")


def test_another_way_of_writing_the_same_number_is_no_reason(repo: Repository) -> None:
    write_rate_otherwise(repo)
    assert answer(repo, "train").state == "up to date"


def test_a_library_is_named_with_its_releases(repo: Repository) -> None:
    change(repo, "versions.yaml", 'torch: "', 'torch: "1.')
    release = yaml.safe_load((repo.here / "versions.yaml").read_text())["torch"]
    assert f"  library torch: {release[2:]} -> {release} {UNCOMMITTED}" in why(repo, f"train@{W}")
    assert answer(repo, "prepare").state == "up to date"


def test_a_changed_command_is_shown_before_and_after(repo: Repository) -> None:
    change(
        repo, "dvc.yaml", "cmd: exec python -m gristmill.stages gate", "cmd: exec python -O -m gristmill.stages gate"
    )
    told = why(repo, f"gate@{W}")
    command = f"-m gristmill.stages gate {W}"
    assert f"  command in dvc.yaml: exec python {command} -> exec python -O {command} {UNCOMMITTED}" in told


def test_what_dvc_yaml_asks_for_anew_is_named_and_what_it_drops_is_no_reason(repo: Repository) -> None:
    change(
        repo, "dvc.yaml", "        - src/gristmill/training\n", "        - src/gristmill/training\n        - services\n"
    )
    change(repo, "dvc.yaml", "safetensors, torch]", "safetensors, torch, pandas]")
    change(
        repo,
        "dvc.yaml",
        "        - models/${key}/package",
        "        - models/${key}/package\n        - models/${key}/x",
    )
    told = why(repo, f"train@{W}")
    assert "dvc.yaml makes services a dependency, which it was not" in told
    assert "library pandas: added, " in told
    assert "dvc.yaml declares a new output: models/credit-risk/x" in why(repo, f"package@{W}")
    git(repo.root, "checkout", "-q", ".")
    change(repo, "dvc.yaml", "        - src/gristmill/training\n", "")
    assert answer(repo, "train").state == "up to date"


def test_a_changed_file_is_named_with_the_imports_that_lead_to_it(repo: Repository) -> None:
    change(repo, "src/gristmill/training/objective.py", new="# a thought\n")
    told = why(repo, f"train@{W}")
    chain = "stages/train.py -> training/objective.py"
    assert f"  src/gristmill/training/objective.py changed ({chain}) {UNCOMMITTED}\n" in told
    assert "    git diff " in told and " -- src/gristmill/training/objective.py\n" in told


@pytest.mark.parametrize(
    ("stage", "path", "how"),
    [
        ("train", "stages/train.py", "the stage itself"),
        ("train", "stages/__main__.py", "what starts every stage"),
        (
            "ingest",
            "kinds/tabular/records/dialect.py",
            "stages/ingest.py -> kinds/tabular/records/__init__.py -> kinds/tabular/records/settings.py -> ",
        ),
        ("evaluate", "kinds/tabular/tensors/settings.py", "kinds/tabular/tensors/__init__.py -> "),
    ],
)
def test_a_chain_begins_at_the_stage_and_follows_what_is_loaded_by_name(
    repo: Repository, stage: str, path: str, how: str
) -> None:
    change(repo, f"src/gristmill/{path}", new="# a thought\n")
    (line,) = (line for line in why(repo, f"{stage}@{W}").splitlines() if f"{path} changed (" in line)
    assert how in line


def test_files_that_came_and_went_are_told_and_one_that_nothing_imports(repo: Repository) -> None:
    (repo.here / "src/gristmill/training/idea.py").write_text("")
    (repo.here / "src/gristmill/training/checkpoints.py").unlink()
    change(repo, "services/bentofile.yaml", new="# more\n")
    told = why(repo, f"train@{W}")
    nobody = "in a folder that it depends on, though nothing imports it"
    assert f"src/gristmill/training/idea.py added ({nobody}) {UNCOMMITTED}" in told
    assert "src/gristmill/training/checkpoints.py removed (stages/train.py -> " in told
    assert "services/bentofile.yaml changed (a file that the stage reads) " in why(repo, f"package@{W}")


def test_what_git_ignores_is_no_reason(repo: Repository) -> None:
    cache = repo.here / "src/gristmill/training/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "objective.pyc").touch()
    assert answer(repo, "train").state == "up to date"


def test_changed_expectations_are_a_file_that_validate_reads(repo: Repository) -> None:
    change(repo, f"expectations/{W}.json", new="\n")
    told = why(repo, f"validate@{W}")
    assert f"expectations/{W}.json changed (a file that the stage reads) {UNCOMMITTED}" in told
    assert answer(repo, "ingest").state == "up to date"


def test_a_batch_that_landed_is_named_with_its_files(repo: Repository, tmp_path: Path) -> None:
    batch = land_more(repo, tmp_path)
    for stage in ("ingest", "validate"):
        assert f"  batch {batch} landed: second.csv (train)\n" in why(repo, f"{stage}@{W}")
    assert answer(repo, "train").state == "undecided"


def test_a_decision_about_a_batch_is_named_with_who_and_why(repo: Repository) -> None:
    tip = repo.mill.tip()
    assert tip is not None
    (landed,) = {Path(path).parent for path in repo.dvc.listing(data_version(repo))}
    pointer = f"data/{W}/landing.dvc"
    with worktree(repo, "decide", tip) as tree:
        file = tree / "data" / W / "landing" / landed / "0001-drop.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"decision": "drop", "actor": "Ada", "reason": "a test set", "at": "2026-01-01"}))
        Dvc(tree, repo.cache).add(str(file.relative_to(tree)))
        content = (tree / pointer).read_bytes()
    repo.mill.commit(lambda _: [Change("decide", {pointer: content})])
    told = f"  decision 0001-drop.json about batch {landed.name} (drop by Ada: a test set)\n"
    assert told in why(repo, f"validate@{W}")


def data_version(repository: Repository) -> str:
    content = repository.mill.read(f"data/{W}/landing.dvc")
    assert content is not None
    return str(yaml.safe_load(content)["outs"][0]["md5"])


def test_an_alias_that_moved_is_named_with_its_versions(repo: Repository) -> None:
    told = why(repo, f"evaluate@{W}")
    assert "  champion: none -> v1.0.0\n" in told and "  best: none -> v1.0.0\n" in told


def test_a_model_that_was_barred_is_a_reason_for_the_gate(repo: Repository) -> None:
    barred = Barred(({"model_sha256": "a", "version": "v1.0.0", "reason": "a customer complains"},))
    repo.mill.commit(lambda _: [Change("bar", {f"models/{W}/barred.json": barred.to_file()})])
    assert "  v1.0.0 was barred: a customer complains\n" in why(repo, f"gate@{W}")


# A stage before it


def test_a_stale_stage_before_it_is_the_root_of_the_answer_with_the_way_from_it(repo: Repository) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    told = why(repo, f"gate@{W}")
    assert told.startswith(f"gate@{W}: nothing of its own has changed; it would run if a stage before it ")
    assert "by way of train -> gate:\n" in told
    assert f"    parameter train.epochs in {PARAMS}: 6 -> 12 {UNCOMMITTED}\n" in told
    assert "by way of evaluate -> gate:\n    champion: none -> v1.0.0\n" in told


def test_all_stages_are_a_line_each(repo: Repository) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    lines = why(repo, W).splitlines()
    assert [line.split()[0] for line in lines[:7]] == [
        "ingest",
        "validate",
        "prepare",
        "train",
        "evaluate",
        "gate",
        "package",
    ]
    assert lines[2] == "prepare   up to date"
    assert lines[3] == f"train     would run: parameter train.epochs in {PARAMS}: 6 -> 12 {UNCOMMITTED}"
    assert lines[4] == "evaluate  would run: champion: none -> v1.0.0; and 1 more"
    assert lines[5] == "gate      would run if train, which would run, makes another result"


# Two doors


def test_a_stage_that_only_an_uncommitted_edit_makes_stale_says_which_door_it_is_behind(repo: Repository) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    assert f"train@{W} would run by `dvc repro` in your tree, and not by `gristmill run`" in why(repo, f"train@{W}")
    commit_all(repo.root, "longer")
    change(repo, PARAMS, "epochs: 12", "epochs: 6")
    told = why(repo, f"train@{W}")
    assert f"train@{W} would run by `gristmill run`, and not by `dvc repro` in your tree" in told
    assert "6 -> 12 (committed, and undone by an edit in your tree" in told
    change(repo, PARAMS, "epochs: 6", "epochs: 20")
    told = why(repo, f"train@{W}")
    assert "6 -> 12 (committed, and " in told and f"6 -> 20 {UNCOMMITTED}" in told


# What cannot be told, or is no reason


def test_a_result_that_the_cache_lacks_is_no_reason_and_says_what_happens(repo: Repository, tmp_path: Path) -> None:
    full, empty = repo.dvc, tmp_path / "empty"
    empty.mkdir()
    (repo.here / ".dvc" / "config.local").write_text(f'[cache]\n    dir = "{empty}"\n')
    told = why(Repository(repo.here), f"train@{W}")
    assert told.startswith(f"train@{W} is up to date")
    note = f"note: DVC's cache lacks models/{W}/challenger of the last turn. That is no reason to make it"
    assert note in told
    lock = read_lock(repo.mill.read("dvc.lock"))
    md5 = (locked_output(lock, f"train@{W}", f"models/{W}/challenger") or {})["md5"]
    listing = Dvc(repo.here, empty).object_path(md5)
    listing.parent.mkdir(parents=True)
    shutil.copy(full.object_path(md5), listing)
    assert note in why(Repository(repo.here), f"train@{W}"), "the list of its files alone is not the model"


def test_data_whose_list_the_cache_lacks_is_a_reason_without_names(repo: Repository, tmp_path: Path) -> None:
    land_more(repo, tmp_path)
    (repo.here / ".dvc" / "config.local").write_text(f'[cache]\n    dir = "{tmp_path / "empty"}"\n')
    assert "which batches, cannot be told: DVC's cache lacks the list" in why(Repository(repo.here), f"ingest@{W}")


def test_without_the_commit_that_ran_the_folder_is_named_and_the_commit(repo: Repository) -> None:
    assert repo.mill.tip() is not None  # a branch of this clone's own, that outlives its origin
    ran = git(repo.root, "rev-parse", "main")
    git(repo.root, "switch", "-q", "--orphan", "other")
    git(repo.root, "restore", "--source=main", "--worktree", ".")
    change(repo, "src/gristmill/training/objective.py", new="# a thought\n")
    commit_all(repo.root, "a history of its own")
    git(repo.root, "branch", "-qD", "main")
    git(repo.root, "tag", "-d", f"{W}@v1.0.0")
    git(repo.root, "remote", "remove", "origin")
    git(repo.root, "reflog", "expire", "--expire=now", "--all")
    git(repo.root, "prune", "--expire=now")
    git(repo.root, "repack", "-qad")
    told = why(repo, f"train@{W}")
    lacking = f"which file, cannot be told: this clone lacks the code of that turn (commit {ran[:8]})"
    assert f"src/gristmill/training changed; {lacking}" in told
    assert told.count(" changed; ") == 1


@pytest.mark.parametrize(
    ("question", "error", "sentence"),
    [
        (f"trian@{W}", QuestionError, f"there is no stage 'trian'. Did you mean 'train@{W}'?"),
        ("train", QuestionError, f"of which workload? Ask for one of train@{W}, "),
        ("train@credit-rsk", UnknownWorkloadError, f"Did you mean '{W}'?"),
        ("train@", WorkloadNameError, "cannot name a workload"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_could_be_meant(
    repo: Repository, question: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        explain(repo, question)
    assert sentence in str(raised.value)


def test_a_renamed_workload_is_told_under_its_old_name_and_under_its_new_one(repo: Repository) -> None:
    for path in ("params/{}.yaml", "expectations/{}.json"):
        (repo.here / path.format(W)).rename(repo.here / path.format("loans"))
    change(repo, "params.yaml", f"  {W}:", "  loans:")
    assert f"{W} is no longer in your params.yaml (not committed)" in why(repo, f"train@{W}")
    commit_all(repo.root, "loans")
    with pytest.raises(RenamedWorkloadError, match=f"the mill holds data of {W}.*Was it renamed"):
        explain(repo, f"train@{W}")
    told = why(repo, "train@loans")
    assert told.startswith("train@loans cannot run: nothing has landed for loans")
    assert f"was {W} renamed to loans?" in told


# For a program, and at the prompt


def test_json_has_the_same_keys_for_every_answer(repo: Repository) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    one = json.loads(gristmill(repo.root, "why", f"train@{W}", "--json").stdout)
    every = json.loads(gristmill(repo.root, "why", W, "--json").stdout)
    nothing = json.loads(gristmill(repo.root, "why", "train@mnist", "--json").stdout)
    assert every["workload"] == W and every["stages"][3] == one
    assert one.keys() == nothing.keys() == every["stages"][0].keys()
    assert list(one) == ["stage", "state", "runs_for", "sentence", "reasons", "causes", "proof", "notes", "turn"]
    (reason,) = one["reasons"]
    assert reason == {
        "what": "parameter",
        "name": "train.epochs",
        "change": "changed",
        "old": 6,
        "new": 12,
        "sentence": f"parameter train.epochs in {PARAMS}: 6 -> 12",
        "via": [],
        "look": "",
        "seen_by": "working tree",
    }
    assert nothing["state"] == "no data" and nothing["turn"] is None


def test_at_the_prompt_the_answer_is_lines_and_a_wrong_question_one_sentence(repo: Repository) -> None:
    told = gristmill(repo.root, "why", f"train@{W}")
    assert told.returncode == 0 and told.stdout.startswith(f"train@{W} is up to date")
    wrong = gristmill(repo.root, "why", f"trian@{W}")
    assert wrong.returncode == 1 and len(wrong.stdout.splitlines()) == 1


# It agrees with DVC


def edit_train_validate_and_gate(repo: Repository) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    change(repo, f"expectations/{W}.json", new="\n")
    change(repo, "dvc.yaml", "exec python -m gristmill.stages gate", "exec python -O -m gristmill.stages gate")


def edit_evaluate_package_and_train(repo: Repository) -> None:
    (repo.here / "src/gristmill/evaluation/idea.py").write_text("")
    change(repo, "dvc.yaml", "        - services/service.py\n", "        - services/service.py\n        - docs\n")
    change(repo, "versions.yaml", 'onnx: "', 'onnx: "1.')


def edit_prepare_and_ask_for_less(repo: Repository) -> None:
    change(repo, "dvc.yaml", "[numpy, pyarrow, safetensors]", "[numpy, pyarrow, safetensors, pandas]")
    change(repo, "dvc.yaml", "        - src/gristmill/training\n", "")
    change(repo, "dvc.yaml", "[numpy, onnx, onnxruntime", "[onnx, onnxruntime")
    write_rate_otherwise(repo)


def edit_what_all_stages_use(repo: Repository) -> None:
    change(repo, "src/gristmill/ground/files.py", new="# more\n")


EDITS = [
    edit_train_validate_and_gate,
    edit_evaluate_package_and_train,
    edit_prepare_and_ask_for_less,
    edit_what_all_stages_use,
]


def stale(answers: list[Answer], *doors: str) -> set[str]:
    return {
        one.name for one in answers if one.state == "never ran" or {reason.seen_by for reason in one.reasons} & {*doors}
    }


def test_it_names_the_stages_that_dvc_finds_stale_in_a_tree_after_each_kind_of_edit(repo: Repository) -> None:
    pull(repo)
    for edit in EDITS:
        edit(repo)
        answers = explain(repo, W)
        assert stale(answers, "both", "working tree") == set(repo.dvc.stale(f"package@{W}"))
        assert stale(answers, "both", "commit") == {f"evaluate@{W}", f"package@{W}"}
        git(repo.root, "checkout", "-q", "--", "src", "params", "expectations", "dvc.yaml", "versions.yaml")
        git(repo.root, "clean", "-qf", "src")


def test_it_names_the_stages_that_a_turn_finds_stale(repo: Repository, tmp_path: Path) -> None:
    change(repo, PARAMS, "epochs: 6", "epochs: 12")
    change(repo, f"expectations/{W}.json", new="\n")
    commit_all(repo.root, "edits")
    change(repo, "versions.yaml", 'pyarrow: "', 'pyarrow: "1.')
    land_more(repo, tmp_path)
    with workspace(repo, W, report=lambda _: None) as ws:
        found = set(ws.stale_stages())
    assert stale(explain(repo, W), "both", "commit") == found
    assert {f"ingest@{W}", f"validate@{W}", f"train@{W}"} <= found and f"prepare@{W}" not in found
