"""A workload from a file: `gristmill new` looks at the data and writes what a team would else write by hand.

All of its files appear, or none does; and it commits nothing, for a person should read what it decided.
"""

import importlib
import importlib.util
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file
from gristmill.ground.settings import parse_yaml
from gristmill.ground.workload import Workload, all_workloads, available_kinds, check_name
from gristmill.quality.profile import profile_text
from gristmill.quality.suite import Suite
from gristmill.runs.profiling import profile_of_files, profiled_columns, records_of
from gristmill.runs.repository import Repository
from gristmill.runs.schedules import deployment, deployments, parse_schedule, prefect_yaml

if TYPE_CHECKING:
    from rich.table import Table

    from gristmill.kinds.tabular.profile import Draft


class NameTakenError(GristmillError):
    """A workload of that name is there already, or was."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(name, where)

    def __str__(self) -> str:
        name, where = self.args
        return f"'{name}' is taken: {where} has it. Choose another name, or remove that first. Nothing was written."


class NoProfileError(GristmillError):
    """A kind that cannot look at a file yet."""

    def __init__(self, kind: str, able: list[str]) -> None:
        super().__init__(kind, able)

    def __str__(self) -> str:
        kind, able = self.args
        return (
            f"`gristmill new` knows the kinds {', '.join(able)}, not '{kind}'. For another kind copy the files of a "
            "workload that has it (params/, expectations/, its line in params.yaml)."
        )


class WordsError(GristmillError):
    """An option that cannot be understood."""


def check_words(types: list[str], task: str | None) -> dict[str, str]:
    """`COLUMN=TYPE` options by column.

    Raises:
        WordsError: one has no `=`, or the task is none.
    """
    if task not in (None, "classification", "regression"):
        raise WordsError(f"--task is '{task}'; it takes classification or regression.")
    for one in types:
        if "=" not in one:
            raise WordsError(f"--type is '{one}'; COLUMN=TYPE is expected, such as --type plan=categorical.")
    return {column: kind for column, _, kind in (one.rpartition("=") for one in types)}


def draft_workload(repository: Repository, kind: str, name: str, **words: Any) -> "Draft":
    """Look at a file, and write down what a workload of it would be; nothing is changed.

    Args:
        repository: where it would stand.
        kind: of the workload.
        name: of the workload.
        words: what a person said, as the kind's `Wish` takes it.

    Raises:
        WorkloadNameError, NameTakenError, NoProfileError: it cannot stand there.
        UnfitFileError: no workload can be made of the file.
    """
    check_name(name)
    able = [
        one for one in available_kinds(repository.here) if importlib.util.find_spec(f"gristmill.kinds.{one}.profile")
    ]
    if kind not in able:
        raise NoProfileError(kind, able)
    _check_free(repository, name)
    profile = importlib.import_module(f"gristmill.kinds.{kind}.profile")
    found: Draft = profile.draft(profile.Wish(name=name, **words))
    return found


def workload_files(repository: Repository, kind: str, name: str, draft: "Draft", file: Path) -> dict[str, str]:
    """The files of a drafted workload, by path from the tree's root: three new ones, and two with a part more.

    Args:
        repository: where it would stand.
        kind: of the workload.
        name: of the workload.
        draft: what was decided.
        file: what was looked at; new batches are measured by it.
    """
    root = repository.here
    schedule = parse_schedule(root / "params" / f"{name}.yaml", parse_yaml(draft.params)["schedule"])
    return {
        "params.yaml": _with_line((root / "params.yaml").read_text("utf-8"), name, kind),
        f"params/{name}.yaml": draft.params,
        f"expectations/{name}.json": draft.suite,
        f"expectations/{name}.profile.json": _profile(Workload(name, kind, root), draft, file),
        "prefect.yaml": prefect_yaml([*deployments(root), deployment(name, schedule)]),
    }


def write_all(root: Path, files: Mapping[str, str]) -> None:
    """Write all files or none: each is whole under a temporary name before the first takes its place."""
    before = {path: (root / path).read_bytes() if (root / path).exists() else None for path in files}
    try:
        with ExitStack() as stack:
            for path, content in files.items():
                stack.enter_context(new_file(root / path)).write_text(content, "utf-8")
    except BaseException:
        for path, old in before.items():
            if old is None:
                (root / path).unlink(missing_ok=True)
            elif (root / path).read_bytes() != old:
                (root / path).write_bytes(old)
        raise


def columns_table(draft: "Draft", width: int | None) -> "Table":
    """What was seen of each column."""
    from gristmill.registry.tables import empty_table

    table = empty_table(width)
    for heading in ("column", "type", "missing", "values", "examples", "used"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("missing", "values") else "left")
    for row in draft.columns:
        table.add_row(*row.values())
    return table


def _check_free(repository: Repository, name: str) -> None:
    workload = Workload(name, "", repository.here)
    if name in [one.name for one in all_workloads(repository.here)]:
        raise NameTakenError(name, "params.yaml")
    for path in (workload.params, workload.expectations, workload.profile):
        if path.exists():
            raise NameTakenError(name, str(path.relative_to(repository.here)))
    if repository.mill.read(f"data/{name}/landing.dvc") is not None:
        raise NameTakenError(name, "the branch mill, which keeps what once landed,")


def _profile(workload: Workload, draft: "Draft", file: Path) -> str:
    settings = records_of(workload).IngestSettings.parse(workload.params, "ingest", parse_yaml(draft.params)["ingest"])
    suite = Suite.model_validate_json(draft.suite)
    return profile_text(profile_of_files(workload, settings, [file], profiled_columns(suite)))


def _with_line(content: str, name: str, kind: str) -> str:
    """params.yaml with one more workload, its comments and order kept."""
    entry = f"  {name}: {{kind: {kind}}}\n"
    block = re.search(r"^workloads:[^\S\n]*(?:#.*)?\n(?:(?:[ \t]+.*|#.*)?\n)*?(?=\S|\Z)", content, re.MULTILINE)
    if block is None:  # written on one line, or otherwise
        values = parse_yaml(content)
        values["workloads"][name] = {"kind": kind}
        return yaml.safe_dump(values, sort_keys=False)
    head = content[: block.end()].rstrip("\n") + "\n"
    return head + entry + content[len(head) :]
