"""What it costs to let data in: `ingest` and `validate`, from 10,000 rows to 10 million, and with ever more batches in.

Rides of 11 columns meet 16 expectations, four of which fail for 0.1 % of the rows each; on the same tables and in the same
run, rounds alternating, pandera and a check by hand in Polars. CPU time is user and system together. `--small` takes small
numbers, to see that it runs.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import tell, tell_median
from benchmarks.rides import land_rides, rides_workload
from benchmarks.scratch import Scratch, scratch_repository
from gristmill.ground.files import write_text
from gristmill.ground.workload import Workload


class Scale(NamedTuple):
    """How much is measured."""

    rows: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    compared: int = 1_000_000
    """Rows at which ours is held against the others."""
    already_in: tuple[int, ...] = (10, 100, 1_000)
    """Batches, before one more comes."""
    batch_rows: int = 1_000
    rounds: int = 5


SMALL = Scale(rows=(2_000,), compared=2_000, already_in=(2, 4), batch_rows=1_000, rounds=1)
_MOST_GIB = 4


class Spent(NamedTuple):
    """What one process took."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    output: str


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in _INSIDE:
        _INSIDE[sys.argv[1]](*sys.argv[2:])
        return
    scale = SMALL if "--small" in sys.argv[1:] else Scale()
    with scratch_repository() as scratch:
        sizes = {n: _workload(scratch, f"rides-{n}") for n in scale.rows}
        histories = {n: _workload(scratch, f"after-{n}") for n in scale.already_in}
        names = [workload.name for workload in (*sizes.values(), *histories.values())]
        write_text(
            scratch.root / "params.yaml", "".join(["workloads:\n", *(f"  {n}: {{kind: tabular}}\n" for n in names)])
        )
        for n_rows, workload in sizes.items():
            one_batch(scratch, workload, n_rows)
        side_by_side(scratch, sizes[scale.compared], scale.compared, scale.rounds)
        one_more(scratch, histories, scale)


def one_batch(scratch: Scratch, workload: Workload, n_rows: int) -> None:
    """All rows in one batch, for the first time."""
    _python(scratch, "-m", "benchmarks.door", "land", workload.name, str(n_rows), "1", "1")
    spent = {stage: _stage(scratch, workload, stage) for stage in ("ingest", "validate")}
    wall_s = sum(one.wall_s for one in spent.values())
    tell(f"ingest and validate of {n_rows:,} rows in one batch", n_rows / wall_s, "rows/s")
    for stage, one in spent.items():
        target = f"<= {_MOST_GIB * 1024}" if stage == "validate" and n_rows == max(Scale().rows) else None
        tell(f"CPU time of {stage}, {n_rows:,} rows in one batch", one.cpu_s, "s")
        tell(f"peak memory of {stage}, {n_rows:,} rows in one batch", one.peak_mib, "MiB", target)


def side_by_side(scratch: Scratch, workload: Workload, n_rows: int, rounds: int) -> None:
    """Whole processes, and what is left of them without the imports and without bringing the table into memory."""
    whole: dict[str, list[float]] = {"validate": [], "pandera": [], "by-hand": []}
    alone: dict[str, list[float]] = {name: [] for name in whole}
    for _ in range(rounds):
        for name in whole:
            if name == "validate":
                whole[name].append(_stage(scratch, workload, "validate", forgetful=True).cpu_s)
                done = _python(scratch, "-m", "benchmarks.door", "validate", workload.name)
            else:
                done = _check(scratch, workload, name)
                whole[name].append(done.cpu_s)
            alone[name].append(float(done.output.splitlines()[-1]))
    for name in whole:
        tell_median(f"CPU time of checking {n_rows:,} rows {_called(name)}: the process", whole[name], "s")
        tell_median(
            f"CPU time of checking {n_rows:,} rows {_called(name)}: without imports and loading", alone[name], "s"
        )
    for what, times, target in (("the process", whole, None), ("without imports and loading", alone, "<= 3")):
        for other in ("pandera", "by-hand"):
            ratio = statistics.median(times["validate"]) / statistics.median(times[other])
            asked = target if other == "by-hand" else None
            tell(f"validate of {n_rows:,} rows by the check {_called(other)}: {what}", ratio, "times", asked)


