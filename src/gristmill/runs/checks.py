"""What is looked at once, when a batch lands: its labels, and whether it has drifted, by the champion of that moment.

The result lies beside the batch, in the same commit, as the decision file `0001-check.json`, or `0001-withhold.json` where
the workload asks to keep such batches out; so `validate` reads decisions and never a model, and whether a batch is admitted
stays a pure function of what has landed.

A check never loses, refuses or changes a batch: what cannot be checked is said in the finding, and the landing goes on.
"""

import importlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from gristmill.adapters.dvc import locked_output, read_lock
from gristmill.data.manifest import Decision, Finding, Manifest
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import write_json
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload
from gristmill.registry.aliases import alias_path, read_alias
from gristmill.registry.versions import Version, find_version, read_versions
from gristmill.runs.repository import Repository

if TYPE_CHECKING:
    import pyarrow as pa

    from gristmill.evaluation.prediction import Model
    from gristmill.kinds.contract import Checks, Columns, Records, Tensors
    from gristmill.quality.labels import Answered

_MIB = 1 << 20

Action = Literal["warn", "withhold", "off"]


class ChecksSettings(Settings):
    """What is checked of a batch when it lands, and what becomes of one that the checks warn of."""

    labels: Action = "warn"
    """Whether labels agree with the champion; before there is one, whether they can be learnt. `withhold` keeps a batch out
    until a person releases it."""
    drift: Action = "warn"
    """Whether the batch is distributed as the champion's training data."""
    sample_rows: int = Field(default=20_000, ge=100, le=1_000_000)
    """Rows that are looked at, evenly taken; likewise of the champion's training data."""
    largest_mib: float = Field(default=256, gt=0)
    """MiB of a batch's parts, above which it is not checked: it has to be read into memory."""


class UncheckedError(GristmillError):
    """Something that a check needs is not as it should be; the sentence goes into the finding."""


class Champion(NamedTuple):
    """The model that is asked, and what it is asked against."""

    version: str
    made: Version
    """The version whose run trained it: another one may be the same model with newer serving code."""
    model: "Model"
    holdout: "Answered"
    """The records that it was judged on, and what it answered."""


def check_landing(
    repository: Repository, workload: Workload, manifest: Manifest, folder: Path, tip: str, now: datetime
) -> Decision | None:
    """Check a batch where it was copied, and leave what was found beside it.

    Args:
        repository: whose champion.
        workload: for whom; its settings are those of the working tree.
        manifest: what lands.
        folder: where its parts lie.
        tip: the commit of `mill` whose champion is asked.
        now: when.

    Returns:
        The decision that was written; None where nothing was to be checked.
    """
    notes: list[str] = []
    settings = ChecksSettings()
    with _noting(notes, "the settings of the checks do not count"):
        settings = ChecksSettings.read(workload.params, "checks")
    if manifest.role != "train" or settings.labels == settings.drift == "off":
        return None
    finding = Finding(champion=None)
    with _noting(notes, "not checked"):
        finding = _look(repository, workload, manifest, folder, tip, settings, notes)
    finding = finding.model_copy(update={"notes": tuple(notes)})
    decision = _decision(finding, settings, now)
    write_json(folder / f"0001-{decision.decision}.json", decision.model_dump(mode="json"))
    return decision


def check_lines(check: Decision | None) -> list[str]:
    """What a person should know of a landing's checks, a line each; empty where nothing is amiss."""
    if check is None or check.finding is None:
        return []
    lines = [f"warning: {warning}" for warning in check.finding.warnings]
    lines += [f"note: {note}" for note in check.finding.notes]
    return [*lines, "the batch is withheld until a person releases it"] if check.decision == "withhold" else lines


def _decision(finding: Finding, settings: ChecksSettings, now: datetime) -> Decision:
    withholding = [
        name
        for name, action, figures in (
            ("labels", settings.labels, finding.labels),
            ("drift", settings.drift, finding.drift),
        )
        if action == "withhold" and figures and figures["alarms"]
    ]
    return Decision(
        decision="withhold" if withholding else "check",
        actor="gristmill",
        reason=f"the checks of {' and '.join(withholding)} warn of it" if withholding else "looked at when it landed",
        at=now,
        finding=finding,
    )


