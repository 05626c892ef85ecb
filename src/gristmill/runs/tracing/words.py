"""A trace in words, from the answer down to the commands that bring everything back."""

from collections.abc import Iterator
from typing import Any

from gristmill.runs.quarantine.words import decided_by
from gristmill.runs.tracing.lineage import Batch, Trace

_DIGITS = 12
"""Of a hash, in a line for people."""


def trace_lines(traced: Trace) -> Iterator[str]:
    """Everything that is known, and last what is not."""
    asked, source = traced.asked, traced.source
    yield f"request {asked.request_id}: {asked.workload} answered at {asked.at} ({asked.role}, {asked.latency_ms:g} ms)"
    truly = {label.item: label for label in traced.labels}
    for item, prediction in enumerate(asked.predictions):
        label = f"; truly {truly[item].label}, as said at {truly[item].at}" if item in truly else ""
        yield f"  item {item}: {_answer(prediction)}{label}"
    yield f"version {traced.version or 'unknown'}, model {asked.model_sha256[:_DIGITS]}"
    for event in traced.promotions:
        who, why = event.trailers.get("Actor", "unknown"), event.trailers.get("Reason", "")
        yield f"  {event.subject} at {event.at} by {who}: {why} (commit {event.commit[:_DIGITS]} on mill)"
    if source:
        yield f"verdict {source.verdict}: {source.sentence}"
        trained = f", which {source.version} was trained on" if source.version != traced.version else ""
        yield f"data {source.data}{trained} (commit {source.base[:_DIGITS]} on mill)"
        for batch in traced.batches:
            yield from _batch_lines(batch)
        yield f"code {source.code}"
        yield "to bring it back:"
        yield from (f"  {command}" for command in traced.restore)
    for gap in traced.gaps:
        yield f"not known: {gap}"


def _answer(prediction: dict[str, Any]) -> str:
    if "prediction" in prediction:
        return f"{prediction['prediction']:g}"
    label = prediction["label"]
    return f"{label} ({prediction['probabilities'][label]:.3f})"


def _batch_lines(batch: Batch) -> Iterator[str]:
    rows = ", ".join(f"{n:,} {status}" for status, n in batch.rows.items()) or "no rows"
    landed = f", landed {batch.landed}" if batch.landed else ""
    yield f"  batch {batch.batch} ({batch.role}): {batch.status}; {rows}{landed}"
    if batch.manifest:
        yield f"    origin: {batch.manifest.origin}; licence: {batch.manifest.licence or 'none is named'}"
    for decision in batch.decisions:
        yield f"    {decided_by(decision)} ({decision.at:%Y-%m-%d %H:%M %Z})"
