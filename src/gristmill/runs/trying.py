"""Trying a version on live requests: the alias `shadow` on `mill` names it, and trial.json tells the service.

A trial needs no restart, so it must fit the process that answers: same contract, same serving code. What else there is to
try needs a Bento of its own (docs/blue-green.md).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.ground.files import read_json, write_json
from gristmill.registry.aliases import Alias, alias_path
from gristmill.registry.mill import Change
from gristmill.registry.versions import Version, find_version
from gristmill.runs.carrying import bring_version
from gristmill.runs.deployment import deploy_champion, deployment, unpacked
from gristmill.runs.repository import Repository
from gristmill.runs.requests import answers_of
from gristmill.serving.trial import Limits, Mode, TrialError, end_trial


class Seen(NamedTuple):
    """What a trial has come to, as the request log has it."""

    told: dict[str, Any]
    """trial.json."""
    n: int
    """Requests that both models answered."""
    n_agreed: int
    """Of them, those whose answers are alike in every item."""
    latency_ms: float | None
    """Mean, of the version on trial."""
    champion_ms: float | None


def start_trial(
    repository: Repository,
    workload: str,
    version_name: str,
    mode: Mode,
    share: float,
    limits: Limits,
    reason: str,
    say: Callable[[str], None],
) -> Version:
    """Put a version on trial; one that is on trial already makes room.

    Raises:
        TrialError: nothing is in production, the version is, or it does not fit the process that answers.
        UnknownVersionError: there is no such version.
    """
    if not 0 < share <= 1:
        raise TrialError(f"the share is {share:g}; it has to lie above 0 and at most be 1.")
    champion = deploy_champion(repository, workload, say)
    if champion is None:
        raise TrialError(f"{workload} has no model in production yet, so there is nothing to try another one against.")
    version = find_version(repository.git, workload, version_name)
    present = read_json(champion / "deployment.json")
    if present["version"] == version.version:
        raise TrialError(f"{workload} {version.version} is in production itself.")
    bring_version(repository, version)
    root = repository.serving(workload)
    bundle = unpacked(repository, version, deployment(repository, version, reason), root)
    own, other = (read_json(one / "src" / "package.json") for one in (champion, bundle))
    for key, what in (("contract_sha256", "another contract"), ("serving_sha256", "other serving code")):
        if own[key] != other[key]:
            raise TrialError(
                f"{workload} {version.version} was packaged with {what} than {present['version']}, which answers: it needs "
                "a Bento of its own beside it, as docs/blue-green.md shows."
            )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    told = {
        "bundle": bundle.name,
        "version": version.version,
        "mode": mode,
        "share": share,
        "began": now,
        "ended": None,
    }
    _note(repository, version, f"try {workload} {version.version} as {mode}", reason)
    write_json(root / "trial.json", {**told, "champion": present["version"], "limits": vars(limits)})
    return version


def stop_trial(repository: Repository, workload: str, reason: str) -> dict[str, Any]:
    """End the trial that goes on.

    Raises:
        TrialError: none does.
    """
    path = repository.serving(workload) / "trial.json"
    told = _told(path, workload)
    if told["ended"]:
        raise TrialError(f"the trial of {told['version']} has ended already: {told['ended']['why']}.")
    end_trial(path, told["bundle"], f"{repository.git.actor()} ended it: {reason}")
    ended: dict[str, Any] = read_json(path)
    return ended


def see_trial(repository: Repository, workload: str) -> Seen:
    """What the last trial has come to.

    Raises:
        TrialError: there was none.
    """
    told = _told(repository.serving(workload) / "trial.json", workload)
    pairs: dict[str, dict[bool, Any]] = {}
    for asked in answers_of(repository, workload, since=told["began"]):
        if asked.version in (told["version"], told["champion"]):
            pairs.setdefault(asked.request_id, {})[asked.version == told["version"]] = asked
    both = [(pair[True], pair[False]) for pair in pairs.values() if len(pair) == 2]
    alike = [[_answer(one) for one in a.predictions] == [_answer(one) for one in b.predictions] for a, b in both]
    n = len(both)
    mean = [sum(side.latency_ms for side in sides) / n for sides in zip(*both, strict=True)] if n else [None, None]
    return Seen(told, n, sum(alike), *mean)


def _told(path: Path, workload: str) -> dict[str, Any]:
    if not path.exists():
        raise TrialError(
            f"{workload}: no version is, or was, on trial. `gristmill canary start {workload} VERSION` begins."
        )
    told: dict[str, Any] = read_json(path)
    return told


def _answer(prediction: dict[str, Any]) -> Any:
    return prediction.get("label", prediction.get("prediction"))


def _note(repository: Repository, version: Version, subject: str, reason: str) -> None:
    actor = repository.git.actor()
    alias = Alias(version.model, version.version, version.model_sha256, version.serving_sha256, reason, actor)
    files: dict[str, bytes | None] = {alias_path(version.workload, "shadow"): alias.to_file("shadow")}
    trailers = {"Workload": version.workload, "Actor": actor, "Reason": reason, "Version": version.version}
    repository.mill.commit(lambda _: [Change(subject, files, trailers)])
