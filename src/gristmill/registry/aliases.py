"""Aliases: names for a model, as DVC files on `mill` (`models/<w>/champion.dvc`, `best.dvc`).

An alias points at a cached folder by hash, so `dvc get <repo> models/<w>/champion --rev mill` brings the model from
anywhere; its `meta` says which version it is and why. Beside them: `barred.json`, what a rollback took out (the gate reads
it), and `frozen.json`, whether automatic promotion is off (only promotion reads it).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from gristmill.ground.settings import parse_yaml


@dataclass(frozen=True)
class Alias:
    """A model under a name."""

    pointer: Mapping[str, Any]
    """md5, size and nfiles of the model folder in DVC's cache."""
    version: str | None
    """`v1.2.0`, or None while the alias says "none"."""
    model_sha256: str | None
    serving_sha256: str | None
    reason: str
    actor: str

    def to_file(self, name: str) -> bytes:
        """The DVC file `<name>.dvc`."""
        meta = {
            "version": self.version,
            "model_sha256": self.model_sha256,
            "serving_sha256": self.serving_sha256,
            "reason": self.reason,
            "actor": self.actor,
        }
        content = {"outs": [{**self.pointer, "hash": "md5", "path": name}], "meta": meta}
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()


def alias_path(workload: str, name: str) -> str:
    """Where an alias lies on `mill`."""
    return f"models/{workload}/{name}.dvc"


def read_alias(content: bytes | None) -> Alias | None:
    """Parse an alias; None where the file does not exist (nothing has landed yet)."""
    if content is None:
        return None
    entry = parse_yaml(content)
    meta = entry.get("meta", {})
    return Alias(
        pointer={key: entry["outs"][0][key] for key in ("md5", "size", "nfiles")},
        version=meta.get("version"),
        model_sha256=meta.get("model_sha256"),
        serving_sha256=meta.get("serving_sha256"),
        reason=meta.get("reason", ""),
        actor=meta.get("actor", ""),
    )


@dataclass(frozen=True)
class Barred:
    """What rollbacks took out of production: models, and packages (a model with one state of the serving code)."""

    models: tuple[Mapping[str, Any], ...] = ()
    packages: tuple[Mapping[str, Any], ...] = ()

    def holds_model(self, model_sha256: str) -> bool:
        """Whether a model must not come back by itself."""
        return any(entry["model_sha256"] == model_sha256 for entry in self.models)

    def holds_package(self, model_sha256: str, serving_sha256: str) -> bool:
        """Whether a model must not come back by itself with this serving code."""
        return self.holds_model(model_sha256) or any(
            (entry["model_sha256"], entry["serving_sha256"]) == (model_sha256, serving_sha256)
            for entry in self.packages
        )

    def without(self, model_sha256: str) -> "Barred":
        """The same, after a person took the model back."""
        return Barred(
            tuple(entry for entry in self.models if entry["model_sha256"] != model_sha256),
            tuple(entry for entry in self.packages if entry["model_sha256"] != model_sha256),
        )

    def to_file(self) -> bytes:
        """The file barred.json."""
        return _json({"models": list(self.models), "packages": list(self.packages)})


def read_barred(content: bytes | None) -> Barred:
    """Parse barred.json; absent means that nothing is barred."""
    entry = json.loads(content) if content else {}
    return Barred(tuple(entry.get("models", ())), tuple(entry.get("packages", ())))


def frozen_file(freeze: Mapping[str, str] | None) -> bytes:
    """The file frozen.json: why, by whom; or that automatic promotion is on."""
    return _json({"frozen": dict(freeze) if freeze else None})


def read_frozen(content: bytes | None) -> dict[str, str] | None:
    """Why automatic promotion is off, or None."""
    return (json.loads(content) if content else {}).get("frozen")


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
