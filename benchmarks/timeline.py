"""Where the seconds of a turn go, read off the lines of `gristmill run`.

Each stage's last line says how long its process lived, its interpreter's start and all imports included. Everything else
is Prefect, DVC and git, Python's own start and end among it.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.scratch import Done, Line

_TOOK = re.compile(r"(?P<stage>[a-z]+)@[a-z0-9-]+ took (?P<seconds>\d+\.\d\d) s$")


@dataclass(frozen=True)
class Timeline:
    """One turn."""

    seconds: float
    stages: dict[str, float]
    """Of the stages that ran, the seconds of each."""
    before_flow: float
    """Until the flow begins: Python, Prefect's import, the run's registration."""
    before_stages: float
    """Worktree, checkout, `dvc status`, and all that comes before the first stage's process."""
    between_stages: float
    """From each stage's last line to the next one's process: DVC's hashes and cache, Prefect's tasks, DVC's start."""
    after_stages: float
    """From the last stage's last line: accounting, record, promotion, deployment, the flow's end."""

    @property
    def overhead(self) -> float:
        """All but the stages' own work."""
        return self.seconds - sum(self.stages.values())


def timeline(turn: Done) -> Timeline:
    """Read a turn in which at least one stage ran."""
    begun = next(line.second for line in turn.lines if "Beginning flow run" in line.text)
    stages, spans = {}, []
    for end, stage, seconds in stage_ends(turn.lines):
        stages[stage] = seconds
        spans.append((end - seconds, end))
    between = sum(start - end for (_, end), (start, _) in itertools.pairwise(spans))
    return Timeline(
        seconds=turn.seconds,
        stages=stages,
        before_flow=begun,
        before_stages=spans[0][0] - begun,
        between_stages=between,
        after_stages=turn.seconds - spans[-1][1],
    )


def stage_ends(lines: Iterable[Line]) -> list[tuple[float, str, float]]:
    """When each stage that ran told its end, which it was, and how long it took."""
    found = [(line.second, _TOOK.search(line.text)) for line in lines]
    return [(second, match["stage"], float(match["seconds"])) for second, match in found if match]
