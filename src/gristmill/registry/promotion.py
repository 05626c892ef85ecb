"""Promotion, rollback and resume: how the alias `champion` moves, and who may move it.

A verdict is about a challenger and the champion that it met. So an automatic promotion stands only while that champion is
still in production, nothing froze the workload, and no rollback barred the model. A person may promote any version, with a
reason. A rollback points the alias back, bars what it left and freezes automatic promotion: a model that was rolled back
does not come back by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gristmill.ground.errors import GristmillError
from gristmill.registry.aliases import (
    Alias,
    Barred,
    alias_path,
    frozen_file,
    read_alias,
    read_barred,
    read_frozen,
)
from gristmill.registry.mill import Change, Mill
from gristmill.registry.versions import Version, find_version


class PromotionRefusedError(GristmillError):
    """The alias did not move, and why."""


@dataclass(frozen=True)
class Production:
    """What a tip says about one workload's production."""

    champion: Alias
    best: Alias
    barred: Barred
    frozen: Mapping[str, str] | None


def read_production(mill: Mill, workload: str, at: str | None = None) -> Production | None:
    """The state of production at a commit of the branch (the tip unless told); None before anything has landed."""
    champion = read_alias(mill.read(alias_path(workload, "champion"), at))
    best = read_alias(mill.read(alias_path(workload, "best"), at))
    if champion is None or best is None:
        return None
    return Production(
        champion,
        best,
        read_barred(mill.read(f"models/{workload}/barred.json", at)),
        read_frozen(mill.read(f"models/{workload}/frozen.json", at)),
    )


def objection(production: Production, version: Version, met: Alias) -> str | None:
    """Why an automatic promotion is not allowed, or None.

    Args:
        production: as it is now.
        version: what is to be promoted.
        met: the champion that the verdict was about.
    """
    name, workload = version.version, version.workload
    is_same_model = version.model_sha256 == production.champion.model_sha256
    if production.champion != met:
        return f"{name} was compared with {met.version or 'nothing'}, and now {production.champion.version} is in production"
    if production.barred.holds_package(version.model_sha256, version.serving_sha256):
        return f"{name} was taken out by a rollback"
    if production.frozen and not is_same_model:  # a fix in serving code is no new model, and ships
        return (
            f"automatic promotion of {workload} is frozen since {production.frozen['at']} "
            f"({production.frozen['reason']}); `gristmill resume {workload}` thaws it"
        )
    return None


def promotion_change(production: Production, version: Version, reason: str, actor: str) -> Change:
    """The commit that puts a version into production."""
    workload = version.workload
    alias = Alias(version.model, version.version, version.model_sha256, version.serving_sha256, reason, actor)
    files: dict[str, bytes | None] = {alias_path(workload, "champion"): alias.to_file("champion")}
    if is_better(version, production.best):
        files[alias_path(workload, "best")] = alias.to_file("best")
    barred = production.barred.without(version.model_sha256)
    if barred != production.barred:
        files[f"models/{workload}/barred.json"] = barred.to_file()
    trailers = _trailers(version, actor, reason)
    return Change(f"promote {workload} {version.version}", files, trailers)


def is_better(version: Version, best: Alias) -> bool:
    """Whether a version beat the best one so far, on the records that both were judged on."""
    if best.version is None or best.model_sha256 == version.model_sha256:
        return True
    figures = version.metrics.get("comparison", {})
    if figures.get("best_sha256") != best.model_sha256 or figures.get("best") is None:
        return False
    gain = float(figures["challenger"]) - float(figures["best"])
    return gain > 0 if figures.get("higher_is_better", True) else gain < 0


def promote(mill: Mill, workload: str, version_name: str, reason: str, actor: str) -> Version:
    """Put a version into production, on a person's word.

    Raises:
        UnknownVersionError: there is no such version.
        PromotionRefusedError: it is in production already, or another one came first.
    """
    version = find_version(mill.git, workload, version_name)
    seen = _production(mill, workload).champion

    def build(tip: str | None) -> list[Change]:
        production = _production(mill, workload, tip)
        if production.champion.version == version.version:
            raise PromotionRefusedError(f"{workload} {version.version} is in production already.")
        if production.champion != seen:
            raise PromotionRefusedError(
                f"{workload}: {production.champion.version} came into production meanwhile "
                f"({production.champion.reason}). Look at it, then promote again if you still want to."
            )
        return [promotion_change(production, version, reason, actor)]

    mill.commit(build)
    return version


