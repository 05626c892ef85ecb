"""A state of the code: a commit, or the working tree as it would be committed, read once and asked by path.

Folders are hashed as DVC hashes them, so that a hash here can be held against one in dvc.lock.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gristmill.adapters.git import Git
from gristmill.ground.errors import GristmillError
from gristmill.ground.pipeline import STAGES, StageDefinition, define_stage
from gristmill.ground.settings import SettingsError, parse_yaml
from gristmill.registry.mill import is_own_file

Reader = Callable[..., dict[str, bytes]]
"""Paths to the bytes of every file at or below them."""


@dataclass(frozen=True)
class Code:
    """What a state says of one workload, and the files that its stages depend on."""

    files: Mapping[str, bytes]
    stages: Mapping[str, StageDefinition]
    """Each of the seven, by its short name."""
    values: Mapping[str, Mapping[str, Any]]
    """What the files of parameters hold, by path; empty where one does not exist."""
    kind: str

    def below(self, path: str) -> dict[str, str]:
        """MD5 of the file, or of each file below the folder, by path."""
        found = {name: data for name, data in self.files.items() if name == path or name.startswith(f"{path}/")}
        return {name: _md5(data) for name, data in sorted(found.items())}

    def md5(self, path: str) -> str | None:
        """The hash of a file or folder in dvc.lock; None where it does not exist."""
        if path in self.files:
            return _md5(self.files[path])
        below = [{"md5": md5, "relpath": name[len(path) + 1 :]} for name, md5 in self.below(path).items()]
        return f"{_md5(json.dumps(below).encode())}.dir" if below else None


def committed(git: Git, commit: str) -> Reader:
    """The code of a commit."""
    return lambda *paths: git.contents(commit, *paths)


def in_tree(git: Git) -> Reader:
    """The code of the working tree: with edits, without what git ignores."""
    return lambda *paths: {path: (git.here / path).read_bytes() for path in git.visible_files(*paths)}


def read_code(read: Reader, workload: str) -> Code | None:
    """A state of the code, or None where its params.yaml does not hold the workload.

    Raises:
        SettingsError: params.yaml, dvc.yaml or a file of parameters cannot be read.
        GristmillError: dvc.yaml lacks a stage.
    """
    heads = read("params.yaml", "dvc.yaml")
    entry = (_mapping(heads, "params.yaml").get("workloads") or {}).get(workload)
    if not isinstance(entry, dict):
        return None
    pipeline, kind = _mapping(heads, "dvc.yaml"), str(entry.get("kind"))
    stages = {stage: _stage(stage, pipeline, workload, kind) for stage in STAGES}
    paths = {path for one in stages.values() for path in (*one.deps, *(file for file, _ in one.params))}
    files = read("src", *sorted(path for path in paths if not is_own_file(path)))
    values = {file: _mapping(files, file) for file in {file for one in stages.values() for file, _ in one.params}}
    return Code({**heads, **files}, stages, values, kind)


def _stage(stage: str, pipeline: Mapping[str, Any], workload: str, kind: str) -> StageDefinition:
    try:
        return define_stage(stage, pipeline, workload, kind)
    except (KeyError, TypeError) as error:
        raise GristmillError(
            f"dvc.yaml does not say what stage '{stage}' does (no {error}). `git diff -- dvc.yaml` shows its edits."
        ) from error


def _mapping(files: Mapping[str, bytes], path: str) -> dict[str, Any]:
    try:
        content = parse_yaml(files.get(path, b"")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(Path(path), ["not readable as YAML: " + " ".join(str(error).split())]) from error
    if not isinstance(content, dict):
        raise SettingsError(Path(path), ["a mapping of sections is expected"])
    return content


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
