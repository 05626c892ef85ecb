"""What differs between what a stage ran with and what it would run with: command, parameters, libraries, outputs, files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gristmill.ground.pipeline import StageDefinition
from gristmill.runs.why.code import Code
from gristmill.runs.why.imports import import_chain

What = Literal["command", "parameter", "library", "output", "file", "batch", "decision", "data", "alias", "barred"]

_ABSENT = object()
_LONGEST = 160


@dataclass(frozen=True)
class Difference:
    """One reason for which a stage is no longer up to date."""

    what: What
    name: str
    """The key, path, batch, alias."""
    change: Literal["changed", "added", "removed"]
    old: Any
    new: Any
    """JSON values; None where there is none."""
    sentence: str
    via: tuple[str, ...] = ()
    """The import chain from the stage to the file."""
    look: str = ""
    """The command that shows more."""


def command_differences(entry: Mapping[str, Any], now: StageDefinition) -> Iterator[Difference]:
    """What DVC would call, and what it would keep of it."""
    old, new = entry.get("cmd"), now.command
    if old != new:
        yield Difference("command", "cmd", "changed", old, new, f"command in dvc.yaml: {old} -> {new}")
    known = {out["path"] for out in entry.get("outs", [])}
    for path in (*now.outs, *now.figures):
        if path not in known:
            yield Difference("output", path, "added", None, path, f"dvc.yaml declares a new output: {path}")


def value_differences(entry: Mapping[str, Any], now: StageDefinition, code: Code) -> Iterator[Difference]:
    """Parameters and library versions, each value by its full key."""
    recorded = entry.get("params", {})
    for file, key in now.params:
        old = _flat(key, recorded.get(file, {}).get(key, _ABSENT))
        new = _flat(key, code.values[file].get(key, _ABSENT))
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
            if not _is_same(before, after):
                yield _value_difference(file, name, before, after)


def file_differences(
    stage: str, dep: str, recorded: str | None, then: Code | None, code: Code, commit: str
) -> Iterator[Difference]:
    """Which files of a dependency changed, and how the stage comes to each.

    Args:
        stage: the stage's short name.
        dep: a file or folder of code.
        recorded: its hash in dvc.lock.
        then: the code that the recorded turn ran, where this clone has it.
        code: the code that would run.
        commit: of `then`.
    """
    present = code.md5(dep)
    if present == recorded:
        return
    if present is None:
        yield Difference("file", dep, "removed", recorded, None, f"{dep} does not exist, and the stage needs it")
    elif recorded is None:
        yield Difference("file", dep, "added", None, present, f"dvc.yaml makes {dep} a dependency, which it was not")
    elif then is None:
        sentence = (
            f"{dep} changed; which file, cannot be told: this clone lacks the code of that turn (commit {commit[:8]})"
        )
        yield Difference("file", dep, "changed", recorded, present, sentence)
    else:
        old, new = then.below(dep), code.below(dep)
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) != new.get(path):
                yield _file_difference(stage, path, old.get(path), new.get(path), then, code, commit)


def _file_difference(
    stage: str, path: str, old: str | None, new: str | None, then: Code, code: Code, commit: str
) -> Difference:
    change: Literal["changed", "added", "removed"] = "changed" if old and new else "added" if new else "removed"
    source = code if new else then
    via = import_chain(source.files, stage, source.kind, path)
    if not path.startswith("src/"):
        how = "a file that the stage reads" if path in source.stages[stage].deps else "in a folder that it depends on"
    elif not via:
        how = "in a folder that it depends on, though nothing imports it"
    else:
        how = " -> ".join(via) if len(via) > 1 else "the stage itself" if stage in path else "what starts every stage"
    look = f"git diff {commit[:8]} -- {path}" if change == "changed" else ""
    return Difference("file", path, change, old, new, f"{path} {change} ({how})", via, look)


def _value_difference(file: str, name: str, old: object, new: object) -> Difference:
    what: What = "library" if file == "versions.yaml" else "parameter"
    subject = f"library {name}" if what == "library" else f"parameter {name} in {file}"
    before, after = (None if value is _ABSENT else value for value in (old, new))
    if old is _ABSENT:
        return Difference(what, name, "added", None, after, f"{subject}: added, {_shown(after)}")
    if new is _ABSENT:
        return Difference(what, name, "removed", before, None, f"{subject}: removed, it was {_shown(before)}")
    return Difference(what, name, "changed", before, after, f"{subject}: {_change(before, after)}")


def _change(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):  # two long lists side by side would hide the one word
        gone = [_shown(item) for item in old if item not in new]
        come = [_shown(item) for item in new if item not in old]
        words = [f"{' and '.join(items)} {verb}" for verb, items in (("gone", gone), ("added", come)) if items]
        return "; ".join(words) or "another order"
    return f"{_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _flat(key: str, value: Any) -> dict[str, Any]:
    if value is _ABSENT:
        return {}
    if isinstance(value, dict) and value:
        return {name: leaf for inner in value for name, leaf in _flat(f"{key}.{inner}", value[inner]).items()}
    return {key: value}


def _is_same(old: object, new: object) -> bool:
    if isinstance(old, int | float) and isinstance(
        new, str
    ):  # `1e-3`: a number to DVC (YAML 1.2), words to PyYAML (1.1)
        try:
            return old == float(new)
        except ValueError:
            return False
    return old == new  # as DVC compares: 1 is 1.0
