"""What differs in the mill's own files: batches and decisions that landed, aliases that moved, models that were barred."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from gristmill.adapters.dvc import CacheMissError
from gristmill.data.manifest import DECISION_FILES
from gristmill.registry.aliases import Alias, alias_path, read_alias, read_barred
from gristmill.registry.versions import read_versions
from gristmill.runs.landing import landing_md5
from gristmill.runs.repository import Repository
from gristmill.runs.why.differences import Difference


def pointer(repository: Repository, path: str, tip: str) -> str:
    """The hash that a DVC file on `mill` gives a path: of what landed, or of an alias."""
    content = repository.mill.read(f"{path}.dvc", tip)
    assert content is not None
    return landing_md5(content)


def landing_differences(repository: Repository, old: str, new: str) -> Iterator[Difference]:
    """Batches, and decisions about batches, between two data versions."""
    if old == new:
        return
    try:
        before, after = _batches(repository, old), _batches(repository, new)
    except CacheMissError:
        sentence = "what has landed changed; which batches, cannot be told: DVC's cache lacks the list (`dvc pull`)"
        yield Difference("data", "landing", "changed", old, new, sentence)
        return
    for batch in sorted(after.keys() - before.keys()):
        manifest = _json(repository, after[batch].get("manifest.json"))
        names = ", ".join(part["name"] for part in manifest.get("parts", ()))
        sentence = f"batch {batch} landed: {names} ({manifest.get('role', 'its manifest is not in the cache')})"
        yield Difference("batch", batch, "added", None, names or None, sentence)
    for batch in sorted(before.keys() - after.keys()):
        yield Difference("batch", batch, "removed", batch, None, f"batch {batch} is no longer there")
    for batch, files in sorted(after.items()):
        for name in sorted(set(files) - set(before.get(batch, {}))):
            if fnmatchcase(name, DECISION_FILES):
                decision = _json(repository, files[name])
                told = " by ".join(filter(None, [decision.get("decision"), decision.get("actor")]))
                why = f": {decision['reason']}" if decision.get("reason") else ""
                sentence = f"decision {name} about batch {batch}" + (f" ({told}{why})" if told else "")
                yield Difference("decision", f"{batch}/{name}", "added", None, decision.get("decision"), sentence)


def alias_differences(repository: Repository, workload: str, name: str, old: str, base: str, tip: str) -> Difference:
    """An alias that points at another model than it did.

    Args:
        repository: whose mill.
        workload: whose alias.
        name: `champion`, or `best`.
        old: the hash that it had.
        base: the commit on `mill` from which the recorded turn started.
        tip: the newest one.
    """
    met, now = (read_alias(repository.mill.read(alias_path(workload, name), at)) for at in (base, tip))
    before = _named(met) if met and met.pointer["md5"] == old else _version_of(repository, workload, old)
    after = _named(now)
    look = f"gristmill history {workload}"
    return Difference("alias", name, "changed", before, after, f"{name}: {before} -> {after}", look=look)


def barred_differences(repository: Repository, workload: str, base: str, tip: str) -> Iterator[Difference]:
    """Models and packages that a rollback took out, or a person took back, since a turn started."""
    path = f"models/{workload}/barred.json"
    before, after = (read_barred(repository.mill.read(path, at)) for at in (base, tip))
    old, new = ([*one.models, *one.packages] for one in (before, after))
    for entry in (entry for entry in new if entry not in old):
        sentence = f"{entry.get('version')} was barred: {entry.get('reason')}"
        yield Difference("barred", str(entry.get("version")), "added", None, entry.get("model_sha256"), sentence)
    for entry in (entry for entry in old if entry not in new):
        sentence = f"{entry.get('version')} is no longer barred"
        yield Difference("barred", str(entry.get("version")), "removed", entry.get("model_sha256"), None, sentence)


def _batches(repository: Repository, data: str) -> dict[str, dict[str, str]]:
    """File name to hash, for each batch of a data version."""
    batches: dict[str, dict[str, str]] = defaultdict(dict)
    for path, md5 in repository.dvc.listing(data).items():
        _, batch, name = path.split("/", 2)
        batches[batch][name] = md5
    return dict(batches)


def _json(repository: Repository, md5: str | None) -> Mapping[str, Any]:
    """A small JSON object of the cache; empty where it is not there."""
    try:
        content = json.loads(repository.dvc.object_path(md5).read_text("utf-8")) if md5 else {}
    except (OSError, ValueError):
        content = {}
    return content if isinstance(content, dict) else {}


def _named(alias: Alias | None) -> str:
    return (alias.version if alias else None) or "none"


def _version_of(repository: Repository, workload: str, md5: str) -> str:
    known = [version.version for version in read_versions(repository.git, workload) if version.model["md5"] == md5]
    return known[0] if known else md5