def _look(
    repository: Repository,
    workload: Workload,
    manifest: Manifest,
    folder: Path,
    tip: str,
    settings: ChecksSettings,
    notes: list[str],
) -> Finding:
    rows = _rows(workload, manifest, folder, settings)
    alias = read_alias(repository.mill.read(alias_path(workload.name, "champion"), tip))
    if alias is None or alias.version is None:
        labels = None
        if settings.labels != "off":
            with _noting(notes, "the labels are not checked"):
                labels = _self_check(workload, rows, settings)
        return _finding(None, labels, None)
    with tempfile.TemporaryDirectory(prefix="gristmill-check-") as place:
        labels = drift = None
        with _noting(notes, "not checked"):
            champion = _champion(repository, workload, alias.version, Path(place))
            labels, drift = _ask(repository, workload, champion, rows, settings, notes)
    return _finding(alias.version, labels, drift)


def _finding(champion: str | None, labels: dict[str, Any] | None, drift: dict[str, Any] | None) -> Finding:
    warnings = tuple(sentence for figures in (labels, drift) if figures for sentence in figures["alarms"].values())
    return Finding(champion=champion, warnings=warnings, labels=labels, drift=drift)


def _rows(workload: Workload, manifest: Manifest, folder: Path, settings: ChecksSettings) -> "pa.Table":
    """The rows that could be read without a problem."""
    import pyarrow.compute as pc

    size_mib = sum(part.size for part in manifest.parts) / _MIB
    if size_mib > settings.largest_mib:
        raise UncheckedError(f"{size_mib:,.0f} MiB are more than checks.largest_mib ({settings.largest_mib:g}) allows")
    records: Records = importlib.import_module(f"gristmill.kinds.{workload.kind}.records")
    table = records.read(
        [folder / part.name for part in manifest.parts],
        records.IngestSettings.read(workload.params, "ingest"),
        manifest.batch,
    )
    if table.problems:
        more = f", and {len(table.problems) - 1} more problems" if len(table.problems) > 1 else ""
        raise UncheckedError(f"the batch cannot be read as it is: {table.problems[0]}{more}")
    return table.rows.filter(pc.equal(pc.fill_null(pc.list_value_length(table.rows["problems"]), 0), 0))


def _fitting(workload: Workload, rows: "pa.Table", contract: dict[str, Any], at_most: int) -> "pa.Table":
    """The rows that a contract can take, evenly taken where there are more than are looked at."""
    import pyarrow as pa

    from gristmill.quality.labels import evenly

    try:
        rows = rows.filter(pa.array(_checks(workload).fitting(rows, contract)))
    except KeyError as error:
        raise UncheckedError(f"the rows lack '{error.args[0]}', which the contract asks for") from error
    if not len(rows):
        raise UncheckedError("no row is sound and fits the contract")
    return rows.take(pa.array(evenly(len(rows), at_most)))


def _self_check(workload: Workload, rows: "pa.Table", settings: ChecksSettings) -> dict[str, Any]:
    from gristmill.quality.labels import SELF_CHECK_ROWS, check_classes_alone, check_numbers_alone

    tensors = _tensors(workload)
    contract = tensors.contract(tensors.PrepareSettings.read(workload.params, "prepare"))
    rows = _fitting(workload, rows, contract, min(SELF_CHECK_ROWS, settings.sample_rows))
    numbers = _checks(workload).linear(tensors.encode(tensors.columns(rows, contract), contract), contract)
    check = check_numbers_alone if contract["task"] == "regression" else check_classes_alone
    return check(numbers, tensors.targets(rows, contract))


