"""Turns whose stages did not run: what they would have left is written into a real worktree, and recorded for real."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gristmill.adapters.dvc import Dvc, read_lock, write_lock
from gristmill.ground.files import write_json
from gristmill.ground.pipeline import STAGES
from gristmill.ground.workload import find_workload
from gristmill.registry.aliases import alias_path, read_alias
from gristmill.registry.mill import starting_tree
from gristmill.runs.record import Outcome, record_run
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import Workspace, worktree

W = "credit-risk"


@contextmanager
def started(repository: Repository, name: str = W) -> Iterator[Workspace]:
    """A workspace on the tip, without DVC's checkout of data that nobody reads here."""
    code, base = repository.git.commit_of("HEAD"), repository.mill.tip()
    assert base is not None
    tree = starting_tree(repository.git, code, base)
    start = repository.git.commit(tree, [code], "the start of a turn")
    with worktree(repository, f"{name}-{secrets.token_hex(4)}", start) as path:
        dvc = Dvc(path, repository.cache)
        yield Workspace(repository, find_workload(path, name), code, base, tree, dvc)


def leave_results(
    ws: Workspace,
    model: str,
    verdict: str = "PROMOTE",
    *,
    serving: str = "s1",
    contract: str = "c1",
    recipe: str = "r1",
    data: str = "d1",
    comparison: dict[str, Any] | None = None,
    note: str = "",
) -> None:
    """What seven stages leave: this challenger, this verdict, and a package as the verdict allows.

    Args:
        ws: where.
        model: the challenger.
        verdict: the gate's.
        serving: the serving code.
        contract: what is asked and answered.
        recipe: the other code and the parameters.
        data: what has landed.
        comparison: the gate's figures.
        note: anything else that differs in a report.
    """
    name, reports = ws.workload.name, ws.workload.reports
    champion = read_alias(ws.repository.mill.read(alias_path(name, "champion"), ws.base))
    assert champion is not None
    packaged, sha256 = "challenger", model
    if verdict == "REJECT":
        packaged, sha256 = ("champion", champion.model_sha256) if champion.version else (None, None)  # type: ignore[assignment]
    outs = {
        "train": {"path": f"models/{name}/challenger", "md5": f"{model}.dir", "size": 1, "nfiles": 1},
        "package": {"path": f"models/{name}/package", "md5": f"{sha256}-{serving}.dir", "size": 1, "nfiles": 1},
    }
    deps = {"ingest": [{"path": f"data/{name}/landing", "md5": data}], "train": [{"path": "src", "md5": recipe}]}
    stages = {
        f"{stage}@{name}": {"cmd": stage, "deps": deps.get(stage, []), "outs": [outs[stage]] if stage in outs else []}
        for stage in STAGES
    }
    lock = ws.root / "dvc.lock"
    present = read_lock(lock.read_bytes() if lock.is_file() else None)
    lock.write_bytes(write_lock({**present, **stages}))
    write_json(
        reports / "gate.json",
        {"verdict": verdict, "sentence": f"The gate says {verdict} of {model}.", "comparison": comparison or {}},
    )
    figures = {"challenger": {"accuracy": 0.9, "per_class": []}, "champion": {"accuracy": 0.8}}
    write_json(reports / "evaluation.json", {"holdout": {"n": 100, **figures}, "note": note})
    write_json(
        ws.workload.package / "package.json",
        {"model": packaged, "model_sha256": sha256, "serving_sha256": serving, "contract_sha256": contract},
    )


def recorded(
    repository: Repository,
    model: str,
    verdict: str = "PROMOTE",
    workload: str = W,
    meanwhile: Callable[[], object] = lambda: None,
    **results: Any,
) -> Outcome:
    """A whole turn; `meanwhile` happens between its start and its record."""
    with started(repository, workload) as ws:
        leave_results(ws, model, verdict, **results)
        meanwhile()
        return record_run(ws, "a test", "Ada")