def one_more(scratch: Scratch, histories: dict[int, Workload], scale: Scale) -> None:
    """One new batch, with others in already; DVC's own work is not in it."""
    cpu_s: dict[int, list[float]] = {n: [] for n in histories}
    wall_s: dict[int, list[float]] = {n: [] for n in histories}
    others: dict[str, list[float]] = {"pandera": [], "by-hand": []}
    for n, workload in histories.items():
        _python(scratch, "-m", "benchmarks.door", "land", workload.name, str(scale.batch_rows), "1", str(n))
        spent = [_stage(scratch, workload, stage) for stage in ("ingest", "validate")]
        tell(f"CPU time of {n:,} batches of {scale.batch_rows:,} rows, none known", sum(s.cpu_s for s in spent), "s")
    for number in range(scale.rounds):
        for n, workload in histories.items():
            _python(
                scratch, "-m", "benchmarks.door", "land", workload.name, str(scale.batch_rows), str(5000 + number), "1"
            )
            spent = [_stage(scratch, workload, stage) for stage in ("ingest", "validate")]
            cpu_s[n].append(sum(one.cpu_s for one in spent))
            wall_s[n].append(sum(one.wall_s for one in spent))
        for name, times in others.items():
            times.append(_check(scratch, workload, name).cpu_s)
    one = f"one new batch of {scale.batch_rows:,} rows"
    for n in histories:
        tell_median(f"CPU time of {one}, {n:,} already in", cpu_s[n], "s")
        tell_median(f"wall time of {one}, {n:,} already in", wall_s[n], "s")
    for name, times in others.items():
        tell_median(f"CPU time of {one}, checked alone {_called(name)}: the process", times, "s")
    first, last = (statistics.median(cpu_s[n]) for n in (min(histories), max(histories)))
    tell(
        f"{one} with {max(histories):,} already in, by the same with {min(histories):,}",
        last / first,
        "times",
        "<= 1.5",
    )


def _called(other: str) -> str:
    return "by hand" if other == "by-hand" else f"by {other}"


def _workload(scratch: Scratch, name: str) -> Workload:
    return rides_workload(scratch.root, name)


def _stage(scratch: Scratch, workload: Workload, stage: str, *, forgetful: bool = False) -> Spent:
    """A stage as DVC runs it: its outputs are gone. A forgetful one begins without a memo."""
    if forgetful:
        shutil.rmtree(scratch.root / ".gristmill" / "memo" / workload.name / stage, ignore_errors=True)
    for out in (workload.batches,) if stage == "ingest" else (workload.admitted, workload.quarantine):
        if out.is_dir():
            shutil.rmtree(out)
        out.unlink(missing_ok=True)
    return _python(scratch, "-m", "gristmill.stages", stage, workload.name)


def _python(scratch: Scratch, *args: str) -> Spent:
    """A Python of its own: what a process took at most of memory is known only when it has ended.

    Rides are made in such a process too: a child's peak counts what its parent held when it was started.

    Raises:
        RuntimeError: it failed.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *args], cwd=scratch.root, env=scratch.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"`{' '.join(args)}` ended with exit code {process.returncode}:\n{output}")
    wall_s = time.perf_counter() - began
    return Spent(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 2**10, output)


def _check(scratch: Scratch, workload: Workload, how: str) -> Spent:
    """A check by other means, of the first batch by its id."""
    table = min(workload.batches.glob("*.parquet"))
    return _python(scratch, "-m", "benchmarks.checks", how, str(table), str(workload.data / "kept.parquet"))


def _land(name: str, n_rows: str, first_seed: str, n_batches: str) -> None:
    """Land batches in the working tree, a seed each."""
    for seed in range(int(first_seed), int(first_seed) + int(n_batches)):
        land_rides(Workload(name, "tabular", Path.cwd()), int(n_rows), seed)


def _validate_alone(name: str) -> None:
    """CPU seconds of `validate` without imports, less those of bringing into memory what it reads."""
    import polars  # noqa: F401
    import pyarrow.parquet as pq

    from gristmill.adapters.expectations import CompiledSuite
    from gristmill.data.batches import read_batch, read_rows
    from gristmill.quality.suite import looked_at, read_suite
    from gristmill.stages.validate import validate

    workload = Workload(name, "tabular", Path.cwd())
    suite = read_suite(workload.expectations, name)
    path = min(workload.batches.glob("*.parquet"))
    few = read_batch(path, ["record_id", *suite.reads(pq.read_schema(path).names)]).rows.slice(0, 1_000)
    CompiledSuite(suite, workload.expectations).outcomes(few, range(len(suite.expectations)))  # imports what is left
    whole_s = _cpu_s(lambda: validate(workload))
    kept = read_batch(workload.quarantine / path.stem / "rows.parquet", ["position"]).rows

    def load() -> None:
        names = pq.read_schema(path).names
        rows = read_batch(path, [*dict.fromkeys(["record_id", "target", "problems", *suite.reads(names)])]).rows
        rows.select(["record_id", *looked_at(suite.expectations, names)]).to_pandas(split_blocks=True)
        read_rows(path, kept.column("position").to_numpy())

    print(whole_s - _cpu_s(load))


def _cpu_s(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


_INSIDE: dict[str, Callable[..., None]] = {"land": _land, "validate": _validate_alone}
"""What runs in a process of its own."""


if __name__ == "__main__":
    main()