def _champion(repository: Repository, workload: Workload, version: str, place: Path) -> Champion:
    """Bring the champion out of the cache."""
    from gristmill.evaluation.prediction import read_model
    from gristmill.evaluation.tables import read_predictions
    from gristmill.quality.labels import Answered

    name = workload.name
    present = find_version(repository.git, name, version)
    made = next(one for one in read_versions(repository.git, name) if one.model_sha256 == present.model_sha256)
    folder = place / name / "champion"
    repository.dvc.extract(str(made.model["md5"]), folder)
    model = read_model(folder)
    if model is None or model.contract["kind"] != workload.kind:
        raise UncheckedError(f"{version} is a model of another kind than {workload.kind}")
    listing = repository.dvc.listing(_output(repository, made, "evaluate", f"reports/{name}/predictions"))
    judged = read_predictions(repository.dvc.object_path(listing["holdout.parquet"]))
    return Champion(version, made, model, Answered(judged.target, judged.answers["challenger"]))


def _output(repository: Repository, version: Version, stage: str, path: str) -> str:
    """The md5 of what a stage made in the run of a version."""
    stages = read_lock(repository.git.read(version.tag, "dvc.lock"))
    output = locked_output(stages, f"{stage}@{version.workload}", path)
    if output is None:
        raise UncheckedError(f"the run of {version.version} left no {path}")
    return str(output["md5"])


def _ask(
    repository: Repository,
    workload: Workload,
    champion: Champion,
    rows: "pa.Table",
    settings: ChecksSettings,
    notes: list[str],
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Figures of labels and of drift, each None where it is off or could not be made."""
    from gristmill.evaluation.prediction import predict
    from gristmill.quality.drift import check_drift
    from gristmill.quality.labels import Answered, check_classes, check_numbers

    tensors, contract = _tensors(workload), champion.model.contract
    rows = _fitting(workload, rows, contract, settings.sample_rows)
    batch = Answered(tensors.targets(rows, contract), predict(champion.model, tensors, rows))
    classes = list(contract.get("classes") or ())
    labels = drift = None
    if settings.labels != "off":
        record_ids = rows["record_id"].to_pylist()
        with _noting(notes, "the labels are not checked"):
            labels = (
                check_classes(batch, champion.holdout, classes, record_ids)
                if contract["task"] == "classification"
                else check_numbers(batch, champion.holdout, record_ids)
            )
    if settings.drift != "off":
        with _noting(notes, "drift is not checked"):
            inputs = tensors.encode(tensors.columns(rows, contract), contract)
            found = _features(workload, {**inputs, "target": batch.target}, contract)
            training = _features(workload, _training(repository, champion, settings.sample_rows), contract)
            drift = check_drift(found, training, batch.answers, champion.holdout.answers, classes)
    return labels, drift


def _training(repository: Repository, champion: Champion, at_most: int) -> "Columns":
    """Inputs and target of the champion's training data, evenly taken where there are more rows."""
    from safetensors import safe_open

    made = champion.made
    listing = repository.dvc.listing(_output(repository, made, "prepare", f"data/{made.workload}/prepared"))
    path = repository.dvc.object_path(listing["train.safetensors"])
    if not path.is_file():
        raise UncheckedError(f"the training data of {made.version} is not in the cache")
    with safe_open(path, "np") as file:  # maps the file: only the rows that are taken are read
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        step = -(-slices["target"].get_shape()[0] // at_most)
        return {name: values[::step] for name, values in slices.items()}


def _features(workload: Workload, arrays: Mapping[str, Any], contract: dict[str, Any]) -> "Columns":
    inputs = {name: values for name, values in arrays.items() if name != "target"}
    return {**_checks(workload).features(inputs, contract), "target": arrays["target"]}


def _tensors(workload: Workload) -> "Tensors":
    phase: Tensors = importlib.import_module(f"gristmill.kinds.{workload.kind}.tensors")
    return phase


def _checks(workload: Workload) -> "Checks":
    phase: Checks = importlib.import_module(f"gristmill.kinds.{workload.kind}.checks")
    return phase


@contextmanager
def _noting(notes: list[str], what: str) -> Iterator[None]:
    """Whatever goes wrong in the block is a note: no fault of a check, foreseen or not, keeps data from landing."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - of data, models and files that nobody has judged yet
        words = str(error) if isinstance(error, GristmillError) else f"{type(error).__name__}: {error}"
        notes.append(f"{what}: {' '.join(words.split())}")
