"""What a turn costs beyond the stages' own work: Prefect, DVC and git, on credit-risk with its real data."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.server import prefect_server

from benchmarks.figures import tell, tell_median
from benchmarks.scratch import Scratch, declared_parts, scratch_repository
from benchmarks.timeline import Timeline, timeline
from gristmill.ground.pipeline import STAGES

_FULL_TURNS = 3


def main() -> None:
    (table,) = declared_parts("credit-risk")
    turns = []
    with contextlib.ExitStack() as stack:
        state = Path(stack.enter_context(TemporaryDirectory(prefix="gristmill-benchmark-")))
        url = stack.enter_context(prefect_server(state, print))
        for n in range(_FULL_TURNS):
            with scratch_repository() as scratch:
                scratch.gristmill("land", "credit-risk", str(table))
                turns.append(timeline(scratch.gristmill("run", "credit-risk", PREFECT_API_URL=url)))
                if n == _FULL_TURNS - 1:
                    quiet_turns(scratch, url)
    full_turn(turns)


def full_turn(turns: list[Timeline]) -> None:
    """Every stage runs."""
    assert all(set(turn.stages) == set(STAGES) for turn in turns)
    tell_median("full turn of credit-risk with a running server", [turn.seconds for turn in turns], "s")
    tell_median("Prefect, DVC and git together, of a full turn", [turn.overhead for turn in turns], "s", target="<= 13")
    for title, attribute in {
        "until the flow begins": "before_flow",
        "worktree, checkout, status, until the first stage's process": "before_stages",
        "between the stages, six times": "between_stages",
        "record, promotion, deployment, end": "after_stages",
    }.items():
        tell_median(f"of it: {title}", [getattr(turn, attribute) for turn in turns], "s")
    for stage in STAGES:
        tell_median(f"stage {stage}@credit-risk", [turn.stages[stage] for turn in turns], "s")


def quiet_turns(scratch: Scratch, url: str) -> None:
    """A turn after a promotion, then turns with nothing to do."""
    after = timeline(scratch.gristmill("run", "credit-risk", PREFECT_API_URL=url))
    tell("turn right after a promotion, which evaluates once more", after.seconds, "s")
    idle = [scratch.gristmill("run", "credit-risk", PREFECT_API_URL=url) for _ in range(5)]
    assert not any("tage '" in line.text for turn in idle for line in turn.lines)  # DVC was asked once, before any task
    tell_median("idle turn with a running server", [turn.seconds for turn in idle], "s", target="<= 8")
    own = [scratch.gristmill("run", "credit-risk").seconds for _ in range(4)]
    tell("idle turn with a server of its own, on a fresh database", own[0], "s")
    tell_median("idle turn with a server of its own, later", own[1:], "s", target="<= 8")
    tell_median("gristmill pull, nothing to bring", [scratch.gristmill("pull").seconds for _ in range(4)][1:], "s")
    repro = [scratch.dvc("repro", "package@credit-risk") for _ in range(5)]
    assert all(done.lines[-1].text.startswith("Data and pipelines are up to date") for done in repro)
    tell_median("dvc repro with nothing to do, one workload", [done.seconds for done in repro], "s", target="< 4")


if __name__ == "__main__":
    main()
