"""The answer to `gristmill why`: for one stage, or for all seven of a workload.

What would run is judged twice, for two doors lead to it: `gristmill run` takes the code of the last commit, `dvc repro`
that of the working tree. A reason that only one of them sees says so. The mill's own files are those of its tip for both.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from gristmill.adapters.dvc import CacheMissError, locked_output, read_lock
from gristmill.adapters.git import NoCommitError
from gristmill.ground.errors import GristmillError
from gristmill.ground.pipeline import STAGES, StageDefinition
from gristmill.ground.workload import UnknownWorkloadError, check_name
from gristmill.registry.history import Event, read_history
from gristmill.runs.progress import read_progress
from gristmill.runs.repository import Repository
from gristmill.runs.why.code import Code, committed, in_tree, read_code
from gristmill.runs.why.differences import (
    Difference,
    command_differences,
    file_differences,
    value_differences,
)
from gristmill.runs.why.mill import alias_differences, barred_differences, landing_differences, pointer
from gristmill.runs.workspace import NoDataError, UncommittedWorkloadError, workloads_at

State = Literal["stale", "undecided", "up to date", "never ran", "no data"]
"""undecided: its own inputs are as they were, and a stage before it would run."""
SeenBy = Literal["both", "working tree", "commit"]


class QuestionError(GristmillError):
    """Nothing that `why` can answer."""


class RenamedWorkloadError(GristmillError):
    """The mill has data of a workload that no code has any more."""

    def __str__(self) -> str:
        name, known = self.args
        return (
            f"the mill holds data of {name}, but params.yaml no longer has it, so nothing runs. Was it renamed? What landed "
            f"stays under the old name: give the name back, or land the files again under the new one. "
            f"Known: {', '.join(known) or 'none'}."
        )


class Reason(NamedTuple):
    """A difference, and which of the two doors it is behind."""

    difference: Difference
    seen_by: SeenBy


class Cause(NamedTuple):
    """A stage that would run, and the way from it to the one that was asked about."""

    stage: str
    path: tuple[str, ...]
    """Short names, both ends included."""


@dataclass(frozen=True)
class Turn:
    """The last recorded turn."""

    commit: str
    """On `mill`."""
    at: str
    subject: str
    code: str
    base: str


@dataclass(frozen=True)
class Answer:
    """What is known of one stage."""

    workload: str
    stage: str
    state: State
    turn: Turn | None
    reasons: tuple[Reason, ...] = ()
    causes: tuple[Cause, ...] = ()
    """Stages before it that would run, nearest first."""
    proof: tuple[str, ...] = ()
    """What is the same as it was, where it is up to date."""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in dvc.yaml."""
        return f"{self.stage}@{self.workload}"

    @property
    def runs_for(self) -> SeenBy | None:
        """Through which door the stage itself is stale; None where it is not."""
        if self.state == "never ran":
            return "both"
        seen = {reason.seen_by for reason in self.reasons}
        if not seen:
            return None
        return "both" if "both" in seen or len(seen) > 1 else seen.pop()


def explain(repository: Repository, question: str) -> list[Answer]:
    """What is known of every stage of the workload that is asked about, as `STAGE@WORKLOAD` or `WORKLOAD`.

    Raises:
        QuestionError: there is no such stage.
        WorkloadNameError, UnknownWorkloadError, RenamedWorkloadError: there is no such workload.
        NoCommitError: there is no code.
        SettingsError: params.yaml, dvc.yaml or a params file cannot be read.
    """
    stage, at, workload = question.rpartition("@")
    if not at and question in STAGES and question not in [known.name for known in repository.workloads()]:
        known = ", ".join(f"{question}@{one.name}" for one in repository.workloads())
        raise QuestionError(f"of which workload? Ask for one of {known}.")
    if at and stage not in STAGES:
        close = difflib.get_close_matches(stage, STAGES, n=1, cutoff=0.4)
        hint = f" Did you mean '{close[0]}@{workload}'?" if close else ""
        raise QuestionError(f"there is no stage '{stage}'.{hint} Stages: {', '.join(STAGES)}.")
    return list(_Comparison(repository, check_name(workload)).answers().values())


