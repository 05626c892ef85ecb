"""What a turn leaves on `mill`: its record, a version's tag where it made one, and the promotion if the gate allows it.

All of it moves in one transaction of git's refs, so a kill at any moment leaves everything or nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from gristmill.adapters.dvc import locked_output, read_lock, write_lock
from gristmill.ground.files import content_sha256, read_json
from gristmill.ground.pipeline import STAGES, stage_definition
from gristmill.registry.aliases import Alias, alias_path, read_alias
from gristmill.registry.mill import Change
from gristmill.registry.promotion import objection, past_champions, promotion_change, read_production
from gristmill.registry.versions import Version, next_number, read_versions, registered
from gristmill.runs.workspace import Workspace

OutcomeName = Literal["Promoted", "Held", "Rejected", "Unchanged"]


@dataclass(frozen=True)
class Outcome:
    """How a turn ended."""

    name: OutcomeName
    summary: str
    """One sentence."""
    version: str | None = None


def record_run(ws: Workspace, reason: str, actor: str) -> Outcome:
    """Record a turn whose stages have run, and promote its model if nothing speaks against it.

    Args:
        ws: the workspace in which the stages ran.
        reason: why the turn was started.
        actor: who started it.
    """
    mill, name = ws.repository.mill, ws.workload.name
    stages = read_lock((ws.root / "dvc.lock").read_bytes())
    before = read_lock(mill.read("dvc.lock", ws.base))
    gate = read_json(ws.workload.reports / "gate.json")
    champion = read_alias(mill.read(alias_path(name, "champion"), ws.base))
    assert champion is not None  # the first landing made it
    version, is_new = _version(ws, stages, gate, champion)
    # After REJECT a new version is the champion with today's serving code, which is no news of the challenger.
    is_news = (is_new and gate["verdict"] != "REJECT") or _is_news(ws, before, stages, gate["verdict"])
    # What a freeze or a rival held back goes on waiting; what has been in production was taken out by a person's word.
    if version is not None and gate["verdict"] == "PROMOTE" and version.version not in past_champions(mill, name):
        is_news = True
    outcome = Outcome("Unchanged", "nothing new")

    def build(tip: str | None) -> list[Change] | None:
        nonlocal outcome
        production = read_production(mill, name, tip)
        assert tip is not None and production is not None
        outcome = _outcome(version, gate, champion, is_news)
        promotes = (
            version is not None and outcome.name in ("Promoted", "Rejected") and outcome.version == version.version
        )
        changes = []
        if promotes and version is not None:
            if problem := objection(production, version, champion):
                outcome = _held_back(outcome, version, gate["sentence"], problem)
            else:
                changes = [promotion_change(production, version, outcome.summary, actor)]
        files = _files(ws, stages, tip)
        trailers = {
            "Workload": name,
            "Actor": actor,
            "Reason": reason,
            "Verdict": gate["verdict"],
            "Outcome": outcome.name,
            "Version": version.version if version else "",
            "Code": ws.code,
            "Base": ws.base,
        }
        tag = (version.tag, _tag_object(ws, version)) if version and is_new else None
        if files or tag:
            changes = [Change(f"run {name}: {outcome.name}", files, trailers, tag), *changes]
        return changes or None

    mill.commit(build)
    return outcome


def _version(
    ws: Workspace, stages: Mapping[str, Any], gate: Mapping[str, Any], champion: Alias
) -> tuple[Version | None, bool]:
    """The version that the package of this turn is, and whether it is a new one; None where no model may be served."""
    name = ws.workload.name
    package = read_json(ws.workload.package / "package.json")
    if package["model"] is None:
        return None, False
    versions = read_versions(ws.repository.git, name)
    if known := registered(versions, package["model_sha256"], package["serving_sha256"]):
        return known, False
    bundle = locked_output(stages, f"package@{name}", f"models/{name}/package")
    model: Mapping[str, Any] | None = locked_output(stages, f"train@{name}", f"models/{name}/challenger")
    data, sentence, comparison = _landing_md5(name, stages), gate["sentence"], gate.get("comparison", {})
    if package["model"] == "champion":  # the verdict, its comparison and today's data are the challenger's, not its own
        of = next(one for one in versions if one.version == champion.version)
        model, data, comparison = champion.pointer, of.data, {}
        sentence = f"The model of {of.version} with today's serving code."
    assert model is not None and bundle is not None
    recipe = _recipe(name, stages)
    evaluation = read_json(ws.workload.reports / "evaluation.json")
    version = Version(
        workload=name,
        version=next_number(versions, package["contract_sha256"], recipe),
        verdict=gate["verdict"],
        model=model,
        model_sha256=package["model_sha256"],
        package=bundle,
        serving_sha256=package["serving_sha256"],
        contract_sha256=package["contract_sha256"],
        recipe_sha256=recipe,
        data=data,
        code=ws.code,
        base=ws.base,
        metrics={**_figures(evaluation, package["model"]), "comparison": comparison},
        sentence=sentence,
    )
    return version, True


def _outcome(version: Version | None, gate: Mapping[str, Any], champion: Alias, is_news: bool) -> Outcome:
    verdict, sentence = gate["verdict"], gate["sentence"]
    in_production = f"{champion.version} stays in production" if champion.version else "nothing is in production"
    if version is not None and version.model_sha256 == champion.model_sha256:
        if version.serving_sha256 != champion.serving_sha256:
            summary = f"{version.version} is the model of {champion.version} with today's serving code."
            if verdict == "REJECT" and is_news:
                return Outcome("Rejected", f"{sentence} {summary}", version.version)
            return Outcome("Promoted", summary, version.version)
        if verdict != "REJECT":
            return Outcome("Unchanged", f"{in_production}: the model is the same", champion.version)
    if not is_news:
        return Outcome("Unchanged", f"no new model; {in_production}", version.version if version else None)
    if verdict == "REJECT" or version is None:
        return Outcome("Rejected", f"{sentence} {in_production}.")
    if verdict == "HOLD":
        return Outcome("Held", f"{sentence} {version.version} waits for a person: {_by_hand(version)}", version.version)
    return Outcome("Promoted", sentence, version.version)


def _held_back(intended: Outcome, version: Version, sentence: str, problem: str) -> Outcome:
    told = f"{version.version} is not promoted: {problem}. A person may all the same: {_by_hand(version)}"
    if intended.name == "Rejected":  # the challenger's end is the news; what is held back is a fix in the serving code
        return Outcome("Rejected", f"{sentence} {told}", version.version)
    return Outcome("Held", told, version.version)


def _by_hand(version: Version) -> str:
    return f"`gristmill promote {version.workload} {version.version} --reason ...` promotes it."


def _is_news(ws: Workspace, before: Mapping[str, Any], after: Mapping[str, Any], verdict: str) -> bool:
    """Whether the challenger, or the verdict on it, differs from the last turn's."""
    name = ws.workload.name
    out = (f"train@{name}", f"models/{name}/challenger")
    last = ws.repository.mill.read(f"reports/{name}/gate.json", ws.base)
    if last is None or json.loads(last)["verdict"] != verdict:
        return True
    return locked_output(before, *out) != locked_output(after, *out)


