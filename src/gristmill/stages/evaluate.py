"""Ask challenger, champion and the best version so far about the same records, and keep what they answered.

The records are raw rows that only this stage reads; each model is asked through its own contract, so that a champion with
another schema is still compared on the same records. A record that a model was trained on says nothing about it, so one
such record in the holdout stops the stage.
"""

import csv
import importlib
import io
from functools import partial
from typing import TYPE_CHECKING, Any

from gristmill.evaluation.metrics import classification_metrics, regression_metrics
from gristmill.evaluation.prediction import Model, in_classes, predict, read_model
from gristmill.evaluation.tables import ROLES, Predictions, read_table, write_predictions
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_folder, read_json, write_json, write_text
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload

if TYPE_CHECKING:
    from gristmill.kinds.contract import Tensors

SETS = ("holdout", "benchmark")
_say = partial(print, flush=True)


class EvaluateSettings(Settings):
    """Nothing to set: what is measured is every metric of the task, and what decides stands in `gate`."""


class SeenRecordsError(GristmillError):
    """The holdout holds records that a model was trained on."""

    def __init__(self, workload: str, role: str, n_seen: int, n_holdout: int, example: str) -> None:
        super().__init__(workload, role, n_seen, n_holdout, example)

    def __str__(self) -> str:
        workload, role, n_seen, n_holdout, example = self.args
        return (
            f"{n_seen} of {n_holdout} held-out records were used to train the {role} of {workload} (for example "
            f"{example}), so its score on them would say nothing. A record never changes sides: was "
            f"prepare.holdout_fraction raised in params/{workload}.yaml? Set it back, then run `dvc repro` again."
        )


def evaluate(workload: Workload) -> None:
    """Judge up to three models on the holdout and the benchmark.

    Writes reports/<w>/{predictions/, evaluation.json, confusion.csv}, and metrics.json: the challenger's figures alone, for
    `dvc metrics diff` between versions.

    Raises:
        ModelFileError: a model's files are not those that its manifest names.
        SeenRecordsError: a model was trained on a record of the holdout.
        GristmillError: the challenger cannot answer. Where the champion or the best cannot, a note says so instead.
    """
    EvaluateSettings.read(workload.params, "evaluate")
    tensors: Tensors = importlib.import_module(f"gristmill.kinds.{workload.kind}.tensors")
    contract = read_json(workload.prepared / "contract.json")
    rows = {name: read_table(workload.prepared / f"{name}.parquet") for name in SETS}
    models = {role: model for role in ROLES if (model := read_model(workload.models / role))}
    record_ids = {name: table["record_id"].to_pylist() for name, table in rows.items()}
    for role, model in models.items():
        _check_unseen(workload.name, role, model, record_ids["holdout"])

    notes = _seen_in_benchmark(models, record_ids["benchmark"])
    left_out: dict[str, str] = {}
    answers = _answers(models, contract, tensors, rows, notes, left_out)
    metrics: dict[str, Any] = {
        "task": contract["task"],
        "classes": contract.get("classes", []),
        **{f"{role}_sha256": models[role].sha256 if role in models else None for role in ROLES},
        "left_out": left_out,
        "notes": [*left_out.values(), *notes],
    }
    with new_folder(workload.reports / "predictions") as folder:
        for name, table in rows.items():
            answers_by_role = {role: by_set[name] for role, by_set in answers.items()}
            predictions = Predictions(record_ids[name], tensors.targets(table, contract), answers_by_role)
            write_predictions(folder / f"{name}.parquet", predictions)
            metrics[name] = _metrics(predictions, contract)
            if name == "holdout":
                write_text(workload.reports / "confusion.csv", _confusion_csv(predictions, contract))
    write_json(workload.reports / "evaluation.json", metrics)
    write_json(workload.reports / "metrics.json", {name: _headline(metrics[name]) for name in SETS})


def _headline(found: dict[str, Any]) -> dict[str, Any]:
    """How many records, and the challenger's figures on them without the tables of classes."""
    figures = found.get("challenger", {})
    return {"n": found["n"], **{name: value for name, value in figures.items() if isinstance(value, int | float)}}


