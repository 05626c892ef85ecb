"""Workloads: their names, and where everything that belongs to one of them lies.

A name is the same everywhere (params, expectations, data, stage, tag), so the rule for it is strict: DVC cannot address
a stage with `@` in its name, and a git tag or a path must never need quoting.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.settings import SettingsError, read_yaml

NAME_RULE = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"


class WorkloadNameError(GristmillError):
    """A name that cannot be a workload's."""

    def __str__(self) -> str:
        return (
            f"'{self.args[0]}' cannot name a workload: use lower-case letters, digits and inner dashes, "
            "for example 'credit-risk'."
        )


class UnknownWorkloadError(GristmillError):
    """A well-formed name that params.yaml does not hold."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name, known)

    def __str__(self) -> str:
        name, known = self.args
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        return f"there is no workload '{name}' in params.yaml.{hint} Known: {', '.join(known) or 'none'}."


@dataclass(frozen=True)
class Workload:
    """One model's whole job, and the paths of its parts under `root` (a working tree)."""

    name: str
    kind: str
    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params" / f"{self.name}.yaml"

    @property
    def expectations(self) -> Path:
        return self.root / "expectations" / f"{self.name}.json"

    @property
    def profile(self) -> Path:
        return self.root / "expectations" / f"{self.name}.profile.json"

    @property
    def data(self) -> Path:
        return self.root / "data" / self.name

    @property
    def inbox(self) -> Path:
        return self.data / "inbox"

    @property
    def landing(self) -> Path:
        return self.data / "landing"

    @property
    def batches(self) -> Path:
        return self.data / "batches"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine"

    @property
    def admitted(self) -> Path:
        return self.data / "admitted.json"

    @property
    def prepared(self) -> Path:
        return self.data / "prepared"

    @property
    def models(self) -> Path:
        return self.root / "models" / self.name

    @property
    def challenger(self) -> Path:
        return self.models / "challenger"

    @property
    def champion(self) -> Path:
        return self.models / "champion"

    @property
    def best(self) -> Path:
        return self.models / "best"

    @property
    def barred(self) -> Path:
        return self.models / "barred.json"

    @property
    def package(self) -> Path:
        return self.models / "package"

    @property
    def reports(self) -> Path:
        return self.root / "reports" / self.name


def check_name(name: str) -> str:
    """Return the name if the rule admits it.

    Raises:
        WorkloadNameError: it does not.
    """
    if not re.fullmatch(NAME_RULE, name):
        raise WorkloadNameError(name)
    return name


def all_workloads(root: Path) -> list[Workload]:
    """Every workload of params.yaml, in its order.

    Raises:
        SettingsError: params.yaml does not hold a map `workloads: {name: {kind: ...}}`.
        WorkloadNameError: a name breaks the rule.
    """
    path = root / "params.yaml"
    entries = read_yaml(path).get("workloads")
    if not isinstance(entries, dict) or not all(isinstance(e, dict) and "kind" in e for e in entries.values()):
        raise SettingsError(path, ["expected a map 'workloads' of name: {kind: ...}"])
    kinds = available_kinds(root)
    for name, entry in entries.items():
        if entry["kind"] not in kinds:
            raise SettingsError(path, [f"workloads.{name}.kind is '{entry['kind']}', allowed: {', '.join(kinds)}"])
    return [Workload(check_name(str(name)), entry["kind"], root) for name, entry in entries.items()]


def find_workload(root: Path, name: str) -> Workload:
    """The workload of that name.

    Raises:
        WorkloadNameError: no workload can have that name.
        UnknownWorkloadError: none has it; the nearest name is suggested.
    """
    check_name(name)
    workloads = all_workloads(root)
    for workload in workloads:
        if workload.name == name:
            return workload
    raise UnknownWorkloadError(name, [workload.name for workload in workloads])


def available_kinds(root: Path) -> list[str]:
    """Kinds are the packages under gristmill/kinds of a working tree; each is loaded by its name."""
    folder = root / "src" / "gristmill" / "kinds"
    return sorted(path.name for path in folder.iterdir() if (path / "__init__.py").is_file())
