"""What landing looks at, with a real champion: a linear reader of real digits, in a repository whose turn was recorded."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from examples.story.grist import write_images, write_labels
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from tests.conftest import clone_of, copy_of_todays_code, gristmill
from tests.digits import digits
from tests.recorded_turns import leave_results, started
from tests.toy_models import write_model

from gristmill.adapters.dvc import read_lock, write_lock
from gristmill.data.manifest import Decision, read_landing
from gristmill.evaluation.prediction import predict, read_model
from gristmill.evaluation.tables import Predictions, write_predictions
from gristmill.ground.files import read_json, write_json
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload
from gristmill.kinds.images import records, tensors
from gristmill.runs.checks import ChecksSettings, check_lines
from gristmill.runs.inbox import watch
from gristmill.runs.landing import Landed, land, landing_md5
from gristmill.runs.record import record_run
from gristmill.runs.repository import Repository
from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate

W = "mnist"
CONTRACT = {
    "kind": "images",
    "task": "classification",
    "classes": [str(digit) for digit in range(10)],
    "image": {"height": 28, "width": 28},
    "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", 28, 28]}],
}

Change = Callable[[Any, Any], tuple[Any, Any]]


def as_they_are(images: Any, labels: Any) -> tuple[Any, Any]:
    return images, labels


def shuffled(images: Any, labels: Any) -> tuple[Any, Any]:
    return images, np.random.default_rng(0).permutation(labels)


def mirrored(images: Any, labels: Any) -> tuple[Any, Any]:
    return images[:, :, ::-1], labels


def brighter(images: Any, labels: Any) -> tuple[Any, Any]:
    return np.where(images, np.minimum(images, 235) + 20, 0), labels


def write_batch(folder: Path, start: int, stop: int, change: Change = as_they_are) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = change(*digits(start, stop))
    return [write_images(folder / "images", images), write_labels(folder / "labels", labels)]


def land_digits(repository: Repository, start: int, stop: int, change: Change = as_they_are, **options: Any) -> Landed:
    folder = repository.root.parent / f"files-{start}-{stop}-{change.__name__}"
    return land(repository, repository.workload(W), write_batch(folder, start, stop, change), **options)


def cached(repository: Repository, folder: Path) -> dict[str, Any]:
    """Put a folder into DVC's cache, as an output in dvc.lock."""
    entries = []
    for path in sorted(folder.iterdir()):
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        target = repository.dvc.object_path(md5)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        entries.append({"md5": md5, "relpath": path.name})
    md5 = f"{hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest()}.dir"
    listing = repository.dvc.object_path(md5)
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(json.dumps(entries))
    return {"md5": md5, "size": 1, "nfiles": len(entries)}


def leave_champion(repository: Repository, place: Path) -> None:
    """A turn that promoted a linear model of 700 digits, judged on 500 others."""
    images, labels = digits(0, 700)
    learner = LogisticRegression(C=1e-6, fit_intercept=False, max_iter=300).fit(images.reshape(700, -1), labels)
    model_sha256 = write_model(place / "model", CONTRACT, workload=W, learnt=learner.coef_.T)
    model = read_model(place / "model")
    assert model is not None
    (place / "prepared").mkdir()
    save_file({"images": images, "target": labels.astype(np.int64)}, place / "prepared" / "train.safetensors")
    held_out = write_batch(place / "held_out", 700, 1200)
    rows = records.read(held_out, records.IngestSettings(), "held out").rows
    judged = Predictions(
        rows["record_id"].to_pylist(), tensors.targets(rows, CONTRACT), {"challenger": predict(model, tensors, rows)}
    )
    (place / "predictions").mkdir()
    write_predictions(place / "predictions" / "holdout.parquet", judged)
    outs = {
        "train": (f"models/{W}/challenger", place / "model"),
        "prepare": (f"data/{W}/prepared", place / "prepared"),
        "evaluate": (f"reports/{W}/predictions", place / "predictions"),
    }
    with started(repository, W) as ws:
        leave_results(ws, model_sha256)
        stages = read_lock((ws.root / "dvc.lock").read_bytes())
        for stage, (path, folder) in outs.items():
            stages[f"{stage}@{W}"]["outs"] = [{"path": path, **cached(repository, folder)}]
        (ws.root / "dvc.lock").write_bytes(write_lock(stages))
        record_run(ws, "a test", "Ada")


