"""What a row is called, and what decides its side of the split.

Both are hashes of its features as JSON, sorted by name, so that a record stays on its side in whatever order params
declares its columns. The text is exactly what Python's `json.dumps` makes of a row (a test holds it so), made a column at
a time: another text would give every row that ever landed another name.
"""

import hashlib
import json
from collections import Counter
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.kinds.tabular.records.cells import as_numpy

_ID_DIGITS = 32
_SAME_TEXT = 1e-4, 1e10
"""Between these, Arrow writes a number as Python does, but for the .0 of whole ones."""


class Identities:
    """Names for the rows of one batch."""

    def __init__(self, batch: str) -> None:
        self._batch = batch
        self._seen: set[int] = set()  # 64 bits of each payload's hash: payloads themselves would fill the memory
        self._repeats: Counter[int] = Counter()

    def of(self, features: dict[str, pa.Array], ids: pa.Array, groups: pa.Array) -> tuple[pa.Array, pa.Array]:
        """record_id and split_key of the next rows.

        Args:
            features: doubles or strings by name.
            ids: declared names; null: made of payload, batch, and how often the payload has come before.
            groups: what is never split; null: the payload decides.
        """
        hashes = [hashlib.sha256(payload) for payload in payloads(features).to_pylist()]
        keys = [one.hexdigest()[:_ID_DIGITS] for one in hashes]
        record_ids = ids.to_pylist()
        for position, n in enumerate(self._occurrences(keys)):
            if record_ids[position] is None:
                hashes[position].update(f"\n{self._batch}\n{n}".encode())
                record_ids[position] = hashes[position].hexdigest()[:_ID_DIGITS]
        if groups.null_count < len(groups):
            keys = [key if group is None else _hash(group) for key, group in zip(keys, groups.to_pylist(), strict=True)]
        return pa.array(record_ids, pa.string()), pa.array(keys, pa.string())

    def _occurrences(self, keys: list[str]) -> list[int]:
        """How often each payload has come, this time included."""
        short = np.frombuffer(bytes.fromhex("".join(keys)), np.uint64)[::2].tolist()
        fresh = set(short)
        if len(fresh) == len(short) and self._seen.isdisjoint(fresh):
            self._seen |= fresh
            return [1] * len(short)
        occurrences = []
        for key in short:
            self._repeats[key] += key in self._seen
            self._seen.add(key)
            occurrences.append(1 + self._repeats[key])
        return occurrences


def payloads(features: dict[str, pa.Array]) -> pa.Array:
    """Each row's features as JSON, in bytes."""
    pieces = chain.from_iterable(
        (pa.scalar(f"{', ' if number else '{'}{json.dumps(name)}: "), _as_json(features[name]))
        for number, name in enumerate(sorted(features))
    )
    return pc.binary_join_element_wise(*pieces, pa.scalar("}"), "").cast(pa.binary())


def _as_json(values: pa.Array) -> pa.Array:
    texts = _numbers_as_json(values) if pa.types.is_floating(values.type) else _strings_as_json(values)
    return pc.fill_null(texts, "null")


def _strings_as_json(values: pa.Array) -> pa.Array:
    encoded = values.dictionary_encode()
    return pa.array(map(json.dumps, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)


def _numbers_as_json(values: pa.Array) -> pa.Array:
    numbers = as_numpy(values)
    size = np.abs(numbers)
    is_same = ((size >= _SAME_TEXT[0]) & (size < _SAME_TEXT[1])) | (size == 0)
    texts = pc.cast(values, pa.string())
    is_whole = is_same & (numbers == np.floor(numbers))
    if is_whole.any():
        texts = pc.if_else(pa.array(is_whole), pc.binary_join_element_wise(texts, ".0", ""), texts)
    others = ~is_same & ~np.isnan(numbers)
    if others.any():
        texts = pc.replace_with_mask(
            texts, pa.array(others), pa.array(map(repr, numbers[others].tolist()), pa.string())
        )
    return texts


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]
