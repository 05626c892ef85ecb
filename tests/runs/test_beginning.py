"""A workload from a file: all of it or nothing, and nothing without a look."""

import shutil
from pathlib import Path

import pytest
import yaml
from examples.churn.customers import customers, write_csv
from tests.conftest import git, gristmill

from gristmill.ground.workload import WorkloadNameError, find_workload
from gristmill.quality.suite import read_suite
from gristmill.runs.beginning import (
    NameTakenError,
    NoProfileError,
    draft_workload,
    workload_files,
    write_all,
)
from gristmill.runs.linting import lint_suite
from gristmill.runs.repository import Repository
from gristmill.runs.schedules import deployments, prefect_yaml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "churn.csv", customers(300, seed=1))


def files_of(repository: Repository, file: Path) -> dict[str, str]:
    draft = draft_workload(repository, "tabular", "churn", file=file, target="churned", id="customer_id")
    return workload_files(repository, "tabular", "churn", draft, file)


def test_a_new_workload_is_known_reviewed_scheduled_and_not_committed(repository: Repository, file: Path) -> None:
    before = (repository.here / "params.yaml").read_text("utf-8")
    write_all(repository.here, files_of(repository, file))
    assert find_workload(repository.here, "churn").kind == "tabular"
    after = (repository.here / "params.yaml").read_text("utf-8")
    assert after == before.rstrip("\n") + "\n  churn: {kind: tabular}\n", "comments and order are a person's"
    suite = read_suite(repository.here / "expectations" / "churn.json", "churn")
    assert suite.profile is not None and suite.profile.n == 300 and suite.profile.labels == ["no", "yes"]
    assert lint_suite(find_workload(repository.here, "churn")).faults == []
    assert (repository.here / "prefect.yaml").read_text("utf-8") == prefect_yaml(deployments(repository.here))
    assert git(repository.here, "diff", "--cached", "--name-only") == ""


def test_what_is_printed_names_the_next_commands_and_ends_with_the_commit(repository: Repository, file: Path) -> None:
    shutil.copy(file, repository.here / "churn.csv")
    done = gristmill(repository.here, "new", "churn", "--from", "churn.csv", "--target", "churned")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert "'customer_id' looks like the name of a row" in done.stdout
    assert [line.strip() for line in lines if line.startswith("  gristmill ")] == [
        "gristmill land churn churn.csv",
        "gristmill run churn",
        "gristmill serve churn",
    ]
    names = "params.yaml params/churn.yaml expectations/churn.json expectations/churn.profile.json prefect.yaml"
    assert lines[-1] == f'  git add {names} && git commit -m "Add churn"'
    assert git(repository.here, "log", "--oneline").count("\n") == 0, "nothing is committed"


def test_a_dry_run_prints_every_file_and_writes_none(repository: Repository, file: Path) -> None:
    done = gristmill(
        repository.here, "new", "churn", "--from", str(file), "--target", "churned", "--dry-run", "--owner", "Eve"
    )
    for path in (
        "params.yaml",
        "params/churn.yaml",
        "expectations/churn.json",
        "expectations/churn.profile.json",
        "prefect.yaml",
    ):
        assert f"--- {path}\n" in done.stdout
    assert "owner: Eve" in done.stdout
    assert git(repository.here, "status", "--porcelain") == ""


def test_a_name_that_is_taken_or_none_is_refused(repository: Repository, file: Path) -> None:
    words = {"file": file, "target": "churned"}
    with pytest.raises(NameTakenError, match=r"'mnist' is taken: params\.yaml has it"):
        draft_workload(repository, "tabular", "mnist", **words)
    (repository.here / "expectations" / "churn.json").write_text("{}", "utf-8")
    with pytest.raises(NameTakenError, match=r"expectations/churn\.json has it"):
        draft_workload(repository, "tabular", "churn", **words)
    with pytest.raises(WorkloadNameError):
        draft_workload(repository, "tabular", "Churn!", **words)
    with pytest.raises(NoProfileError, match="knows the kinds tabular, not 'images'"):
        draft_workload(repository, "images", "pictures", **words)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--type", "plan"), "COLUMN=TYPE is expected"),
        (("--task", "clustering"), "it takes classification or regression"),
        (("--id", "costumer_id"), "Did you mean 'customer_id'?"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(
    repository: Repository, file: Path, options: tuple[str, ...], sentence: str
) -> None:
    done = gristmill(repository.here, "new", "churn", "--from", str(file), "--target", "churned", *options)
    assert done.returncode == 1 and sentence in done.stdout and done.stdout.count("\n") == 1
    assert git(repository.here, "status", "--porcelain") == ""


def test_what_cannot_be_written_whole_leaves_nothing(
    repository: Repository, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(repository, file)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "params.yaml":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_all(repository.here, files)
    assert git(repository.here, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "content",
    [
        "workloads:\n  a: {kind: tabular}\n",
        "# head\nworkloads:  # all\n  a:\n    kind: tabular\n\nother: 1\n",
        "workloads: {a: {kind: tabular}}\n",
    ],
)
def test_the_line_in_params_goes_where_the_workloads_are(repository: Repository, file: Path, content: str) -> None:
    for name in list(yaml.safe_load((repository.here / "params.yaml").read_text("utf-8"))["workloads"]):
        (repository.here / "params" / f"{name}.yaml").unlink()
    (repository.here / "params" / "a.yaml").write_text("schedule: {cron: null}\n", "utf-8")
    (repository.here / "params.yaml").write_text(content, "utf-8")
    after = yaml.safe_load(files_of(repository, file)["params.yaml"])
    assert after == {**yaml.safe_load(content), "workloads": {"a": {"kind": "tabular"}, "churn": {"kind": "tabular"}}}