@pytest.fixture(scope="module")
def with_champion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed: take `digitised`, a clone on the same cache."""
    place = tmp_path_factory.mktemp("digitised")
    repository = Repository(copy_of_todays_code(place / "repo"))
    landed = land_digits(repository, 0, 700)
    assert landed.check is not None and landed.check.finding is not None
    assert landed.check.finding.champion is None
    leave_champion(repository, place)
    return repository.root


@pytest.fixture
def digitised(with_champion: Path, tmp_path: Path) -> Repository:
    """Digits that have landed, and a champion that reads them."""
    return clone_of(with_champion, tmp_path / "clone")


def declare(repository: Repository, **checks: Any) -> None:
    params = repository.workload(W).params
    params.write_text(yaml.safe_dump({**yaml.safe_load(params.read_text("utf-8")), "checks": checks}))


def lying_beside(repository: Repository, landed: Landed) -> dict[str, Any]:
    """The decision files of a batch as they lie on `mill`."""
    pointer = repository.mill.read(f"data/{W}/landing.dvc")
    assert pointer is not None
    return {
        Path(path).name: read_json(repository.dvc.object_path(md5))
        for path, md5 in repository.dvc.listing(landing_md5(pointer)).items()
        if path.split("/")[1] == landed.manifest.batch and path.endswith(("check.json", "withhold.json"))
    }


def judged(repository: Repository, root: Path, without: str = "") -> Workload:
    """What `ingest` and `validate` make of all that has landed; `without` leaves files of that name out."""
    workload = Workload(W, "images", root)
    pointer = repository.mill.read(f"data/{W}/landing.dvc")
    assert pointer is not None
    repository.dvc.extract(landing_md5(pointer), workload.landing)
    for path in workload.landing.rglob(without) if without else ():
        path.unlink()
    workload.params.parent.mkdir(parents=True, exist_ok=True)
    workload.params.write_bytes(repository.workload(W).params.read_bytes())
    suite = read_json(repository.workload(W).expectations)  # its bounds are those of MNIST: these digits are others
    write_json(workload.expectations, {**suite, "expectations": suite["expectations"][:4]})
    ingest(workload)
    validate(workload)
    return workload


def finding_of(landed: Landed) -> Any:
    assert landed.check is not None and landed.check.finding is not None
    return landed.check.finding


def test_clean_labels_agree_with_the_champion_as_its_own_holdout_did(digitised: Repository) -> None:
    landed = land_digits(digitised, 1200, 1600)
    finding = finding_of(landed)
    assert finding.champion == "v1.0.0"
    assert not finding.notes and finding.labels["alarms"] == {}
    assert finding.labels["n_checked"] == 400 and finding.labels["agreement"] > 0.8
    assert set(lying_beside(digitised, landed)) == {"0001-check.json"}
    Decision.model_validate(lying_beside(digitised, landed)["0001-check.json"])


def test_shuffled_labels_are_warned_of_and_listed_the_most_suspicious_first(digitised: Repository) -> None:
    landed = land_digits(digitised, 1200, 1600, shuffled)
    finding = finding_of(landed)
    assert {"agreement", "recall", "review"} <= finding.labels["alarms"].keys()
    listed = [row["p_target"] for row in finding.labels["review"]]
    assert listed == sorted(listed) and len(listed) == 100 < finding.labels["n_review"]
    assert any("agree with the champion" in line for line in check_lines(landed.check))


def test_mirrored_images_are_told_by_where_their_brightness_lies(digitised: Repository) -> None:
    finding = finding_of(land_digits(digitised, 1200, 1600, mirrored))
    assert "left" in finding.drift["drifted"]
    assert any("'left'" in warning for warning in finding.warnings)


def test_before_a_champion_labels_that_cannot_be_learnt_are_warned_of(with_champion: Path, tmp_path: Path) -> None:
    repository = Repository(copy_of_todays_code(tmp_path / "fresh"))
    finding = finding_of(land_digits(repository, 0, 600, shuffled))
    assert finding.champion is None and finding.drift is None
    assert list(finding.labels["alarms"]) == ["self_check"]
    assert not finding_of(land_digits(repository, 0, 600)).warnings


def test_a_batch_that_is_withheld_stays_out_until_a_person_releases_it(digitised: Repository, tmp_path: Path) -> None:
    declare(digitised, labels="withhold")
    landed = land_digits(digitised, 1200, 1600, shuffled)
    assert set(lying_beside(digitised, landed)) == {"0001-withhold.json"}
    assert check_lines(landed.check)[-1] == "the batch is withheld until a person releases it"
    workload = judged(digitised, tmp_path / "tree")
    batch = landed.manifest.batch
    assert [one["rows"]["withheld"] for one in validation(workload) if one["batch"] == batch] == [400]
    assert batch not in admitted(workload)

    (folder,) = workload.landing.glob(f"*/{batch}")
    release = {"decision": "release", "actor": "Ada", "reason": "looked at", "at": "2026-01-01T00:00:00Z"}
    write_json(folder / "0002-release.json", release)
    validate(workload)
    assert admitted(workload)[batch]["rows"] == [[0, 400]]


def test_what_drift_warns_of_is_not_withheld_for_its_labels_alone(digitised: Repository) -> None:
    declare(digitised, labels="withhold")
    landed = land_digits(digitised, 1200, 1600, brighter)
    assert finding_of(landed).drift["alarms"] and not finding_of(landed).labels["alarms"]
    assert set(lying_beside(digitised, landed)) == {"0001-check.json"}
    declare(digitised, drift="withhold")
    landed = land_digits(digitised, 1201, 1600, brighter)
    assert set(lying_beside(digitised, landed)) == {"0001-withhold.json"}


def test_a_finding_without_withholding_changes_nothing_about_admission(digitised: Repository, tmp_path: Path) -> None:
    land_digits(digitised, 1200, 1500, shuffled)
    land_digits(digitised, 1500, 1700, mirrored)
    land_digits(digitised, 1700, 1750)
    with_findings = judged(digitised, tmp_path / "with")
    without = judged(digitised, tmp_path / "without", without="0001-check.json")
    assert len(read_landing(without.landing)) == 4 and not any(b.decisions for b in read_landing(without.landing))
    assert with_findings.admitted.read_bytes() == without.admitted.read_bytes()
    assert [one["rows"] for one in validation(with_findings)] == [one["rows"] for one in validation(without)]


def test_the_report_has_the_figures_and_names_no_record(digitised: Repository, tmp_path: Path) -> None:
    landed = land_digits(digitised, 1200, 1600, shuffled)
    workload = judged(digitised, tmp_path / "tree")
    (entry,) = [one for one in validation(workload) if one["batch"] == landed.manifest.batch]
    assert entry["finding"]["champion"] == "v1.0.0"
    assert "agreement" in entry["finding"]["labels"]["alarms"]
    assert entry["finding"]["labels"]["agreement_z"] < -4
    assert read_json(workload.reports / "validation.json")["check_warnings"] >= 3
    assert [line["severity"] for line in entry["reasons"]].count("warning") >= 3
    text = (workload.reports / "validation.json").read_text()
    assert not any(row["record_id"] in text for row in finding_of(landed).labels["review"])


def test_what_is_off_is_not_checked_and_leaves_no_file(digitised: Repository) -> None:
    declare(digitised, labels="off", drift="off")
    landed = land_digits(digitised, 1200, 1300)
    assert landed.check is None and lying_beside(digitised, landed) == {}


def test_a_benchmark_and_a_batch_that_had_landed_are_not_checked(digitised: Repository) -> None:
    assert land_digits(digitised, 1200, 1300, role="benchmark").check is None
    assert land_digits(digitised, 0, 700).check is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unreadable", "not checked: the batch cannot be read as it is: images is not an IDX file"),
        ("too large", r"not checked: 0 MiB are more than checks.largest_mib \(1e-05\) allows"),
        ("no model", "not checked: DVC's cache"),
        ("no training data", "drift is not checked: the training data of v1.0.0 is not in the cache"),
        ("settings", "the settings of the checks do not count: .*checks.labels is 'loud'"),
        ("a bug", "not checked: RuntimeError: nobody expected this"),
    ],
)
def test_what_cannot_be_checked_is_said_and_lands_all_the_same(
    digitised: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, words: str
) -> None:
    withholding = {"labels": "withhold", "drift": "withhold"}  # which what cannot be checked is no reason for
    other: dict[str, Any] = {"too large": {"largest_mib": 1e-5}, "settings": {"labels": "loud"}}.get(fault, {})
    declare(digitised, **{**withholding, **other})
    if fault == "a bug":

        def fail(*_: object) -> None:
            raise RuntimeError("nobody expected this")

        monkeypatch.setattr(records, "read", fail)
    if fault.startswith("no "):
        present = digitised.dvc.object_path
        wanted = "model.safetensors" if fault == "no model" else "train.safetensors"
        hidden = listed(digitised, wanted)
        monkeypatch.setattr(
            "gristmill.adapters.dvc.Dvc.object_path",
            lambda _, md5: tmp_path / "nowhere" if md5 in hidden else present(md5),
        )
    files = write_batch(tmp_path / "files", 1200, 1400)
    if fault == "unreadable":
        files[0].write_bytes(b"no images")
    landed = land(digitised, digitised.workload(W), files)
    assert landed.commit == digitised.mill.tip()
    (note,) = finding_of(landed).notes
    assert re.match(words, note), note
    assert (finding_of(landed).labels is None) == (fault not in ("no training data", "settings"))
    monkeypatch.undo()
    assert set(lying_beside(digitised, landed)) == {"0001-check.json"}


def listed(repository: Repository, name: str) -> set[str]:
    """The hashes of every file of that name in the cache's listings."""
    listings = repository.cache.glob("files/md5/*/*.dir")
    return {entry["md5"] for path in listings for entry in json.loads(path.read_text()) if entry["relpath"] == name}