def rollback(mill: Mill, workload: str, reason: str, actor: str, now: str) -> tuple[Version, Version]:
    """Put the version that was in production before the present one back, bar the present one, and freeze.

    Returns:
        What was left, and what is in production now.

    Raises:
        PromotionRefusedError: there is nothing to go back to, or the champion moved meanwhile.
    """
    seen = _production(mill, workload).champion
    if seen.version is None:
        raise PromotionRefusedError(f"{workload} has nothing in production yet, so there is nothing to roll back.")
    left = find_version(mill.git, workload, seen.version)
    target = _predecessor(mill, workload, left)

    def build(tip: str | None) -> list[Change]:
        production = _production(mill, workload, tip)
        if production.champion != seen:
            raise PromotionRefusedError(f"{workload}: {production.champion.version} came into production meanwhile.")
        entry = {"model_sha256": left.model_sha256, "version": left.version, "reason": reason}
        barred = production.barred
        if left.model_sha256 == target.model_sha256:  # what was wrong lies in the serving code, not in the model
            entry["serving_sha256"] = left.serving_sha256
            barred = Barred(barred.models, (*barred.packages, entry))
        else:
            barred = Barred((*barred.models, entry), barred.packages)
        alias = Alias(target.model, target.version, target.model_sha256, target.serving_sha256, reason, actor)
        files = {
            alias_path(workload, "champion"): alias.to_file("champion"),
            f"models/{workload}/barred.json": barred.to_file(),
            f"models/{workload}/frozen.json": frozen_file({"reason": f"rollback: {reason}", "actor": actor, "at": now}),
        }
        if production.best.model_sha256 == left.model_sha256 != target.model_sha256:
            files[alias_path(workload, "best")] = alias.to_file("best")  # a model that was wrong sets no standard
        return [
            Change(f"rollback {workload} {left.version} to {target.version}", files, _trailers(target, actor, reason))
        ]

    mill.commit(build)
    return left, target


def resume(mill: Mill, workload: str, actor: str) -> None:
    """Let the gate promote by itself again.

    Raises:
        PromotionRefusedError: it does already.
    """

    def build(tip: str | None) -> list[Change]:
        if _production(mill, workload, tip).frozen is None:
            raise PromotionRefusedError(f"{workload} is not frozen: automatic promotion is on.")
        trailers = {"Workload": workload, "Actor": actor}
        return [Change(f"resume {workload}", {f"models/{workload}/frozen.json": frozen_file(None)}, trailers)]

    mill.commit(build)


def past_champions(mill: Mill, workload: str) -> list[str]:
    """Versions in the order in which they came into production, newest first; one may stand there more than once."""
    tip = mill.tip()
    if tip is None:
        return []
    path = alias_path(workload, "champion")
    aliases = [read_alias(mill.read(path, commit)) for commit in mill.git.log(tip, "%H", path)]
    return [alias.version for alias in aliases if alias and alias.version]


def _predecessor(mill: Mill, workload: str, left: Version) -> Version:
    barred = _production(mill, workload).barred
    for name in past_champions(mill, workload):
        version = find_version(mill.git, workload, name)
        if name != left.version and not barred.holds_package(version.model_sha256, version.serving_sha256):
            return version
    raise PromotionRefusedError(
        f"{workload} {left.version} has no predecessor in production to roll back to. "
        f"`gristmill versions {workload}` lists what could be promoted instead."
    )


def _production(mill: Mill, workload: str, at: str | None = None) -> Production:
    production = read_production(mill, workload, at)
    if production is None:
        raise PromotionRefusedError(f"{workload} has no data and no model yet: `gristmill land {workload}`.")
    return production


def _trailers(version: Version, actor: str, reason: str) -> dict[str, str]:
    return {
        "Workload": version.workload,
        "Actor": actor,
        "Reason": reason,
        "Verdict": version.verdict,
        "Version": version.version,
        "Code": version.code,
    }
