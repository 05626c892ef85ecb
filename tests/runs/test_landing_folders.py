"""Folders of many files land as they are, under their paths: nothing is left out, and nothing reaches outside."""

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.picture_files import encoded, pixels, write_folder, write_zip
from tests.watched import Watched

from gristmill.data.batches import read_batch
from gristmill.data.manifest import read_landing
from gristmill.ground.files import read_json, write_json
from gristmill.ground.workload import Workload
from gristmill.runs.landing import Landed, LandingError, land, landing_md5
from gristmill.runs.repository import Repository
from gristmill.stages.ingest import ingest
from gristmill.stages.validate import validate

ROOT = Path(__file__).resolve().parents[2]
CLASSES = [str(label) for label in range(10)]
proving = pytest.mark.skipif(not os.environ.get("GRISTMILL_PROVE"), reason="takes gigabytes, or minutes: `make prove`")


def articles() -> dict[str, bytes]:
    """Pictures by path, the sound ones such as fashion-mnist expects: a bright shape on black."""
    files = {}
    for n in range(120):
        article = np.zeros((28, 28), np.uint8)
        article[4:24, 6:22] = pixels(n, 20, 16) // 2 + 64
        files[f"{n % 10}/{n:04}.png"] = encoded(article)
    return {**files, "3/broken.png": files["3/0003.png"][:-30]}


def landed_files(repository: Repository, name: str) -> dict[str, str]:
    """Paths in a workload's landing, below the batch, with their md5."""
    pointer = repository.mill.read(f"data/{name}/landing.dvc")
    assert pointer is not None
    return {path.split("/", 2)[2]: md5 for path, md5 in repository.dvc.listing(landing_md5(pointer)).items()}


def brought(repository: Repository, root: Path) -> Workload:
    """What the stages see of fashion-mnist: all that landed, and its parameters with names of classes."""
    workload = Workload("fashion-mnist", "images", root)
    pointer = repository.mill.read("data/fashion-mnist/landing.dvc")
    assert pointer is not None
    repository.dvc.extract(landing_md5(pointer), workload.landing)
    params = yaml.safe_load((ROOT / "params" / "fashion-mnist.yaml").read_text("utf-8"))
    params.update(ingest={"classes": CLASSES})
    workload.params.parent.mkdir(parents=True)
    workload.params.write_text(yaml.safe_dump(params), "utf-8")
    workload.expectations.parent.mkdir(parents=True)
    suite = read_json(ROOT / "expectations" / "fashion-mnist.json")  # but what is asked of all pictures together
    of_rows = [one for one in suite["expectations"] if "row_count" in one["type"] or "_values_to_" in one["type"]]
    write_json(workload.expectations, {**suite, "expectations": of_rows})
    shutil.copyfile(ROOT / "expectations" / "fashion-mnist.profile.json", workload.profile)
    return workload


def test_a_folder_and_an_archive_of_pictures_land_are_read_and_judged(repository: Repository, tmp_path: Path) -> None:
    files = articles()
    told = "0/0000.png, 0/0010.png, 0/0020.png, 0/0030.png and 117 more"
    write_folder(tmp_path / "march", files)
    folder = land(repository, repository.workload("fashion-mnist"), [tmp_path / "march"])
    assert repository.git.log("refs/heads/mill", "%s")[0] == f"land fashion-mnist: {told}"
    assert folder.manifest.origin == told
    watched = Watched(repository)
    inbox = repository.workload("fashion-mnist").inbox
    write_zip(inbox / "april.zip", {f"april/{name}": content for name, content in files.items()})
    watched.rest()
    assert watched.is_empty("fashion-mnist"), watched.notes

    workload = brought(repository, tmp_path / "tree")
    ingest(workload)
    validate(workload)
    tables = [read_batch(path).rows for path in workload.batches.iterdir()]
    assert sorted(map(len, tables)) == [121, 121]
    report = read_json(workload.reports / "validation.json")
    assert report["rows"]["total"] == 242
    assert report["rows"]["admitted"] == 120, "the same pictures in two batches are admitted once"
    assert report["rows"]["quarantined"] == 2, "the broken one, once in each"
    reasons = [line["reason"] for batch in report["batches"] for line in batch["reasons"]]
    assert any("3/broken.png is damaged or cut short" in reason for reason in reasons)
    assert any("april.zip/april/3/broken.png is damaged or cut short" in reason for reason in reasons)


