"""What a growing source has lands once, whoever looks and whatever is killed, and no source keeps another from landing."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from tests.conftest import SEED, check_nothing, commit_all, gristmill

from gristmill.data.growing import folder as growing_folder
from gristmill.data.growing.arrivals import Found
from gristmill.data.growing.ledger import Ledger
from gristmill.data.growing.query import look_into_query
from gristmill.data.growing.settings import FolderSource
from gristmill.data.sources import SourceSettings
from gristmill.registry.history import read_history
from gristmill.registry.mill import Change
from gristmill.runs import growing
from gristmill.runs.growing import Visit, ledger_path
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.polling import poll_sources, source_notes
from gristmill.runs.repository import Repository
from gristmill.runs.sourcing import SourcesError, land_sources
from gristmill.runs.status import where

W = "credit-risk"


@pytest.fixture(autouse=True)
def _rest_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_folder, "RESTED_S", 0.05)


def declare(repository: Repository, *sources: dict[str, Any], **section: Any) -> None:
    check_nothing(repository, W)
    params = repository.workload(W).params
    values = yaml.safe_load(params.read_text("utf-8"))
    values["source"] = {**section, "growing": list(sources)}
    params.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


def exports(repository: Repository, **files: str) -> dict[str, Any]:
    """A folder of CSVs, declared as the source `exports`."""
    folder = repository.root.parent / "exports"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return {"name": "exports", "folder": str(folder)}


def orders(repository: Repository, n: int, **settings: Any) -> dict[str, Any]:
    """A database with `n` more rows, declared as the source `orders`."""
    file = repository.root.parent / "shop.db"
    with sqlite3.connect(file) as shop:
        shop.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, amount REAL)")
        shop.executemany("INSERT INTO orders (amount) VALUES (?)", [(i,) for i in range(n)])
    shop.close()
    query = "SELECT * FROM orders WHERE id >= :mark"
    return {"name": "orders", "database": f"sqlite:///{file}", "query": query, "mark": "id", "start": 0, **settings}


def parts(repository: Repository) -> dict[str, Path]:
    """Every part that has landed, by its path below the landing."""
    pointer = repository.mill.read(f"data/{W}/landing.dvc")
    listing = repository.dvc.listing(landing_md5(pointer)) if pointer else {}
    return {
        path: repository.dvc.object_path(md5) for path, md5 in listing.items() if not path.endswith("manifest.json")
    }


def ids(repository: Repository) -> list[int]:
    """The ids of all rows that have landed as Parquet."""
    tables = [pq.read_table(path) for name, path in parts(repository).items() if name.endswith(".parquet")]
    return sorted(number for table in tables for number in table.column("id").to_pylist())


def ledger(repository: Repository) -> Ledger:
    return Ledger.of(repository.mill.read(ledger_path(W)))


def test_declared_sources_land_with_their_ledger_in_one_commit_and_the_second_time_nothing_does(
    repository: Repository,
) -> None:
    said: list[str] = []
    source = {**exports(repository, a="x\n1\n"), "licence": "ours", "terms": "none"}
    declare(repository, source, orders(repository, 3))
    landed = land_sources(repository, repository.workload(W), said.append)
    first, second = (one.manifest for one in landed)
    assert said == [
        f"{W}: exports: landed batch {first.batch} (a.csv)",
        f"{W}: orders: landed batch {second.batch} (3 rows, id 1 to 3)",
    ]
    assert (first.origin, first.licence, first.terms) == ("exports: a.csv", "ours", "none")
    assert ledger(repository).files("exports").files == {"a.csv": first.batch}
    moved = repository.git.log("refs/heads/mill", "%s", ledger_path(W))
    assert moved == [f"land {W}: orders.parquet", f"land {W}: a.csv"]

    tip = repository.mill.tip()
    said.clear()
    assert land_sources(repository, repository.workload(W), said.append) == []
    assert said == [f"{W}: exports: nothing new", f"{W}: orders: nothing new"] and repository.mill.tip() == tip
    assert (repository.root.parent / "exports" / "a.csv").exists()


def test_what_had_landed_before_moves_the_ledger_alone(repository: Repository) -> None:
    source = exports(repository, a="x\n1\n")
    declare(repository, source)
    before = land(repository, repository.workload(W), [repository.root.parent / "exports" / "a.csv"])
    said: list[str] = []
    [again] = land_sources(repository, repository.workload(W), said.append)
    assert not again.is_new and said == [f"{W}: exports: had landed before: batch {before.manifest.batch} (a.csv)"]
    assert len(parts(repository)) == 1 and ledger(repository).files("exports").files == {"a.csv": before.manifest.batch}
    [event, *_] = read_history(repository.mill, W)
    assert event.subject == f"note {W}: a.csv had landed before, as batch {before.manifest.batch}"


def test_one_source_that_is_amiss_keeps_no_other_from_landing(repository: Repository) -> None:
    lost = {"name": "lost", "folder": "/nowhere/at-all"}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    expired = {**exports(repository, b="x\n2\n"), "name": "expired", "expires": yesterday}
    declare(repository, lost, expired, orders(repository, 2), expires=yesterday)
    done = gristmill(repository.root, "land", W)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert f"{W}: orders: landed batch " in done.stdout and ids(repository) == [1, 2]
    assert "gristmill: 2 things could not land, the rest did:" in done.stdout
    assert "lost: the folder /nowhere/at-all cannot be read" in done.stdout
    assert f"expired: source.growing.expired: the right to use it ended on {yesterday}" in done.stdout
    assert [name for name in parts(repository) if "b.csv" in name] == []
    assert any("source.growing.expired: the right to use it ended" in line for line in where(repository))


def test_declared_batches_are_not_fetched_when_the_right_has_ended(repository: Repository) -> None:
    part = {"name": "a", "sha256": "0" * 64, "mirrors": ["/nowhere"]}
    declare(repository, batches=[{"role": "train", "parts": [part]}], expires=datetime(2020, 1, 1).date())
    with pytest.raises(SourcesError, match=r"^source: the right to use it ended on 2020-01-01"):
        land_sources(repository, repository.workload(W), lambda _: None)


def test_of_two_who_look_at_once_one_lands_and_the_other_looks_again(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def unlocked(*_: Any) -> Iterator[None]:  # as on two machines
        yield

    monkeypatch.setattr(growing, "locked", unlocked)
    both = threading.Barrier(2, timeout=60)
    really_look = look_into_query

    def look_together(*args: Any) -> Any:
        found = really_look(*args)
        if not args[2].sources:
            both.wait()
        return found

    monkeypatch.setattr(growing, "look_into_query", look_together)
    declare(repository, orders(repository, 4))
    [source] = SourceSettings.read(repository.workload(W).params, "source").growing
    several = [source.model_copy(update={"rows_per_batch": n}) for n in (2, 3)]  # else both would land the same batch
    visits = [Visit(Repository(repository.root), repository.workload(W), one, lambda _: None) for one in several]
    # On two machines each has a folder of its own for what it brings.
    monkeypatch.setattr(Visit, "_note", lambda visit, suffix: repository.state / f"{id(visit)}.{suffix}")
    threads = [threading.Thread(target=visit.take_new) for visit in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [visit.amiss for visit in visits] == [[], []]
    assert ids(repository) == [1, 2, 3, 4] and len(parts(repository)) == 2


@pytest.mark.parametrize("seed", range(1 if not os.environ.get("GRISTMILL_PROVE") else 17))
def test_killed_at_any_moment_every_row_and_file_is_in_exactly_one_batch_in_the_end(
    seed: int, repository: Repository
) -> None:
    rng = random.Random(SEED + seed)
    code = (
        "import sys\nfrom pathlib import Path\nfrom gristmill.data.growing import folder\n"
        "from gristmill.runs.repository import Repository\nfrom gristmill.runs.sourcing import land_sources\n"
        "folder.RESTED_S = 0.05\nr = Repository(Path(sys.argv[1]))\n"
        f"print('begun', flush=True)\nland_sources(r, r.workload('{W}'), lambda line: print(line, flush=True))\n"
    )
    declare(repository, orders(repository, 5, rows_per_batch=3), exports(repository, a="x\n1\n"))
    for _ in range(3):
        command = [sys.executable, "-c", code, str(repository.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(rng.uniform(0, 3))
            process.send_signal(signal.SIGKILL)
        taken = ids(repository)
        assert len(set(taken)) == len(taken)
    if seed % 2:
        orders(repository, 2)
    land_sources(repository, repository.workload(W), lambda _: None)
    assert ids(repository) == list(range(1, len(ids(repository)) + 1)) and len(ids(repository)) == 5 + 2 * (seed % 2)
    assert sorted(name.rpartition("/")[2] for name in parts(repository) if name.endswith(".csv")) == ["a.csv"]
    assert list(ledger(repository).files("exports").files) == ["a.csv"]


def test_the_watcher_polls_what_is_committed_says_what_is_amiss_once_and_waits_for_no_source(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    hung, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(growing, "look_into_query", lambda *_: Found([], [], [], is_all=hung.wait(60)))
    monkeypatch.setattr("gristmill.runs.polling._LOOK_S", 0.05)
    monkeypatch.setattr(FolderSource, "poll_s", 0.05, raising=False)
    lost = {"name": "lost", "folder": "/nowhere/at-all"}
    declare(repository, orders(repository, 2), exports(repository, a="x\n1\n"), lost)
    polling = threading.Thread(target=poll_sources, args=(Repository(repository.root), said.append, stop))
    polling.start()
    try:
        time.sleep(0.5)
        assert said == [], "what is not committed is not polled"
        commit_all(repository.root, "declare sources")
        deadline = time.monotonic() + 60
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(said) == 2
        assert any(line.startswith(f"{W}: exports: landed batch ") for line in said)
        [told] = [line for line in said if line.startswith(f"{W}: lost: the folder /nowhere/at-all cannot be read")]
        assert source_notes(repository) == [told] and told in where(repository)
    finally:
        stop.set()
        hung.set()
        polling.join()
    assert source_notes(repository) == []


def test_a_ledger_on_mill_that_cannot_be_read_is_a_sentence(repository: Repository) -> None:
    declare(repository, exports(repository, a="x\n1\n"))
    repository.mill.begin()
    repository.mill.commit(lambda _: [Change("break", {ledger_path(W): json.dumps({"exports": 1}).encode()})])
    with pytest.raises(SourcesError, match="the ledger on `mill` does not fit: it cannot be read"):
        land_sources(repository, repository.workload(W), lambda _: None)
