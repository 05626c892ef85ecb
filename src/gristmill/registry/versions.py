"""Versions: what a run made, numbered and kept for good as annotated tags `<workload>@vX.Y.Z`.

The tag stands on a commit that is the run's exact tree, code and mill's files together: checked out in a fresh clone with
the cache, `dvc repro` finds nothing to do. The tag's message holds the facts that promotion, serving and history need,
so that none of them has to open the tree.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gristmill.adapters.git import Git
from gristmill.ground.errors import GristmillError

_TAG = re.compile(r"refs/tags/(?P<workload>[a-z0-9-]+)@v(?P<major>\d+)\.(?P<minor>\d+)\.(?P<patch>\d+)")


class UnknownVersionError(GristmillError):
    """A version that the workload does not have."""

    def __str__(self) -> str:
        workload, version, known = self.args
        return f"{workload} has no version '{version}'. It has: {', '.join(known) or 'none yet'}."


@dataclass(frozen=True)
class Version:
    """The facts of one version."""

    workload: str
    version: str
    """`v1.2.0`"""
    verdict: str
    model: Mapping[str, Any]
    """md5, size and nfiles of the model folder in DVC's cache."""
    model_sha256: str
    package: Mapping[str, Any]
    """md5, size and nfiles of the package folder in DVC's cache."""
    serving_sha256: str
    contract_sha256: str
    recipe_sha256: str
    """Hash of the code and parameters that the run's stages depended on; the same recipe on other data is a patch."""
    data: str
    """md5 of the landing folder: the data version."""
    code: str
    """The commit whose code ran."""
    base: str
    """The commit on `mill` that the run started from."""
    metrics: Mapping[str, Any]
    """The model's figures on the holdout and the benchmark."""
    sentence: str
    """The verdict in one sentence."""
    tagged: str = ""
    """When, in ISO 8601; filled in when read."""

    @property
    def tag(self) -> str:
        """The full name of the tag's ref."""
        return f"refs/tags/{self.workload}@{self.version}"

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Major, minor, patch."""
        major, minor, patch = (int(part) for part in self.version.removeprefix("v").split("."))
        return major, minor, patch

    def to_message(self) -> str:
        """The tag's message: a line for people, then the facts."""
        facts = asdict(self)
        del facts["tagged"]
        body = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
        return f"{self.workload} {self.version}: {self.verdict}. {self.sentence}\n\n{body}"


def read_versions(git: Git, workload: str) -> list[Version]:
    """Every version of a workload, oldest number first."""
    versions = []
    form = "%(refname)%01%(taggerdate:iso-strict)%01%(contents)"
    for entry in git.refs(f"refs/tags/{workload}@v*", form):
        ref, date, message = entry.split("\x01", 2)
        start = message.find("\n\n{")
        if _TAG.fullmatch(ref) and start >= 0:
            facts, _ = json.JSONDecoder().raw_decode(message[start + 2 :])
            versions.append(Version(**facts, tagged=date))
    return versions


def find_version(git: Git, workload: str, version: str) -> Version:
    """One version, by `v1.2.0` or `1.2.0`.

    Raises:
        UnknownVersionError: there is none of that number.
    """
    versions = read_versions(git, workload)
    for candidate in versions:
        if candidate.version == "v" + version.removeprefix(f"{workload}@").removeprefix("v"):
            return candidate
    raise UnknownVersionError(workload, version, [v.version for v in versions])


def registered(versions: list[Version], model_sha256: str, serving_sha256: str) -> Version | None:
    """The version that this model with this serving code already has: it keeps it, however often a run makes it."""
    for version in reversed(versions):
        if (version.model_sha256, version.serving_sha256) == (model_sha256, serving_sha256):
            return version
    return None


def next_number(versions: list[Version], contract_sha256: str, recipe_sha256: str) -> str:
    """The number of a new version, counted from the highest.

    Major: the serving contract changed (schema, classes). Minor: code or parameters. Patch: data only.
    """
    if not versions:
        return "v1.0.0"
    latest = max(versions, key=lambda version: version.numbers)
    major, minor, patch = latest.numbers
    if latest.contract_sha256 != contract_sha256:
        return f"v{major + 1}.0.0"
    if latest.recipe_sha256 != recipe_sha256:
        return f"v{major}.{minor + 1}.0"
    return f"v{major}.{minor}.{patch + 1}"
