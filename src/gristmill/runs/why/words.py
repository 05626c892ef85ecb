"""Answers as a person reads them, and as a program does."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gristmill.registry.tables import age
from gristmill.runs.why.answers import Answer, Reason, SeenBy

_FLAGS: dict[SeenBy, str] = {
    "both": "",
    "working tree": " (not committed: `gristmill run` will not see it)",
    "commit": " (committed, and undone by an edit in your tree: `gristmill run` sees it, `dvc repro` does not)",
}


def answer_lines(answer: Answer, before: Sequence[Answer]) -> Iterator[str]:
    """One stage in full.

    Args:
        answer: about it.
        before: the answers about all stages of its workload.
    """
    yield _headline(answer)
    for reason in answer.reasons:
        yield from _reason_lines(reason)
    told = [_subject(reason) for reason in answer.reasons]
    others = {other.stage: other for other in before}
    for cause in answer.causes:  # an edit that makes several stages stale is told once, at the nearest
        new = [reason for reason in others[cause.stage].reasons if _subject(reason) not in told]
        told += [_subject(reason) for reason in new]
        if new:
            yield f"  {'also ' if answer.reasons else ''}by way of {' -> '.join(cause.path)}:"
        for reason in new:
            yield from (f"  {line}" for line in _reason_lines(reason))
    if answer.state == "up to date":
        yield from (f"  {line}" for line in answer.proof)
    yield from (f"  note: {note}" for note in answer.notes)
    if turn := answer.turn:
        verb = "since" if answer.state == "up to date" else "compared with"
        moment = datetime.fromisoformat(turn.at)
        yield f"{verb} the turn of {turn.at} ({age(moment)}): code {turn.code[:8]}, recorded on mill by {turn.commit[:8]}"


def overview_lines(answers: Sequence[Answer]) -> Iterator[str]:
    """All stages of a workload, a line each."""
    width = max(len(answer.stage) for answer in answers)
    for answer in answers:
        yield f"{answer.stage:<{width}}  {_short(answer)}"
    yield from (f"note: {note}" for note in dict.fromkeys(note for answer in answers for note in answer.notes))
    yield f"`gristmill why STAGE@{answers[0].workload}` says more of each"


def to_json(answer: Answer) -> dict[str, Any]:
    """An answer with stable keys: values that are not there are null, lists that hold nothing are empty."""
    return {
        "stage": answer.name,
        "state": answer.state,
        "runs_for": answer.runs_for,
        "sentence": _headline(answer).removesuffix(":"),
        "reasons": [{**asdict(one.difference), "seen_by": one.seen_by} for one in answer.reasons],
        "causes": [{"stage": f"{one.stage}@{answer.workload}", "path": list(one.path)} for one in answer.causes],
        "proof": list(answer.proof) if answer.state == "up to date" else [],
        "notes": list(answer.notes),
        "turn": asdict(answer.turn) if answer.turn else None,
    }


def _headline(answer: Answer) -> str:
    name = answer.name
    match answer.state:
        case "no data":
            return f"{name} cannot run: nothing has landed for {answer.workload}"
        case "never ran":
            return f"{name} has never run: `gristmill run {answer.workload}` runs it"
        case "up to date":
            return f"{name} is up to date: a turn skips it"
        case "undecided":
            return f"{name}: nothing of its own has changed; it would run if a stage before it makes another result:"
        case "stale":
            doors: dict[SeenBy | None, str] = {
                "both": "",
                "working tree": " by `dvc repro` in your tree, and not by `gristmill run`",
                "commit": " by `gristmill run`, and not by `dvc repro` in your tree",
            }
            cached = "(or come from the run cache, where exactly this ran before)"
            return f"{name} would run{doors[answer.runs_for]} {cached}:"


def _reason_lines(reason: Reason) -> Iterator[str]:
    yield f"  {reason.difference.sentence}{_FLAGS[reason.seen_by]}"
    if reason.difference.look:
        yield f"    {reason.difference.look}"


def _subject(reason: Reason) -> tuple[str, str, SeenBy]:
    return reason.difference.what, reason.difference.name, reason.seen_by


def _short(answer: Answer) -> str:
    if answer.state == "stale":
        first, *more = answer.reasons
        rest = f"; and {len(more)} more" if more else ""
        return f"would run: {first.difference.sentence}{rest}{_FLAGS[first.seen_by]}"
    if answer.state == "undecided":
        return f"would run if {answer.causes[0].stage}, which would run, makes another result"
    return {"no data": "cannot run: nothing has landed"}.get(answer.state, answer.state)
