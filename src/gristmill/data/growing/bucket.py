"""An S3 prefix that grows: each object is a batch, and its key with its ETag says whether it is new.

An object is whole from the moment at which it can be seen, so nothing needs to rest. It is read on the condition that its
ETag is still the one that was listed. Keys come from the environment or the AWS files, as for every S3 tool.
"""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gristmill.data.growing.arrivals import Arrival, Found, SourceUnreachableError, is_temporary, without
from gristmill.data.growing.ledger import FilesTaken, Ledger
from gristmill.data.growing.settings import BucketSource
from gristmill.data.mirrors import Report, is_disk_full
from gristmill.data.web import PROBE_S, READ_S

_CHUNK = 1 << 20
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_MEND = {
    "NoCredentialsError": "no keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "InvalidAccessKeyId": "the server does not know the access key: correct AWS_ACCESS_KEY_ID or the profile",
    "SignatureDoesNotMatch": "the secret key is not the access key's: correct AWS_SECRET_ACCESS_KEY or the profile",
    "AccessDenied": "these keys may not read there: grant them s3:ListBucket and s3:GetObject",
    "NoSuchBucket": "there is no such bucket: correct its name in params",
    "NoSuchKey": "an object that was listed is gone: look again",
    "PreconditionFailed": "an object was replaced while it was read: look again",
    "EndpointConnectionError": "the server cannot be reached: start it, or correct `endpoint` in params",
    "ConnectTimeoutError": f"the server did not answer within {PROBE_S:g} seconds",
    "ReadTimeoutError": f"the server stopped answering for {READ_S:g} seconds",
}


def look_into_bucket(source: BucketSource, ledger: Ledger) -> Found:
    """Find objects that are new or were replaced.

    Raises:
        SourceUnreachableError: the server does not answer, or refuses.
    """
    taken = ledger.files(source.name).files
    place = urlsplit(source.bucket)
    prefix = "/".join(filter(None, (place.netloc, place.path.strip("/")))) + "/"
    with _refusals(source):
        store = _open(source)
        listing: dict[str, Any] = store.find(prefix, detail=True)
    found = Found([], [], [])
    for path, info in sorted(listing.items()):
        name, etag = path.removeprefix(prefix), info["ETag"].strip('"')
        is_hidden = any(is_temporary(part) for part in name.split("/"))
        is_place = not name or name.endswith("/")  # what consoles make for a folder
        if is_hidden or is_place or not fnmatchcase(name, source.glob) or taken.get(name) == etag:
            continue
        if not info["size"]:
            found.waiting.append(f"{name} waits: it is empty")
        elif not name.isprintable():
            found.amiss.append(f"{name!a} is no name that can be written in a line of UTF-8: rename it")
        else:
            found.arrivals.append(_arrival(source, store, path, name, taken.get(name), etag, info["size"]))
    return found


def _arrival(
    source: BucketSource, store: Any, path: str, name: str, before: str | None, etag: str, size: int
) -> Arrival:
    def bring(work: Path, report: Report) -> list[Path]:
        target, done = work / name.rpartition("/")[2], 0
        with _refusals(source), store.open(path, "rb", cache_type="none") as remote, target.open("wb") as local:
            if remote.details["ETag"].strip('"') != etag:  # every read is on the condition that it stays what it is now
                raise SourceUnreachableError(f"{name} was replaced while it was read: look again")
            while chunk := remote.read(_CHUNK):
                local.write(chunk)
                report(name, source.bucket, done := done + len(chunk), size)
        return [target]

    def move(ledger: Ledger) -> FilesTaken:
        return ledger.files(source.name).take(name, before, etag)

    replaced = f", in the place of one with ETag {before}" if before else ""
    return Arrival(f"{name}{replaced}", bring, move)


def _open(source: BucketSource) -> Any:
    if importlib.util.find_spec("s3fs") is None:
        raise SourceUnreachableError("reading from S3 needs the s3 extra: run `pip install 'gristmill[s3]'`")
    import fsspec

    limits = {"connect_timeout": PROBE_S, "read_timeout": READ_S, "retries": {"max_attempts": 1}}
    store = fsspec.filesystem(
        "s3",
        endpoint_url=source.endpoint or None,
        config_kwargs=limits,
        use_listings_cache=False,
        skip_instance_cache=True,  # keys are read anew: who mends them need not start anything again
    )
    store.retries = 1
    return store


@contextmanager
def _refusals(source: BucketSource) -> Iterator[None]:
    """Turn whatever S3's libraries raise, which share no base, into a sentence."""
    try:
        yield
    except SourceUnreachableError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_disk_full(error):
            raise
        why = next((_MEND[code] for code in _codes(error) if code in _MEND), None)
        words = why or without([os.environ.get(name) for name in _SECRETS], f"{type(error).__name__}: {error}")
        raise SourceUnreachableError(f"{source.bucket}: {words}") from error


def _codes(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield getattr(error, "response", {}).get("Error", {}).get("Code", "")
        yield type(error).__name__
        error = error.__cause__ or error.__context__