def test_unusual_names_land_as_they_are(repository: Repository, tmp_path: Path) -> None:
    names = {"a b/c d.csv", "'q'\"$(x).csv", "-rf/--all.csv", "é.csv", "e\u0301.csv", "👩\u200d🚀/🌾.csv", "a\\b.csv"}
    names |= {"*?[x].csv", ".hidden/.a.csv", "%41#&;.csv", " lead.csv", "trail .csv", ".gitignore", "params.yaml"}
    write_folder(tmp_path / "week", {name: name.encode() for name in names})
    land(repository, repository.workload("credit-risk"), [tmp_path / "week"])
    files = landed_files(repository, "credit-risk")
    assert files.keys() == names | {"manifest.json", "0001-check.json"}
    assert all(repository.dvc.object_path(files[name]).read_bytes() == name.encode() for name in names)
    repository.dvc.extract(
        landing_md5(repository.mill.read("data/credit-risk/landing.dvc") or b""), tmp_path / "landing"
    )
    [batch] = read_landing(tmp_path / "landing")
    assert [path.read_bytes().decode() for path in batch.parts] == sorted(names)


def test_what_dvc_would_leave_out_in_silence_is_refused_and_not_lost(repository: Repository, tmp_path: Path) -> None:
    write_folder(tmp_path / "week", {"a.csv": b"x\n1\n", ".hg/b.csv": b"x\n2\n"})
    with pytest.raises(LandingError, match=r"DVC does not take \.hg/b\.csv"):
        land(repository, repository.workload("credit-risk"), [tmp_path / "week"])
    assert repository.mill.read("data/credit-risk/landing.dvc") is None


def test_a_file_that_changes_while_it_is_read_does_not_land(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "week", {"x/a.csv": b"x\n1\n", "y/b.csv": b"x\n2\n"})
    copy = shutil.copyfile

    def written_meanwhile(source: Path, target: Path) -> object:
        with source.open("ab") as file:
            file.write(b"3\n")
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", written_meanwhile)
    with pytest.raises(LandingError, match=r"x/a\.csv changed while it was read"):
        land(repository, repository.workload("credit-risk"), [tmp_path / "week"])
    assert repository.mill.read("data/credit-risk/landing.dvc") is None


def land_sparse(repository: Repository, path: Path, size: int) -> Landed:
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(size)
    return land(repository, repository.workload("credit-risk"), [path])


def test_a_large_file_is_never_in_memory(repository: Repository, tmp_path: Path) -> None:
    tracemalloc.start()
    landed = land_sparse(repository, tmp_path / "week" / "large.csv", 100 * 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert landed.is_new and landed.manifest.parts[0].size == 100 * 2**20
    assert peak < 64 * 2**20, "a chunk of what the checks at landing look at, too"


@proving
def test_ten_gigabytes_land_in_half_a_gigabyte_of_memory(repository: Repository, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gristmill.runs.repository import Repository; "
        "from tests.runs.test_landing_folders import land_sparse; "
        "print(land_sparse(Repository(Path(sys.argv[1])), Path(sys.argv[2]), 10 * 2**30).is_new); import re, resource; "
        # Its own peak from there, for ru_maxrss begins with the memory of whoever started it: proc(5), getrusage(2).
        "print(max(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]), "
        "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
    )
    command = [sys.executable, "-c", program, str(repository.root), str(tmp_path / "week" / "large.csv")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    is_new, kilobytes = done.stdout.split()
    assert is_new == "True" and int(kilobytes) < 512 * 1024


@proving
def test_ten_thousand_pictures_land_in_a_minute_of_computing(repository: Repository, tmp_path: Path) -> None:
    write_folder(tmp_path / "march", {f"{n % 10}/{n}.png": encoded(pixels(n, 28, 28)) for n in range(10_000)})
    before = sum(os.times()[:4])
    started = time.monotonic()
    land(repository, repository.workload("mnist"), [tmp_path / "march"])
    print(f"10,000 pictures: {sum(os.times()[:4]) - before:.1f} s CPU, {time.monotonic() - started:.1f} s in all")
    assert sum(os.times()[:4]) - before < 60
    assert sum(name.endswith(".png") for name in landed_files(repository, "mnist")) == 10_000
