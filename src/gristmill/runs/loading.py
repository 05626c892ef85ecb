"""A version's model in this process: for files (`gristmill predict`) and for a notebook (`gristmill.load`).

It is the Predictor that the service asks, so that an answer is the same here as there, and so is a refusal.
"""

import importlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.ground.errors import GristmillError
from gristmill.ground.settings import Settings, SettingsError, yaml_mapping
from gristmill.registry.promotion import read_production
from gristmill.registry.versions import Version, find_version
from gristmill.runs.carrying import bring_version
from gristmill.runs.deployment import NothingToServeError
from gristmill.runs.repository import Repository
from gristmill.serving.predictor import Predictor, load_predictor

if TYPE_CHECKING:
    import pandas as pd

    from gristmill.kinds.contract import Questions, Records, Tensors

_PLACE = re.compile(r"^(\w+)\[(\d+)\]")
"""Which item of a request a refusal is about."""


class OldParamsError(GristmillError):
    """The params of a version's own commit are not such as today's code reads."""

    def __init__(self, version: Version, problems: str) -> None:
        super().__init__(version, problems)

    def __str__(self) -> str:
        version, problems = self.args
        name = f"{version.workload}@{version.version}"
        return (
            f"how {name} reads its files is not known to today's code ({problems}). Ask it by its own: "
            f"`git worktree add ../{name} {name}`, and there again."
        )


class UnfitFrameError(GristmillError):
    """A frame or an array that the service would refuse; its text is the service's own, with the row of the whole."""


@dataclass(frozen=True)
class Loaded:
    """A version that can be asked."""

    version: Version
    predictor: Predictor
    settings: Settings
    """How its files are read: the section `ingest` of the params that its turn ran with."""
    questions: "Questions"
    """Of its kind, as are the tensors."""
    tensors: "Tensors"


def load_version(repository: Repository, workload: str, version: str | None = None) -> Loaded:
    """Load the model of a version, or of the champion; what the cache lacks comes from the remotes, as for `deploy`.

    Raises:
        UnknownWorkloadError, UnknownVersionError, NothingToServeError: there is none.
        CacheMissError: neither the cache nor a remote has it.
        ModelError: it is damaged.
        OldParamsError: its params cannot be read by today's code.
    """
    repository.check_known(workload)
    if version is None:
        production = read_production(repository.mill, workload)
        version = production.champion.version if production else None
        if version is None:
            raise NothingToServeError(workload)
    found = find_version(repository.git, workload, version)
    bring_version(repository, found)
    with tempfile.TemporaryDirectory(prefix="gristmill-model-") as place:
        folder = Path(place) / workload
        repository.dvc.extract(str(found.model["md5"]), folder)
        predictor = load_predictor(folder)
    if predictor.manifest["model_sha256"] != found.model_sha256:
        raise GristmillError(
            f"the model of {workload} {found.version} in DVC's cache is another one than its tag says. "
            "`gristmill fsck` says what is amiss, and what mends it."
        )
    kind = predictor.contract["kind"]
    questions: Questions = importlib.import_module(f"gristmill.kinds.{kind}.questions")
    tensors: Tensors = importlib.import_module(f"gristmill.kinds.{kind}.tensors")
    return Loaded(found, predictor, _settings(repository, found, kind), questions, tensors)


def _settings(repository: Repository, version: Version, kind: str) -> Settings:
    records: Records = importlib.import_module(f"gristmill.kinds.{kind}.records")
    path = Path("params", f"{version.workload}.yaml")
    content = repository.git.read(version.tag, str(path)) or b""
    try:
        return records.IngestSettings.parse(path, "ingest", yaml_mapping(path, content).get("ingest") or {})
    except SettingsError as error:
        raise OldParamsError(version, "; ".join(error.problems)) from error


class Model:
    """A version's model, loaded; what `gristmill.load` gives."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @property
    def version(self) -> str:
        """`v1.2.0`"""
        return self._loaded.version.version

    @property
    def contract(self) -> dict[str, Any]:
        """What may be asked, and what is answered."""
        return self._loaded.predictor.contract

    @property
    def manifest(self) -> dict[str, Any]:
        """How it was trained."""
        return self._loaded.predictor.manifest

    def predict(self, request: Any) -> list[dict[str, Any]]:
        """Answer each item of a request as the service does.

        Args:
            request: what `/predict` takes, such as `{"rows": [{"Age": 31, ...}]}` or `{"images": [[[0, ...], ...]]}`.

        Returns:
            What the service calls `predictions`.

        Raises:
            RequestError: the service would refuse it; the sentence is the same.
        """
        return self._loaded.predictor.predict(request)

    def predict_frame(self, given: Any) -> "pd.DataFrame":
        """Answer each row of a data frame, or each image of an array [N, H, W].

        Returns:
            One row for each in order, under the frame's own index: `label` and the probability of each class by its name,
            or `prediction`.

        Raises:
            UnfitFrameError: the service would refuse a row. None is answered then.
        """
        import pandas as pd

        answers: list[dict[str, Any]] = []
        for start, request in self._loaded.questions.requests(given, self._loaded.settings, self.contract):
            try:
                answers += self.predict(request)
            except GristmillError as error:
                raise UnfitFrameError(_further(str(error), start)) from error
        if self.contract["task"] == "classification":
            answers = [{"label": one["label"], **one["probabilities"]} for one in answers]
        return pd.DataFrame(answers, index=getattr(given, "index", None))

    def __repr__(self) -> str:
        """The version and what it answers."""
        contract, version = self.contract, self._loaded.version
        answers = "a number" if contract["task"] == "regression" else f"one of {len(contract['classes'])} classes"
        return (
            f"<{version.workload}@{version.version}: {contract['kind']}, answers {answers}, {version.model_sha256[:8]}>"
        )


def _further(sentence: str, n_before: int) -> str:
    """A refusal that counts the items of one request, counting those of the requests before it as well."""
    return _PLACE.sub(lambda place: f"{place[1]}[{n_before + int(place[2])}]", sentence)


def load(name: str, repository: str | Path = ".") -> Model:
    """Load a model by its version's name (`credit-risk@v1.0.0`), or the one in production (`credit-risk`).

    Args:
        name: the workload, and after an @ the version.
        repository: a folder of the repository that has it.

    Raises:
        GristmillError: there is no such model, or it is out of reach.
    """
    workload, _, version = name.partition("@")
    return Model(load_version(Repository(Path(repository)), workload, version or None))