class _Comparison:
    """One workload: what its last turn left in dvc.lock, and what stands now."""

    def __init__(self, repository: Repository, workload: str) -> None:
        self.repository, self.workload = repository, workload
        git = repository.git
        self.tip = repository.mill.tip()
        self.own = {entry.path for entry in git.entries(self.tip)} if self.tip else set()
        self.has_landed = f"data/{workload}/landing.dvc" in self.own
        self.head = git.commit_of("HEAD")
        self.by_commit = read_code(committed(git, self.head), workload)
        self.by_tree = read_code(in_tree(git), workload)
        if self.by_commit is None and self.by_tree is None:
            known = sorted({*workloads_at(repository, self.head), *(one.name for one in repository.workloads())})
            raise RenamedWorkloadError(workload, known) if self.has_landed else UnknownWorkloadError(workload, known)
        lock = read_lock(repository.mill.read("dvc.lock", self.tip)) if self.tip else {}
        self.entries: Mapping[str, Any] = {stage: lock.get(f"{stage}@{workload}") for stage in STAGES}
        self.turn = self._last_turn()

    def answers(self) -> dict[str, Answer]:
        """Every stage in the order of the pipeline."""
        answers: dict[str, Answer] = {}
        for stage in STAGES:
            ran = self.entries[stage] is not None
            reasons = self._reasons(stage) if ran else ()
            causes = self._causes(stage, answers) if ran else ()
            answers[stage] = Answer(
                self.workload,
                stage,
                self._state(stage, reasons, causes),
                self.turn,
                reasons,
                causes,
                self._proof(stage),
                tuple(self._notes(stage)),
            )
        return answers

    def _state(self, stage: str, reasons: tuple[Reason, ...], causes: tuple[Cause, ...]) -> State:
        if not self.has_landed:
            return "no data"
        if not self.entries[stage]:
            return "never ran"
        return "stale" if reasons else "undecided" if causes else "up to date"

    def _reasons(self, stage: str) -> tuple[Reason, ...]:
        seen = [list(self._differences(stage, code)) if code else [] for code in (self.by_commit, self.by_tree)]
        by_commit, by_tree = seen[0], seen[1]
        both = [Reason(one, "both") for one in by_commit if one in by_tree]
        only_commit = [Reason(one, "commit") for one in by_commit if one not in by_tree]
        only_tree = [Reason(one, "working tree") for one in by_tree if one not in by_commit]
        return (*both, *only_commit, *only_tree)

    def _differences(self, stage: str, code: Code) -> Iterator[Difference]:
        entry, now = self.entries[stage], code.stages[stage]
        yield from command_differences(entry, now)
        yield from value_differences(entry, now, code)
        recorded = {dep["path"]: dep["md5"] for dep in entry.get("deps", [])}
        for dep in now.deps:
            yield from self._dep_differences(stage, dep, recorded.get(dep), code)

    def _dep_differences(self, stage: str, dep: str, recorded: str | None, code: Code) -> Iterator[Difference]:
        assert self.tip is not None
        base = self.turn.base if self.turn else self.tip
        if maker := _makers(code).get(dep):
            made = locked_output(_named(self.entries, self.workload), f"{maker}@{self.workload}", dep)
            if made and made["md5"] != recorded:
                sentence = f"{dep} of {maker}@{self.workload} is another since"
                yield Difference("output", dep, "changed", recorded, made["md5"], sentence)
        elif f"{dep}.dvc" in self.own:
            present = pointer(self.repository, dep, self.tip)
            if recorded is None:
                yield Difference("data", dep, "added", None, present, f"dvc.yaml makes {dep} a dependency")
            elif dep == f"data/{self.workload}/landing":
                yield from landing_differences(self.repository, recorded, present)
            elif present != recorded:
                name = dep.rpartition("/")[2]
                yield alias_differences(self.repository, self.workload, name, recorded, base, self.tip)
        elif dep == f"models/{self.workload}/barred.json":
            yield from barred_differences(self.repository, self.workload, base, self.tip)
        else:
            commit = self.turn.code if self.turn else ""
            yield from file_differences(stage, dep, recorded, self.then, code, commit)

    def _causes(self, stage: str, before: Mapping[str, Answer]) -> tuple[Cause, ...]:
        code = self.by_commit or self.by_tree
        assert code is not None
        makers, causes = _makers(code), dict[str, Cause]()
        for upstream in dict.fromkeys(makers[dep] for dep in code.stages[stage].deps if dep in makers):
            answer = before[upstream]
            own = [Cause(upstream, (upstream,))] if answer.runs_for else []
            for cause in (*own, *answer.causes):
                path = (*cause.path, stage)
                if cause.stage not in causes or len(path) < len(causes[cause.stage].path):
                    causes[cause.stage] = Cause(cause.stage, path)
        return tuple(sorted(causes.values(), key=lambda cause: (len(cause.path), STAGES.index(cause.stage))))

    def _proof(self, stage: str) -> tuple[str, ...]:
        entry = self.entries[stage]
        if not entry:
            return ()
        libraries = entry.get("params", {}).get("versions.yaml", {})
        code = self.by_commit or self.by_tree
        assert code is not None
        makers = _makers(code)
        of_code = [d["path"] for d in entry["deps"] if d["path"] not in makers and not self._is_data(d["path"])]
        n_files = sum(len(code.below(path)) for path in of_code)
        of_data = [f"{d['path']} ({d['md5'][:8]})" for d in entry["deps"] if d["path"] not in of_code]
        params = [f"{key} of {file}" for file, values in entry.get("params", {}).items() for key in values]
        own = [name for name in params if not name.endswith(" of versions.yaml")]
        return (
            f"the same code: {n_files} files in {', '.join(of_code)}",
            f"the same parameters: {', '.join(own)}",
            f"the same libraries: {', '.join(f'{name} {release}' for name, release in libraries.items())}",
            f"the same data: {', '.join(of_data)}",
        )

    def _is_data(self, path: str) -> bool:
        return path.startswith(("data/", "models/", "reports/"))

    def _notes(self, stage: str) -> Iterator[str]:
        if self.by_commit is None:
            yield str(UncommittedWorkloadError(self.workload, self.head))
        elif self.by_tree is None:
            yield f"{self.workload} is no longer in your params.yaml (not committed): `gristmill run` still finds it"
        if not self.has_landed:
            yield str(NoDataError(self.workload))
            for name in self._forgotten():
                yield f"the mill holds data of {name}, which is in no params.yaml; was {name} renamed to {self.workload}?"
        if progress := read_progress(self.repository, self.workload):
            yield f"a turn of {self.workload} is going on ({progress.stage}); this is about the one before it"
        if missing := [out["path"] for out in (self.entries[stage] or {}).get("outs", []) if self._is_missing(out)]:
            yield (
                f"DVC's cache lacks {', '.join(missing)} of the last turn. That is no reason to make it again: "
                "`gristmill run` stops and names it until `dvc pull` fetches it; `dvc repro` in your tree makes it again"
            )

    def _forgotten(self) -> list[str]:
        """Workloads that have data, and that neither the last commit nor the working tree knows."""
        known = {*workloads_at(self.repository, self.head), *(one.name for one in self.repository.workloads())}
        landed = sorted(path.split("/")[1] for path in self.own if path.endswith("/landing.dvc"))
        return [name for name in landed if name not in known]

    def _is_missing(self, out: Mapping[str, Any]) -> bool:
        cached = {
            path for code in (self.by_commit, self.by_tree) if code for s in code.stages.values() for path in s.outs
        }
        if out["path"] not in cached:
            return False
        dvc = self.repository.dvc
        try:
            files = dvc.listing(out["md5"]).values() if out["md5"].endswith(".dir") else [out["md5"]]
        except CacheMissError:
            return True
        return not all(dvc.object_path(md5).is_file() for md5 in files)

    @cached_property
    def then(self) -> Code | None:
        """The code that the recorded turn ran, where this clone has it."""
        try:
            commit = self.repository.git.commit_of(self.turn.code) if self.turn else None
        except NoCommitError:
            return None
        return read_code(committed(self.repository.git, commit), self.workload) if commit else None

    def _last_turn(self) -> Turn | None:
        for event in read_history(self.repository.mill, self.workload):
            if "Outcome" in event.trailers:  # promotions name a code too, and it is not the one that ran last
                return _turn(event)
        return None


def _turn(event: Event) -> Turn:
    return Turn(event.commit, event.at, event.subject, event.trailers["Code"], event.trailers["Base"])


def _makers(code: Code) -> dict[str, str]:
    """The stage that makes each output, by path."""

    def paths(stage: StageDefinition) -> tuple[str, ...]:
        return (*stage.outs, *stage.figures)

    return {path: name for name, stage in code.stages.items() for path in paths(stage)}


def _named(entries: Mapping[str, Any], workload: str) -> dict[str, Any]:
    return {f"{stage}@{workload}": entry for stage, entry in entries.items() if entry}
