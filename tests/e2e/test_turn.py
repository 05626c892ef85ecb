"""A whole turn with real parts: what it records, what a version restores, and what cannot touch it."""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml
from tests.applications import applications, write_applications
from tests.conftest import clone_of, commit_all, dvc, git, gristmill, make_quick, turn
from tests.digits import write_digits
from tests.pages import type_in

from gristmill.adapters.dvc import locked_output, read_lock
from gristmill.ground.pipeline import STAGES, stage_definition
from gristmill.ground.workload import find_workload
from gristmill.registry.history import read_history
from gristmill.registry.promotion import PromotionRefusedError, promote, read_production, resume, rollback
from gristmill.registry.versions import read_versions
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

W = "credit-risk"


def champion(repository: Repository, workload: str = W) -> str | None:
    production = read_production(repository.mill, workload)
    assert production is not None
    return production.champion.version


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def land_more(repository: Repository, seed: int, n: int = 200, signal: float = 2.5) -> None:
    rows = applications(n, seed=seed, signal=signal)
    file = write_applications(repository.root.parent / f"more-{seed}.csv", rows)
    land(repository, repository.workload(W), [file])


def stage_process(root: Path, stage: str, limit_s: float = 120) -> psutil.Process:
    """The process of a stage that runs in one of a repository's worktrees, as soon as there is one."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            command = process.info["cmdline"] or []
            if command[1:4] == ["-m", "gristmill.stages", stage] and str(process.info["cwd"]).startswith(str(root)):
                return process
        time.sleep(0.01)
    raise AssertionError(f"{stage} never ran")


def test_the_first_turn_records_a_run_a_version_and_its_promotion(turned: Repository) -> None:
    subjects = [event.subject for event in reversed(read_history(turned.mill))]
    assert subjects[0] == "mill: begin"
    assert subjects[1].startswith("land credit-risk")
    assert subjects[2:] == ["run credit-risk: Promoted", "promote credit-risk v1.0.0"]
    assert champion(turned) == "v1.0.0"
    (version,) = read_versions(turned.git, W)
    assert version.code == turned.git.commit_of("origin/main")
    assert json.loads(turned.mill.read(f"reports/{W}/gate.json") or b"")["verdict"] == "PROMOTE"


def test_a_versions_tag_in_a_fresh_clone_is_up_to_date_and_trains_to_the_same_bytes(turned: Repository) -> None:
    git(turned.root, "checkout", "-q", f"{W}@v1.0.0")
    dvc(turned.root, "checkout", "--quiet", *(f"{stage}@{W}" for stage in ("ingest", "package")))
    dvc(turned.root, "checkout", "--quiet", "--allow-missing")
    assert "up to date" in dvc(turned.root, "repro", "--dry", f"package@{W}")
    made = contents(turned.root / "models" / W / "challenger")
    dvc(turned.root, "repro", "--force", "--no-run-cache", f"train@{W}")
    assert contents(turned.root / "models" / W / "challenger") == made


def test_the_commands_at_the_end_of_the_report_make_the_same_model_again(turned: Repository) -> None:
    (version,) = read_versions(turned.git, W)
    lock = read_lock(turned.mill.read("dvc.lock"))
    report = locked_output(lock, f"gate@{W}", f"reports/{W}/report.html")
    assert report is not None
    page = turned.dvc.object_path(report["md5"]).read_text("utf-8")
    (printed,) = re.findall(r'<pre class="commands">(.*?)</pre>', page, re.DOTALL)
    first, *others = printed.replace("<b>VERSION</b>", version.version).splitlines()
    assert f" {version.model_sha256[:8]} " in type_in(turned.root, first)
    for command in others:
        type_in(turned.root, command)
    again = hashlib.sha256((turned.root / "models" / W / "challenger" / "model.safetensors").read_bytes()).hexdigest()
    assert again == version.model_sha256


def test_a_turn_with_nothing_new_ends_unchanged_and_records_nothing(turned: Repository, prefect_api: str) -> None:
    assert "Unchanged" in turn(turned.root, W, prefect_api)  # evaluates once against the new champion
    tip = turned.mill.tip()
    assert "nothing new since the last turn" in turn(turned.root, W, prefect_api)
    assert turned.mill.tip() == tip


def test_a_poisoned_batch_changes_neither_admission_nor_prepared_data_nor_the_model(
    turned: Repository, prefect_api: str
) -> None:
    before = read_lock(turned.mill.read("dvc.lock"))
    rows = applications(50, seed=9)
    for row in rows[:10]:
        row["Age"] = 7
    land(turned, turned.workload(W), [write_applications(turned.root.parent / "poison.csv", rows)])
    assert "Unchanged" in turn(turned.root, W, prefect_api).splitlines()[-1]
    after = read_lock(turned.mill.read("dvc.lock"))
    outs = {name: {out["path"]: out["md5"] for out in entry["outs"]} for name, entry in after.items()}
    assert outs[f"validate@{W}"][f"data/{W}/admitted.json"] == next(
        out["md5"] for out in before[f"validate@{W}"]["outs"] if out["path"].endswith("admitted.json")
    )
    for stage in ("prepare", "train"):
        assert before[f"{stage}@{W}"]["outs"] == after[f"{stage}@{W}"]["outs"]
    report = json.loads(turned.mill.read(f"reports/{W}/validation.json") or b"")
    assert report["rows"]["quarantined"] == 50
    assert champion(turned) == "v1.0.0"


def test_more_data_makes_a_patch_and_new_parameters_a_minor_version(turned: Repository, prefect_api: str) -> None:
    land_more(turned, seed=2)
    turn(turned.root, W, prefect_api)
    make_quick(turned.root / "params" / f"{W}.yaml", seed=5)
    commit_all(turned.root, "another seed")
    turn(turned.root, W, prefect_api)
    assert [version.version for version in read_versions(turned.git, W)] == ["v1.0.0", "v1.0.1", "v1.1.0"]


def test_a_rolled_back_model_does_not_come_back_by_itself(turned: Repository, prefect_api: str) -> None:
    land_more(turned, seed=3)
    assert "Promoted" in turn(turned.root, W, prefect_api).splitlines()[-1]
    rollback(turned.mill, W, "a customer complains", "Ada", "2026-01-01T00:00:00+00:00")
    resume(turned.mill, W, "Ada")
    for _ in range(2):
        turn(turned.root, W, prefect_api)
        assert champion(turned) == "v1.0.0"
    gate = json.loads(turned.mill.read(f"reports/{W}/gate.json") or b"")
    assert gate["verdict"] == "REJECT"
    assert "rollback" in gate["sentence"] or any("rollback" in check["sentence"] for check in gate["checks"])


def test_a_fix_in_the_serving_code_ships_as_a_new_version_of_the_same_model_without_a_comparison(
    turned: Repository, prefect_api: str
) -> None:
    turn(turned.root, W, prefect_api)
    for number, changed in (("v1.1.0", "services/service.py"), ("v1.2.0", "src/gristmill/serving/predictor.py")):
        with (turned.root / changed).open("a") as file:
            file.write("\n# a fix\n")
        commit_all(turned.root, "mend serving")
        printed = turn(turned.root, W, prefect_api)
        assert "Running stage 'evaluate" not in printed
        assert "Running stage 'train" not in printed
        assert champion(turned) == number
    first, *fixes = read_versions(turned.git, W)
    assert {fix.model_sha256 for fix in fixes} == {first.model_sha256}


def test_an_edit_in_mid_run_changes_neither_weights_nor_lock_nor_run_cache(
    turned: Repository, prefect_api: str, tmp_path: Path
) -> None:
    make_quick(turned.root / "params" / f"{W}.yaml", seed=77, epochs=60)
    code = commit_all(turned.root, "train longer")
    twin = clone_of(turned.root, tmp_path / "twin")
    edited = turned.root / "src" / "gristmill" / "training" / "fit.py"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(turn, turned.root, W, prefect_api)
        stage_process(turned.root, "train")
        edited.write_text(edited.read_text().replace("label_smoothing", "label_smoothing ") + "\n# edited in mid-run\n")
        make_quick(turned.root / "params" / f"{W}.yaml", seed=1, epochs=2)
        running.result()
    lock = read_lock(turned.mill.read("dvc.lock"))
    assert lock[f"train@{W}"]["params"][f"params/{W}.yaml"]["train"]["seed"] == 77
    md5 = hashlib.md5(edited.read_bytes(), usedforsecurity=False).hexdigest()
    recorded = [path.read_text() for path in (turned.cache / "runs").rglob("*") if path.is_file()]
    assert recorded and not any(md5 in entry for entry in recorded)
    git(twin.root, "checkout", "-q", code)
    commands = ("checkout", "--quiet", "--allow-missing"), ("repro", "--no-run-cache", f"train@{W}")
    (twin.root / "dvc.lock").write_bytes(turned.mill.read("dvc.lock") or b"")
    for path in ("data/credit-risk/landing.dvc", "models/credit-risk/champion.dvc", "models/credit-risk/best.dvc"):
        (twin.root / path).parent.mkdir(parents=True, exist_ok=True)
        (twin.root / path).write_bytes(turned.mill.read(path) or b"")
    dvc(twin.root, *commands[0])
    made = contents(twin.root / "models" / W / "challenger")
    dvc(twin.root, "repro", "--force", "--no-run-cache", f"train@{W}")
    assert contents(twin.root / "models" / W / "challenger") == made


def test_uncommitted_edits_are_not_in_a_run_and_it_says_so(turned: Repository, prefect_api: str) -> None:
    make_quick(turned.root / "params" / f"{W}.yaml", seed=123)
    printed = turn(turned.root, W, prefect_api)
    assert "uncommitted edits are not in this run" in printed
    assert "Running stage 'train" not in printed


def test_a_persons_path_ends_with_every_stage_from_the_run_cache(turned: Repository, prefect_api: str) -> None:
    root = turned.root
    assert "credit-risk: data, models and reports of its last run" in gristmill(root, "pull").stdout
    dvc(root, "repro", f"package@{W}")  # evaluates once against the champion that has just been promoted
    assert "up to date" in dvc(root, "repro", f"package@{W}")
    make_quick(root / "params" / f"{W}.yaml", seed=8)
    dvc(root, "repro", f"package@{W}")
    git(root, "switch", "-qc", "an-idea")
    commit_all(root, "try another seed")
    printed = turn(root, W, prefect_api)
    assert "Running stage" not in printed
    assert printed.count("is cached - skipping run") >= 4
    assert read_versions(turned.git, W)[-1].version == "v1.1.0"


def test_pull_works_before_the_first_run(repository: Repository, tmp_path: Path) -> None:
    land(repository, repository.workload(W), [write_applications(tmp_path / "a.csv", applications(30, seed=1))])
    assert gristmill(repository.root, "pull").returncode == 0
    assert list((repository.root / "data" / W / "landing").rglob("a.csv"))


def test_the_tools_of_dvc_work_between_versions(turned: Repository, prefect_api: str, tmp_path: Path) -> None:
    land_more(turned, seed=4)
    turn(turned.root, W, prefect_api)
    old, new = f"{W}@v1.0.0", f"{W}@v1.0.1"
    assert f"train@{W}" in dvc(turned.root, "dag", "--mermaid")
    difference = json.loads(dvc(turned.root, "metrics", "diff", "--json", old, new))
    assert f"reports/{W}/metrics.json" in difference
    dvc(turned.root, "plots", "diff", "--out", str(tmp_path / "plots"), old, new)
    assert (tmp_path / "plots" / "index.html").is_file()
    dvc(tmp_path, "get", str(turned.root), f"models/{W}/champion", "--rev", "mill", "--out", str(tmp_path / "model"))
    model = hashlib.sha256((tmp_path / "model" / "model.safetensors").read_bytes()).hexdigest()
    production = read_production(turned.mill, W)
    assert production is not None and production.champion.model_sha256 == model


def test_a_failed_stage_keeps_its_worktree_names_it_and_records_nothing(turned: Repository, prefect_api: str) -> None:
    broken = turned.root / "src" / "gristmill" / "evaluation" / "metrics.py"
    broken.write_text(broken.read_text() + '\nraise RuntimeError("broken on purpose")\n')
    commit_all(turned.root, "break evaluation")
    tip = turned.mill.tip()
    done = gristmill(turned.root, "run", W)
    assert done.returncode == 1
    assert "broken on purpose" in done.stdout
    (kept,) = [path for path in (turned.state / "worktrees").iterdir() if path.is_dir()]
    assert f"is kept for a look: {kept}" in done.stdout
    assert turned.mill.tip() == tip
    git(turned.root, "revert", "--no-edit", "HEAD")
    assert "Unchanged" in turn(turned.root, W, prefect_api)
    assert not kept.exists()


def test_landings_runs_of_two_workloads_and_six_promotions_at_once_lose_nothing(
    turned: Repository, prefect_api: str
) -> None:
    root = turned.root
    for folder in ("params", "expectations"):
        for file in (root / folder).glob(f"{W}.*"):
            (root / folder / file.name.replace(W, "loans")).write_text(
                file.read_text().replace('"credit-risk"', '"loans"')
            )
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["workloads"]["loans"] = {"kind": "tabular"}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    commit_all(root, "a second table")
    land_more(turned, seed=11)
    file = write_applications(root.parent / "loans.csv", applications(300, seed=12))
    land(turned, turned.workload("loans"), [file])
    turn(root, W, prefect_api)
    before = len(read_history(turned.mill))
    numbers = [version.version for version in read_versions(turned.git, W)]
    present = champion(turned)

    def promotion(n: int) -> bool:
        repository = Repository(root)
        other = next(number for number in numbers if number != present)
        try:
            promote(repository.mill, W, other, f"race {n}", "Ada")
        except PromotionRefusedError:
            return False
        return True

    def landing(n: int) -> None:
        land_more(Repository(root), seed=20 + n, n=60)

    with ThreadPoolExecutor(12) as pool:
        turns = [pool.submit(turn, root, workload, prefect_api) for workload in (W, "loans")]
        landings = [pool.submit(landing, n) for n in range(4)]
        promotions = [pool.submit(promotion, n) for n in range(6)]
        won = sum(future.result() for future in promotions)
        for one in turns:
            one.result()
        for other in landings:
            other.result()
    events = [event.subject for event in read_history(turned.mill)]
    new = events[: len(events) - before]
    assert won == 1
    assert sum(subject.startswith("land credit-risk") for subject in new) == 4
    assert "promote loans v1.0.0" in new
    assert champion(turned, "loans") == "v1.0.0"
    lock = read_lock(turned.mill.read("dvc.lock"))
    assert {f"package@{W}", "package@loans"} <= lock.keys()
    turn(root, W, prefect_api)
    report = json.loads(turned.mill.read(f"reports/{W}/validation.json") or b"")
    assert report["rows"]["total"] == 400 + 200 + 4 * 60


@pytest.mark.parametrize(
    ("changed", "stages"),
    [
        ("src/gristmill/kinds/tabular/records/read.py", {"ingest"}),
        ("src/gristmill/quality/verdict.py", {"validate"}),
        ("src/gristmill/kinds/tabular/tensors/encoding.py", {"prepare", "evaluate", "package"}),
        ("src/gristmill/training/fit.py", {"train"}),
        ("src/gristmill/evaluation/metrics.py", {"evaluate", "gate"}),
        ("src/gristmill/serving/predictor.py", {"package"}),
        ("services/service.py", {"package"}),
        (
            "src/gristmill/ground/files.py",
            {"ingest", "validate", "prepare", "train", "evaluate", "gate", "package"},
        ),
        ("src/gristmill/kinds/images/network/convolutional.py", set()),
        ("src/gristmill/registry/versions.py", set()),
        ("src/gristmill/runs/record.py", set()),
        ("src/gristmill/data/sources.py", set()),
        ("src/gristmill/cli.py", set()),
        ("flows/retrain.py", set()),
        ("README.md", set()),
        ("params/mnist.yaml", set()),
    ],
)
def test_an_edited_helper_makes_the_stages_that_use_it_stale_and_no_other(
    changed: str, stages: set[str], settled: Path
) -> None:
    """Measured peers (ZenML, Metaflow, Kedro, Prefect, Flyte, plain DVC) kept a stale result here."""
    path = settled / changed
    original = path.read_bytes()
    try:
        path.write_bytes(original + b"\n# an edited helper\n")
        stale = json.loads(dvc(settled, "status", "--json", "--with-deps", f"package@{W}"))
    finally:
        path.write_bytes(original)
    assert {name.split("@")[0] for name in stale} == stages


@pytest.fixture(scope="module")
def settled(milled: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's tree in which `dvc repro` has nothing to do, for a table and for images."""
    folder = tmp_path_factory.mktemp("settled")
    repository = clone_of(milled, folder / "clone")
    turn(repository.root, W, prefect_api)
    params = repository.root / "params" / "mnist.yaml"
    params.write_text(params.read_text().replace("accuracy: 0.97", "accuracy: 0.30"), "utf-8")
    reference = [
        f"--from={file}" for file in write_digits(folder / "reference", 0, 1797)
    ]  # these digits are not MNIST's
    assert gristmill(repository.root, "expectations", "profile", "mnist", *reference).returncode == 0
    commit_all(repository.root, "expect less of a few digits")
    for role, start, stop in (("train", 0, 1300), ("benchmark", 1300, 1797)):
        land(repository, repository.workload("mnist"), write_digits(folder / role, start, stop), role)  # type: ignore[arg-type]
    for _ in range(2):
        turn(repository.root, "mnist", prefect_api)
    assert champion(repository, "mnist") == "v1.0.0"
    assert gristmill(repository.root, "pull").returncode == 0
    assert json.loads(dvc(repository.root, "status", "--json", "--with-deps", f"package@{W}")) == {}
    return repository.root


@pytest.mark.parametrize("workload", [W, "mnist"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_loads_no_module_of_ours_that_its_deps_do_not_hold(stage: str, workload: str, settled: Path) -> None:
    """Kinds are loaded by name, which no static tool sees; so what is really in sys.modules at the end is looked at."""
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom gristmill.stages.__main__ import run_stage\n"
        f"run_stage({stage!r}, {workload!r}, Path.cwd())\n"
        "print('\\n' + json.dumps([m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'gristmill']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": "src", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=settled, env=environment, capture_output=True, text=True, check=True)
    loaded = [Path(file).relative_to(settled) for file in json.loads(done.stdout.splitlines()[-1])]
    deps = [Path(dep) for dep in stage_definition(stage, find_workload(settled, workload)).deps]
    deps.append(
        Path("src/gristmill/__init__.py")
    )  # the way to `gristmill.load`, which no stage takes (tests/test_house.py)
    uncovered = [file for file in loaded if not any(dep == file or dep in file.parents for dep in deps)]
    assert Path("src/gristmill/stages") / f"{stage}.py" in loaded
    assert all(len(ast.parse((settled / file).read_text()).body) == 1 for file in uncovered), uncovered
