"""What is known of one batch by itself, before the last pass over all batches; as bytes, so that it can be remembered.

No value of a row is in it, but for the targets that a decision gave: a record is there by its key.
"""

import json
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from gristmill.quality.duplicates import Ages, Keys
from gristmill.quality.reasons import Reason
from gristmill.quality.verdict import Verdict

_REASONS = pa.schema(
    {
        "text": pa.string(),
        "severity": pa.string(),
        "positions": pa.list_(pa.int64()),
        "subject": pa.string(),
        "verb": pa.list_(pa.string(), 2),
        "notes": pa.string(),
        "columns": pa.list_(pa.string()),
    }
)


class Judgement(NamedTuple):
    """One batch, judged by itself."""

    verdict: Verdict
    keys: Keys
    corrected: Ages


def packed(judgement: Judgement) -> bytes:
    """A judgement as two streams of Arrow's: its rows, and its reasons with what is about single rows."""
    verdict = judgement.verdict
    about = {
        "whole": verdict.whole,
        "targets": list(verdict.targets.items()),
        "corrected": [[position, at.isoformat(), number] for position, (at, number) in judgement.corrected.items()],
    }
    fields = {name: [getattr(reason, name) for reason in verdict.reasons] for name in _REASONS.names}
    reasons = pa.table(fields, schema=_REASONS).replace_schema_metadata({"about": json.dumps(about)})
    sink = pa.BufferOutputStream()
    for table in (pa.table({"key": judgement.keys, "status": verdict.statuses}), reasons):
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return bytes(sink.getvalue())


def unpacked(content: bytes) -> Judgement:
    """A judgement from its bytes, which must be whole: the memo verifies them."""
    source = pa.BufferReader(content)
    rows, reasons = (pa.ipc.open_stream(source).read_all() for _ in range(2))
    about = json.loads(reasons.schema.metadata[b"about"])
    positions = [
        of_reason.values.to_numpy() if of_reason.is_valid else None for of_reason in reasons.column("positions")
    ]
    others = reasons.drop_columns(["positions"]).to_pylist()
    verdict = Verdict(
        statuses=rows.column("status").to_numpy(),
        whole=about["whole"],
        reasons=[
            Reason(**{**fields, "verb": tuple(fields["verb"]), "columns": tuple(fields["columns"])}, positions=where)
            for fields, where in zip(others, positions, strict=True)
        ],
        targets=dict(about["targets"]),
    )
    corrected = {position: (datetime.fromisoformat(at), number) for position, at, number in about["corrected"]}
    return Judgement(verdict, rows.column("key").to_numpy(), corrected)