def _check_unseen(workload: str, role: str, model: Model, record_ids: list[str]) -> None:
    if seen := sorted(model.trained_on.intersection(record_ids)):
        raise SeenRecordsError(workload, role, len(seen), len(record_ids), seen[0])


def _seen_in_benchmark(models: dict[str, Model], record_ids: list[str]) -> list[str]:
    """The benchmark is reported, and decides nothing; what a model has seen of it is said beside its figures."""
    seen = {role: len(model.trained_on.intersection(record_ids)) for role, model in models.items()}
    return [
        f"The {role} was trained on {n} of the {len(record_ids):,} benchmark records; read its figures there with care."
        for role, n in seen.items()
        if n
    ]


def _answers(
    models: dict[str, Model],
    contract: dict[str, Any],
    tensors: "Tensors",
    rows: dict[str, Any],
    notes: list[str],
    left_out: dict[str, str],
) -> dict[str, dict[str, Any]]:
    """Answers by role and set; the same model is asked once. What is left out and why, and notes, are added."""
    answers: dict[str, dict[str, Any]] = {}
    asked: dict[tuple[str, str], dict[str, Any] | None] = {}
    for role, model in models.items():
        key = model.answers_alike
        if key not in asked:
            _say(
                f"asking the {role} ({model.sha256[:12]}): " + ", ".join(f"{len(rows[s]):,} {s} records" for s in SETS)
            )
            try:
                asked[key] = _ask(model, contract, tensors, rows)
            except GristmillError as error:
                if role == "challenger":
                    raise
                asked[key] = None
                reason = str(error).rstrip(".")
                left_out[role] = f"The {role} ({model.sha256[:12]}) could not be asked about today's records: {reason}."
        elif asked[key] is None:
            left_out[role] = f"The {role} is the same model as the champion, and could not be asked either."
        if (answer := asked[key]) is not None:
            answers[role] = answer
            notes += _class_notes(role, model, contract)
    return answers


class OtherTaskError(GristmillError):
    """A model that was made for another kind or task than the workload has today."""


def _ask(model: Model, contract: dict[str, Any], tensors: "Tensors", rows: dict[str, Any]) -> dict[str, Any]:
    for key in ("kind", "task"):
        if model.contract[key] != contract[key]:
            raise OtherTaskError(f"its {key} is {model.contract[key]}, and today's is {contract[key]}")
    answers = {name: predict(model, tensors, table) for name, table in rows.items()}
    if contract["task"] == "regression":
        return answers
    known, today = model.contract["classes"], contract["classes"]
    return {name: in_classes(answer, known, today) for name, answer in answers.items()}


def _class_notes(role: str, model: Model, contract: dict[str, Any]) -> list[str]:
    if contract["task"] == "regression":
        return []
    known, today = model.contract["classes"], contract["classes"]
    unknown, gone = [one for one in today if one not in known], [one for one in known if one not in today]
    parts = [f"does not know {', '.join(unknown)}"] if unknown else []
    parts += [f"still knows {', '.join(gone)}, which is left out of its answers"] if gone else []
    return [f"Classes changed: the {role} {' and '.join(parts)}."] if parts else []


def _metrics(predictions: Predictions, contract: dict[str, Any]) -> dict[str, Any]:
    n = len(predictions.record_ids)
    if not n:
        return {"n": 0}
    figures: dict[str, Any] = {"n": n}
    for role, answers in predictions.answers.items():
        if contract["task"] == "regression":
            figures[role] = regression_metrics(predictions.target, answers)
        else:
            figures[role] = classification_metrics(predictions.target, answers, contract["classes"])
    return figures


def _confusion_csv(predictions: Predictions, contract: dict[str, Any]) -> str:
    """One line for each held-out record, by class name: DVC's confusion template counts them itself.

    A regression has no classes: the file then holds its header alone.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["actual", "predicted"])
    if contract["task"] == "classification":
        classes = contract["classes"]
        predicted = predictions.answers["challenger"].argmax(1)
        writer.writerows((classes[a], classes[p]) for a, p in zip(predictions.target, predicted, strict=True))
    return text.getvalue()
