"""Whatever lands and whatever is decided, in any order: each row has one status, and the right one.

The right one is told by a second implementation of the rules, row by row in plain Python, and the number of rows by the
bytes. It shares nothing with the stages but the rules in quality/decisions.py and quality/duplicates.py.
"""

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests import landed_data
from tests.landed_data import contents

from gristmill.adapters import expectations
from gristmill.data.batches import read_batch
from gristmill.data.manifest import Role
from gristmill.ground.files import read_json, write_json
from gristmill.ground.workload import Workload
from gristmill.kinds.tabular.tensors.encoding import UnfitTargetError
from gristmill.runs.accounting import check_every_row_has_a_status
from gristmill.stages import validate as validate_stage
from gristmill.stages.ingest import ingest
from gristmill.stages.prepare import EmptySideError, prepare
from gristmill.stages.validate import validate

MAX_BAD_ROWS = 0.3
CLASSES = ("Bad", "Good")
PARAMS = {
    "ingest": {"columns": {"amount": "numeric", "purpose": "categorical"}, "target": "class", "id": "id"},
    "validate": {"max_bad_rows": MAX_BAD_ROWS},
    "prepare": {
        "classes": list(CLASSES),
        "columns": {"amount": "numeric", "purpose": ["car", "house"]},
        "holdout_fraction": 0.3,
        "validation_fraction": 0.3,
    },
}
SUITE = {
    "name": "small",
    "meta": {"columns": {"target": {"type": "text", "called": "class", "needed": True}, "amount": {"type": "number"}}},
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "target", "value_set": list(CLASSES)}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}},
    ],
}
N_EXAMPLES = 500 if os.environ.get("GRISTMILL_PROVE") else 30


class Row(NamedTuple):
    id: str
    amount: str
    """A number, one below 0, which the suite refuses, or no number, which ingest cannot read."""
    target: str

    @property
    def is_broken(self) -> bool:
        return self.amount in ("-1", "x")


class Batch(NamedTuple):
    role: Role
    rows: tuple[Row, ...]

    @property
    def content(self) -> bytes:
        return "".join(
            ["id,amount,purpose,class\n", *(f"{r.id},{r.amount},car,{r.target}\n" for r in self.rows)]
        ).encode()


class Decided(NamedTuple):
    batch: int
    verb: str
    rows: tuple[str, ...] | None
    target: str
    """For `correct`."""


