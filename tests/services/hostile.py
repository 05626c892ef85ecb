"""Bodies that mean harm, or that somebody sends by mistake: each has to end as a refusal with a sentence."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

JSON, NPY, PNG = "application/json", "application/octet-stream", "image/png"
ROW = [0, 0, 0]
IMAGE = [ROW] * 4


class Hostile(NamedTuple):
    """One request that no model of 4 x 3 images can answer."""

    name: str
    body: bytes
    content_type: str | None = JSON
    path: str = "/predict"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def hostile() -> list[Hostile]:
    """All of them, each under a name of its own."""
    return [*_malformed(), *_wrong(), *_numbers(), *_arrays(), *_pictures(), *_envelopes(), *_feedback()]


def _malformed() -> Iterator[Hostile]:
    whole = json.dumps({"images": [IMAGE]}).encode()
    for name, body in {
        "nothing": b"",
        "white space": b" \n\t ",
        "half": whole[: len(whole) // 2],
        "twice": whole * 2,
        "a trailing comma": b'{"images": [1,],}',
        "single quotes": b"{'images': []}",
        "a comment": b'{"images": [] /* none */}',
        "a byte order mark": b"\xef\xbb\xbf" + whole,
        "UTF-16": whole.decode().encode("utf-16"),
        "UTF-32": whole.decode().encode("utf-32"),
        "no UTF-8": b'{"images": "\xff\xfe"}',
        "half a surrogate": b'{"images": "\\ud800"}',
        "a zero byte": b'{"images": "\x00"}',
        "NaN": b'{"images": [[[NaN]]]}',
        "infinity": b'{"images": [[[Infinity]]]}',
        "5,000 levels": b"[" * 5000 + b"]" * 5000,
        "1,000 levels": b'{"images": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        "100,000 braces": b'{"a":' * 100_000,
        "YAML": b"images:\n- - - 0\n",
        "XML with an entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "a pickle": b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "a form": b"images=%5B%5D",
        "gzip": zlib.compress(whole),
    }.items():
        yield Hostile(f"malformed: {name}", body)
    for name, value in {"null": None, "true": True, "a number": 7, "a text": "images", "a list": [IMAGE]}.items():
        yield Hostile(f"no object: {name}", json.dumps(value).encode())


def _wrong() -> Iterator[Hostile]:
    for name, request in {
        "empty": {},
        "null": {"images": None},
        "no images": {"images": []},
        "a text": {"images": "0"},
        "an object": {"images": {"a": 1}},
        "an address": {"images": "http://127.0.0.1/"},
        "a path": {"images": "file:///etc/passwd"},
        "flat": {"images": [[0] * 12]},
        "transposed": {"images": [[[0] * 4] * 3]},
        "one row less": {"images": [[ROW] * 3]},
        "one row more": {"images": [[ROW] * 5]},
        "ragged": {"images": [[ROW, [0, 0], ROW, ROW]]},
        "one level more": {"images": [[[[0]] * 3] * 4]},
        "colour": {"images": [[[[0, 0, 0]] * 3] * 4]},
        "texts": {"images": [[["0"] * 3] * 4]},
        "booleans": {"images": [[[True, False, True]] * 4]},
        "nulls": {"images": [[[None] * 3] * 4]},
        "objects": {"images": [[[{}] * 3] * 4]},
        "the second is wrong": {"images": [IMAGE, IMAGE[:3]]},
        "257 images": {"images": [IMAGE] * 257},
        "an unknown field": {"images": [IMAGE], "temperature": 0},
        "an unknown field of null": {"images": [IMAGE], "temperature": None},
        "another kind's field": {"rows": [{"Age": 1}]},
        "both kinds' fields": {"images": [IMAGE], "rows": []},
        "BentoML's own arguments": {"images": [], "fields": {"images": []}, "ctx": 1, "self": 1},
        "a prototype": {"__proto__": {"images": [IMAGE]}},
        "another case": {"Images": [IMAGE]},
        "a long field": {"x" * 10_000: 1},
        "a field of line ends": {"a\r\nset-cookie: x": 1},
        "a field of markup": {"<script>alert(1)</script>": 1},
    }.items():
        yield Hostile(f"wrong: {name}", json.dumps(request).encode())


def _numbers() -> Iterator[Hostile]:
    for number in ("256", "-1", "0.5", "1e400", "-1e400", "9" * 400, "1e308", "-0.0001", "9223372036854775808"):
        yield Hostile(
            f"a pixel of {number[:20]}", b'{"images": [[[%s, 0, 0], [0,0,0], [0,0,0], [0,0,0]]]}' % number.encode()
        )


def _npy(array: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def _arrays() -> Iterator[Hostile]:
    whole = _npy(np.zeros((2, 4, 3), np.uint8))
    huge = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    for name, body in {
        "nothing": b"",
        "no array": b"hello",
        "cut short": whole[:-1],
        "a byte more": whole + b"\0",
        "its head alone": whole[:20],
        "of objects": _npy(np.array([{"a": 1}], dtype=object), allow_pickle=True),
        "of floats": _npy(np.zeros((4, 3), np.float32)),
        "of texts": _npy(np.zeros((4, 3), "U1")),
        "of records": _npy(np.zeros((4, 3), [("a", "u1")])),
        "another shape": _npy(np.zeros((3, 4), np.uint8)),
        "one number": _npy(np.uint8(1)),
        "no images": _npy(np.zeros((0, 4, 3), np.uint8)),
        "too many": _npy(np.zeros((257, 4, 3), np.uint8)),
        "four axes": _npy(np.zeros((1, 1, 4, 3), np.uint8)),
        "another version": whole[:6] + b"\x07" + whole[7:],
        "a head of code": huge + b"__import__('os').system('true')".ljust(118),
        "a huge claim": huge + b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 4, 3)}".ljust(118),
        "a negative claim": huge + b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 4, 3)}".ljust(118),
        "a head of brackets": huge + b"[" * 118,
    }.items():
        yield Hostile(f"an array: {name}", body, NPY)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, content: bytes, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(content)) + _chunk(b"IEND", b"")


def _pictures() -> Iterator[Hostile]:
    whole = _png(3, 4, b"\0\1\2\3" * 4)
    for name, body in {
        "nothing": b"",
        "a JPEG": b"\xff\xd8\xff\xe0" + bytes(100),
        "a GIF": b"GIF89a" + bytes(20),
        "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "cut short": whole[:-20],
        "a flipped bit": whole[:45] + bytes([whole[45] ^ 1]) + whole[46:],
        "another size": _png(4, 3, b"\0\1\2\3\4" * 3),
        "a bomb": _png(60_000, 60_000, bytes(10_000)),
        "no pixels": _png(0, 0, b""),
        "transparent": _png(3, 4, (b"\0" + bytes(12)) * 4, colour=6),
        "its head alone": whole[:33],
        "of another colour type": _png(3, 4, b"\0\1\2\3" * 4, colour=1),
    }.items():
        yield Hostile(f"a picture: {name}", body, PNG)


def _envelopes() -> Iterator[Hostile]:
    whole = json.dumps({"images": [IMAGE]}).encode()
    for content_type in (
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.bentoml+pickle",
        "application/vnd.bentoml+arrow",
        "application/xml",
        "image/jpeg",
        "application/json5",
    ):
        yield Hostile(f"content type {content_type!r}", whole, content_type)
    for encoding in ("gzip", "br", "deflate, identity"):
        yield Hostile(f"content encoding {encoding}", whole, headers={"content-encoding": encoding})
    yield Hostile("3 MiB", whole + b" " * (3 * 2**20))
    yield Hostile("3 MiB of digits", b'{"images": ' + b"9" * (3 * 2**20) + b"}")


def _feedback() -> Iterator[Hostile]:
    for name, body in {
        "nothing": {},
        "an unknown id": {"request_id": "0" * 32, "label": "bag"},
        "no id": {"request_id": 7, "label": "bag"},
        "a path": {"request_id": "../../etc/passwd", "label": "bag"},
        "SQL": {"request_id": "' OR 1=1; DROP TABLE feedback; --", "label": "bag"},
        "a long id": {"request_id": "0" * 100_000, "label": "bag"},
        "no digits": {"request_id": "z" * 32, "label": "bag"},
        "digits of another script": {"request_id": "٣" * 32, "label": "bag"},
        "an unknown field": {"request_id": "0" * 32, "label": "bag", "score": 1},
        "a list": {"request_id": ["0" * 32], "label": "bag"},
    }.items():
        yield Hostile(f"feedback: {name}", json.dumps(body).encode(), path="/feedback")
    yield Hostile("feedback: a picture", b"\x89PNG", PNG, path="/feedback")