def _files(ws: Workspace, stages: Mapping[str, Any], tip: str) -> dict[str, bytes | None]:
    """The workload's own entries of dvc.lock and its figures, where they differ from the tip's."""
    mill, name = ws.repository.mill, ws.workload.name
    theirs = {
        key: entry for key, entry in read_lock(mill.read("dvc.lock", tip)).items() if not key.endswith(f"@{name}")
    }
    ours = {key: entry for key, entry in stages.items() if key.endswith(f"@{name}")}
    files: dict[str, bytes | None] = {
        path: content for path, content in _own_figures(ws).items() if mill.read(path, tip) != content
    }
    if read_lock(mill.read("dvc.lock", tip)) != {**theirs, **ours}:
        files["dvc.lock"] = write_lock({**theirs, **ours})
    return files


def _own_figures(ws: Workspace) -> dict[str, bytes]:
    paths = [path for stage in STAGES for path in stage_definition(stage, ws.workload).figures]
    return {path: (ws.root / path).read_bytes() for path in paths if (ws.root / path).is_file()}


def _tag_object(ws: Workspace, version: Version) -> str:
    """An annotated tag on a commit of the run's exact tree, with the code's commit as its parent."""
    git = ws.repository.git
    tree = git.tree_with(ws.tree, {"dvc.lock": (ws.root / "dvc.lock").read_bytes(), **_own_figures(ws)})
    commit = git.commit(tree, [ws.code], f"{version.workload} {version.version}\n\nBase: {ws.base}\n")
    date = f"{int(datetime.now(UTC).timestamp())} +0000"
    return git.tag_object(commit, f"{version.workload}@{version.version}", version.to_message(), date)


def _recipe(name: str, stages: Mapping[str, Any]) -> str:
    """What decided the model besides the data: commands, code and parameters of all stages."""
    data = (f"data/{name}", f"models/{name}", f"reports/{name}")
    recipe = {}
    for stage in STAGES:
        entry = stages[f"{stage}@{name}"]
        code = {dep["path"]: dep["md5"] for dep in entry["deps"] if not dep["path"].startswith(data)}
        recipe[stage] = {"cmd": entry["cmd"], "code": code, "params": entry.get("params", {})}
    return content_sha256(recipe)


def _landing_md5(name: str, stages: Mapping[str, Any]) -> str:
    return next(str(dep["md5"]) for dep in stages[f"ingest@{name}"]["deps"] if dep["path"] == f"data/{name}/landing")


def _figures(metrics: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The headline figures of one model, without the per-class tables."""
    figures = {}
    for part in ("holdout", "benchmark"):
        values = metrics.get(part, {}).get(model, {})
        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        figures[part] = {**numbers, "n": metrics.get(part, {}).get("n", 0)}
    return figures