def test_a_person_who_lands_a_batch_reads_what_the_checks_warn_of(digitised: Repository, tmp_path: Path) -> None:
    files = write_batch(tmp_path / "files", 1200, 1600, shuffled)
    done = gristmill(digitised.root, "land", W, *map(str, files))
    assert done.returncode == 0
    assert "mnist: warning: the labels agree with the champion in" in done.stdout


def test_the_watcher_of_the_inbox_says_what_the_checks_warn_of(digitised: Repository) -> None:
    write_batch(digitised.workload(W).inbox / "shuffled", 1200, 1600, shuffled)
    said: list[str] = []
    stop = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if "warning" in line:
            stop.set()

    limit = threading.Timer(60, stop.set)
    limit.start()
    watch(digitised, lambda *_: None, say, stop)
    limit.cancel()
    assert said[1].startswith("mnist: shuffled: warning: the labels agree with the champion in")


def validation(workload: Workload) -> list[dict[str, Any]]:
    return list(read_json(workload.reports / "validation.json")["batches"])


def admitted(workload: Workload) -> dict[str, Any]:
    return {entry["batch"]: entry for entry in read_json(workload.admitted)["batches"]}


def test_every_setting_has_a_default_and_a_meaning() -> None:
    assert issubclass(ChecksSettings, Settings)
    assert all(field.description for field in ChecksSettings.model_fields.values())