class Story(NamedTuple):
    batches: tuple[Batch, ...]
    decisions: tuple[Decided, ...]
    """In the order of their time stamps; those about a batch become its files in this order."""


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Few ids, so that records meet within a batch, across batches and with other targets."""
    ids = st.sampled_from([f"r{i}" for i in range(14)])
    amounts = st.sampled_from([*map(str, range(60)), *["-1", "x"] * 4])
    targets = st.sampled_from([*CLASSES * 5, "Ugly", ""])
    row = st.builds(Row, ids, amounts, targets)
    role: st.SearchStrategy[Role] = st.sampled_from(["train", "train", "train", "benchmark"])
    batch = st.builds(Batch, role, (st.lists(row, max_size=2) | st.lists(row, min_size=8, max_size=16)).map(tuple))
    batches = tuple(draw(st.lists(batch, min_size=1, max_size=4, unique=True)))
    about = st.none() | st.lists(ids, min_size=1, max_size=5, unique=True).map(tuple)
    verbs = st.sampled_from(["release", "drop", "withhold", "revert", "correct"])
    decided = st.builds(
        Decided, st.integers(0, len(batches) - 1), verbs, about, st.sampled_from([*CLASSES, *CLASSES, "Ugly"])
    )
    return Story(batches, tuple(draw(st.lists(decided, max_size=8))))


@pytest.fixture(autouse=True, scope="module")
def compiled_once() -> Iterator[None]:
    """Great Expectations is asked for real; only that the one suite of this module is compiled once."""
    compiled: dict[str, Any] = {}

    def compile_suite(suite: Any, path: Path) -> Any:
        if "it" not in compiled:
            compiled["it"] = expectations.CompiledSuite(suite, path)
        return compiled["it"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate_stage, "CompiledSuite", compile_suite)
        yield


def play(root: Path, story: Story, order: list[int]) -> Workload:
    """Land the batches in an order, the first one in January, and write down what was decided; judge and prepare."""
    workload = landed_data.workload(root, "tabular", PARAMS)
    write_json(workload.expectations, SUITE)
    for month, number in enumerate(order, 1):
        batch = story.batches[number]
        name = landed_data.land(workload, batch.content, role=batch.role, month=f"2026-{month:02}")
        mine = [(at, one) for at, one in enumerate(story.decisions) if one.batch == number]
        for file, (at, one) in enumerate(mine, 1):
            about: dict[str, Any] = {"rows": list(one.rows) if one.rows else None}
            if one.verb == "correct":
                about = {"targets": dict.fromkeys(one.rows or (), one.target)}
            moment = (datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=at)).isoformat()
            content = {"decision": one.verb, "actor": "Ada", "reason": "why", "at": moment, **about}
            write_json(workload.landing / f"2026-{month:02}" / name / f"{file:04}-{one.verb}.json", content)
    ingest(workload)
    validate(workload)
    return workload


def prepared(workload: Workload) -> dict[str, bytes] | str:
    """What is prepared of it, or why nothing can be."""
    try:
        prepare(workload)
    except (EmptySideError, UnfitTargetError) as error:  # released in spite of a class that nobody knows
        return str(error)
    return contents(workload.prepared)


def statuses(workload: Workload) -> dict[str, Counter[str]]:
    """Rows by status for each batch, as validate reports them."""
    report = read_json(workload.reports / "validation.json")
    return {one["batch"]: +Counter(one["rows"]) for one in report["batches"]}


def admitted(workload: Workload) -> set[tuple[str, int, str]]:
    """Batch, position and target of each row that is in."""
    found = set()
    for entry in read_json(workload.admitted)["batches"]:
        targets = read_batch(workload.batches / f"{entry['batch']}.parquet").rows.column("target").to_pylist()
        for start, stop in entry["rows"]:
            for position in range(start, stop):
                found.add((entry["batch"], position, entry["targets"].get(str(position), targets[position])))
    return found


def expected(story: Story, names: list[str]) -> tuple[dict[str, Counter[str]], set[tuple[str, int, str]]]:
    """The same by the rules, row by row."""
    status: dict[tuple[str, int], str] = {}
    targets: dict[tuple[str, int], str] = {}
    corrected: dict[tuple[str, int], tuple[int, str, int]] = {}
    for number, (name, batch) in enumerate(zip(names, story.batches, strict=True)):
        status |= _by_itself(
            name, batch, [(at, d) for at, d in enumerate(story.decisions) if d.batch == number], targets, corrected
        )
    for role in ("train", "benchmark"):
        same: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for name, batch in sorted(zip(names, story.batches, strict=True)):
            for position, row in enumerate(batch.rows):
                if batch.role == role and status[name, position] == "admitted":
                    same[row.id].append((name, position))
        for sides in same.values():
            wanted = {targets[side] for side in sides}
            if len(wanted) > 1:
                newest = max(((*corrected[side], side) for side in sides if side in corrected), default=None)
                if newest is None:
                    status |= dict.fromkeys(sides, "quarantined")
                    continue
                wanted = {targets[newest[-1]]}
            right = next(side for side in sides if targets[side] in wanted)
            status |= {**dict.fromkeys(sides, "collapsed"), right: "admitted"}
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for (name, _), one in status.items():
        counts[name][one] += 1
    return counts, {(*side, targets[side]) for side, one in status.items() if one == "admitted"}


def _by_itself(
    name: str,
    batch: Batch,
    decisions: list[tuple[int, Decided]],
    targets: dict[tuple[str, int], str],
    corrected: dict[tuple[str, int], tuple[int, str, int]],
) -> dict[tuple[str, int], str]:
    out = {"drop": "dropped", "withhold": "withheld", "revert": "reverted"}
    kept_out: dict[int, str] = {}
    released = set()
    for position, row in enumerate(batch.rows):
        targets[name, position] = row.target
        for file, (at, one) in enumerate(decisions):
            if one.verb == "correct":
                if row.id in (one.rows or ()):
                    targets[name, position], corrected[name, position] = one.target, (at, name, file)
            elif one.rows is None or row.id in one.rows:
                if one.verb != "release":
                    kept_out[position] = out[one.verb]
                elif kept_out.pop(position, None) not in ("withheld", "reverted"):
                    released.add(position)
    looked_at = [position for position in range(len(batch.rows)) if position not in kept_out]
    useless = {position for position in looked_at if not targets[name, position]}
    bad = {p for p in looked_at if p in useless or batch.rows[p].is_broken or targets[name, p] not in CLASSES}
    rescued = released - useless
    bad -= rescued
    whole = len(bad) > MAX_BAD_ROWS * len(looked_at)
    found = {}
    for position in range(len(batch.rows)):
        judged = "quarantined" if position in bad or (whole and position not in rescued) else "admitted"
        found[name, position] = kept_out.get(position, judged)
    return found


@settings(
    max_examples=N_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(stories(), st.randoms(use_true_random=False))
def test_each_row_has_the_one_status_that_the_rules_give_it_and_the_order_of_landing_decides_nothing(
    story: Story, random: Any
) -> None:
    order = list(range(len(story.batches)))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        workload = play(Path(one), story, order)
        names = [landed_data.batch_name(batch.content, role=batch.role) for batch in story.batches]
        assert check_every_row_has_a_status(workload) == sum(len(batch.rows) for batch in story.batches)
        counts, rows = expected(story, names)
        assert statuses(workload) == counts
        assert admitted(workload) == rows
        for status in set().union(*counts.values()):
            event(status)
        random.shuffle(order)
        again = play(Path(other), story, order)
        assert statuses(again) == counts
        assert again.admitted.read_bytes() == workload.admitted.read_bytes()
        ready = prepared(workload)
        assert prepared(again) == ready
        event("prepared" if isinstance(ready, dict) else "too little to prepare")
