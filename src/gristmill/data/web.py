"""Mirrors that are one URL: the publisher's HTTPS address, and S3.

pooch carries the download and fsspec the bucket. What they lack is haste: where a firewall drops packets, a connection
waits for each DNS server and each address in turn, far longer than any one time-out says. So a host is probed first,
with one deadline for everything.
"""

import importlib.util
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gristmill.data.mirrors import MirrorError, Report, UnreachableError, is_disk_full

PROBE_S = 3.0
READ_S = 30.0
_CHUNK = 1 << 20


class _Bar:
    """What pooch calls while it downloads."""

    def __init__(self, part: str, doing: str, report: Report) -> None:
        self.total = 0
        self.done = 0
        self.told = (part, doing, report)

    def update(self, n_bytes: int) -> None:
        self.done += n_bytes
        self.close()

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        part, doing, report = self.told
        report(part, doing, min(self.done, self.total) if self.total else self.done, self.total or None)


def bring_url(url: str, destination: Path, part: str, report: Report) -> None:
    """Download one http(s) URL.

    Raises:
        UnreachableError: the host does not answer within 3 seconds, or stops answering.
        MirrorError: it answers that it does not have the file.
    """
    import pooch
    import requests

    check_reachable(url)
    bar = _Bar(part, url, report)
    try:
        pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=(PROBE_S, READ_S))(url, destination, None)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        raise MirrorError(f"the server answered with status {status}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise UnreachableError(f"the connection failed ({_innermost(error)})") from error
    except requests.RequestException as error:
        raise MirrorError(f"the download failed ({_innermost(error)})") from error


def bring_s3(url: str, destination: Path, part: str, report: Report) -> None:
    """Download one object; credentials and endpoint come from the environment, as for every S3 tool.

    Raises:
        MirrorError: the s3 extra is not installed, or the bucket does not give the object.
    """
    if importlib.util.find_spec("s3fs") is None:
        raise UnreachableError("reading from S3 needs the s3 extra: run `pip install 'gristmill[s3]'`")
    import fsspec
    from fsspec.callbacks import Callback

    bar = _Bar(part, url, report)

    class _Told(Callback):  # type: ignore[misc]
        def set_size(self, size: int) -> None:
            bar.total = size

        def relative_update(self, inc: int = 1) -> None:
            bar.update(inc)

    timeouts = {"connect_timeout": PROBE_S, "read_timeout": READ_S, "retries": {"max_attempts": 1}}
    try:
        bucket: Any = fsspec.filesystem("s3", config_kwargs=timeouts)
        bucket.retries = 1
        bucket.get_file(url, str(destination), callback=_Told())
    except FileNotFoundError as error:
        raise MirrorError("the bucket holds no such object") from error
    except Exception as error:  # botocore raises many classes of its own, which share no base with OSError
        if isinstance(error, OSError) and is_disk_full(error):
            raise
        raise UnreachableError(f"S3 refused: {_innermost(error)}") from error


def check_reachable(url: str, deadline_s: float = PROBE_S) -> None:
    """Connect once, to the proxy where the environment names one, and hang up.

    Raises:
        UnreachableError: name and connection together took longer than the deadline, or were refused.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    first_hop = urlsplit(proxy if proxy and "//" in proxy else f"http://{proxy}" if proxy else url)
    port = first_hop.port or (443 if first_hop.scheme == "https" else 80)
    host = first_hop.hostname or ""
    outcome: list[OSError | None] = []

    def probe() -> None:
        try:
            socket.create_connection((host, port), timeout=deadline_s).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    # A look-up cannot be cancelled, only left behind: hence a thread that nobody waits for longer than the deadline.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(deadline_s)
    if not outcome:
        raise UnreachableError(f"{host} did not answer within {deadline_s:g} seconds")
    if isinstance(error := outcome[0], OSError):
        raise UnreachableError(f"{host} cannot be reached ({_innermost(error)})") from error


def _innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((text or type(error).__name__).split())[:200]
