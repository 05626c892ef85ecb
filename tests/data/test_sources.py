"""Whatever the way, the declared bytes are there or nothing is; every failure is one sentence that says how to mend it."""

import errno
import gzip
import hashlib
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.data.sources import (
    CacheError,
    DiskFullError,
    SourceBatch,
    SourceError,
    SourcePart,
    SourceSettings,
    fetch_batch,
    fetch_part,
)
from gristmill.ground.settings import SettingsError

GRIST = b"grist for the mill\n" * 50_000


def _part(content: bytes, *mirrors: Any, name: str = "part.bin", unpack: tuple[str, ...] = ()) -> SourcePart:
    return SourcePart(name=name, sha256=hashlib.sha256(content).hexdigest(), unpack=unpack, mirrors=mirrors)


def _file(path: Path, content: bytes = GRIST) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def _kept(cache: Path) -> list[str]:
    """Files in the cache that could be taken for data."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.name != "lock")


class _Server(ThreadingHTTPServer):
    """A publisher: its files, how many bytes of each it really sends, and what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut_at: int | None = None
        self.hangs_up = False
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.hangs_up:
            self.close_connection = True
            return
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write((content or b"")[: self.server.cut_at])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_part_comes_from_the_first_mirror_that_gives_the_declared_bytes(tmp_path: Path) -> None:
    said: list[str] = []
    part = _part(GRIST, str(tmp_path / "absent"), _file(tmp_path / "wrong", b"chaff"), _file(tmp_path / "right"))
    path = fetch_part(part, tmp_path / "cache", lambda _part, doing, _done, _total: said.append(doing))
    assert (path.name, path.read_bytes()) == ("part.bin", GRIST)
    assert f"{tmp_path / 'absent'} failed: there is no file {tmp_path / 'absent'}" in said
    assert said[-1] == "verified"


def test_a_part_in_the_cache_needs_no_mirror(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    part = _part(GRIST, _file(mirror))
    first = fetch_part(part, tmp_path / "cache")
    mirror.unlink()
    assert fetch_part(part, tmp_path / "cache") == first


def test_a_part_that_was_damaged_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    part = _part(GRIST, _file(tmp_path / "mirror"))
    fetch_part(part, tmp_path / "cache").write_bytes(GRIST[:-1])
    assert fetch_part(part, tmp_path / "cache").read_bytes() == GRIST


def test_when_all_mirrors_fail_each_is_named_with_its_reason_and_nothing_is_kept(tmp_path: Path) -> None:
    wrong = _file(tmp_path / "wrong", b"chaff")
    part = _part(GRIST, f"file:{tmp_path / 'absent'}", wrong)
    with pytest.raises(SourceError) as caught:
        fetch_part(part, tmp_path / "cache")
    text = str(caught.value)
    assert f"file:{tmp_path / 'absent'}: there is no file {tmp_path / 'absent'}" in text
    got = hashlib.sha256(b"chaff").hexdigest()
    assert f"{wrong}: wrong checksum: expected SHA-256 {part.sha256}, got {got}" in text
    assert "params/<workload>.yaml" in text
    assert _kept(tmp_path / "cache") == []


def test_a_folder_is_a_mirror_of_the_parts_that_lie_in_it_unpacked_or_packed(tmp_path: Path) -> None:
    _file(tmp_path / "folder" / "a")
    _file(tmp_path / "folder" / "b", gzip.compress(b"b"))
    parts = tuple(
        _part(c, str(tmp_path / "folder"), name=n, unpack=("gunzip",)) for n, c in (("a", GRIST), ("b", b"b"))
    )
    fetched = fetch_batch(SourceBatch(role="benchmark", parts=parts), tmp_path / "cache")
    assert fetched.role == "benchmark"
    assert [(path.name, path.read_bytes()) for path in fetched.parts] == [("a", GRIST), ("b", b"b")]


def test_a_mirror_may_wrap_the_part_in_a_way_of_its_own(tmp_path: Path, server: _Server) -> None:
    server.files["/twice.gz"] = gzip.compress(gzip.compress(GRIST))
    twice = {"address": f"{server.url}/twice.gz", "unpack": ["gunzip", "gunzip"]}
    part = _part(GRIST, f"{server.url}/absent", twice, unpack=("gunzip",))
    assert fetch_part(part, tmp_path / "cache").read_bytes() == GRIST


def test_a_download_reports_how_far_it_is(tmp_path: Path, server: _Server) -> None:
    server.files["/x"] = GRIST * 3
    seen: list[tuple[int, int | None]] = []
    part = _part(GRIST * 3, f"{server.url}/x")
    fetch_part(part, tmp_path / "cache", lambda _p, doing, *how_far: seen.append(how_far) if "http" in doing else None)
    assert seen[-1] == (len(GRIST) * 3, len(GRIST) * 3)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 2


def test_a_download_that_breaks_off_is_not_taken_for_whole_and_the_next_attempt_succeeds(
    tmp_path: Path, server: _Server
) -> None:
    server.files["/x"] = GRIST
    server.cut_at = 1000
    part = _part(GRIST, f"{server.url}/x")
    with pytest.raises(SourceError, match="the download failed"):
        fetch_part(part, tmp_path / "cache")
    assert _kept(tmp_path / "cache") == []
    server.cut_at = None
    assert fetch_part(part, tmp_path / "cache").read_bytes() == GRIST


def test_a_server_without_the_file_is_named_with_its_status_and_asked_for_the_next_part(
    tmp_path: Path, server: _Server
) -> None:
    server.files["/b"] = b"b"
    spare = _file(tmp_path / "spare")
    parts = (_part(GRIST, f"{server.url}/a", spare, name="a"), _part(b"b", f"{server.url}/b", name="b"))
    fetch_batch(SourceBatch(role="train", parts=parts), tmp_path / "cache")
    assert server.asked == ["/a", "/b"]
    with pytest.raises(SourceError, match="answered with status 404"):
        fetch_part(_part(b"c", f"{server.url}/c"), tmp_path / "cache")


def test_a_host_that_cannot_be_reached_is_asked_once_in_a_call(tmp_path: Path, server: _Server) -> None:
    server.files |= {"/a": b"a", "/b": b"b"}
    server.hangs_up = True
    parts = tuple(_part(n.encode(), f"{server.url}/{n}", _file(tmp_path / n, n.encode()), name=n) for n in "ab")
    said: list[str] = []
    batch = SourceBatch(role="train", parts=parts)
    fetched = fetch_batch(batch, tmp_path / "cache", lambda _part, doing, _done, _total: said.append(doing))
    assert [path.read_bytes() for path in fetched.parts] == [b"a", b"b"]
    assert server.asked == ["/a"]
    assert any(doing.startswith(f"{server.url}/b failed: not asked again: the connection failed") for doing in said)


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path, server: _Server) -> None:
    server.files["/x"] = GRIST * 3

    def fill_the_disk(_part: str, doing: str, done: int, _total: int | None) -> None:
        if "http" in doing and done:  # called between two writes: what a write would raise there
            raise OSError(errno.ENOSPC, "No space left on device")

    part = _part(GRIST * 3, f"{server.url}/x", _file(tmp_path / "spare", GRIST * 3))
    with pytest.raises(DiskFullError, match=rf"disk that holds {tmp_path / 'cache'} is full: 'part.bin' was not kept"):
        fetch_part(part, tmp_path / "cache", fill_the_disk)
    assert _kept(tmp_path / "cache") == []
    assert not list((tmp_path / "cache").glob(".work-*"))
    assert fetch_part(part, tmp_path / "cache").read_bytes() == GRIST * 3


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    left = [tmp_path / "cache" / ".work-1" / "x", tmp_path / "cache" / "packages" / ".download-1" / "x"]
    for path in left:
        _file(path)
    fetch_part(_part(GRIST, _file(tmp_path / "mirror")), tmp_path / "cache")
    assert not any(path.parent.exists() for path in left)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    _file(tmp_path / "file")
    with pytest.raises(CacheError, match=r"file/cache, where fetched data is kept, cannot be written"):
        fetch_part(_part(GRIST, "x"), tmp_path / "file" / "cache")


def test_processes_that_want_the_same_part_at_once_download_it_once(tmp_path: Path, server: _Server) -> None:
    server.files["/x"] = GRIST
    part = _part(GRIST, f"{server.url}/x")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        paths = pool.starmap(fetch_part, [(part, tmp_path / "cache")] * 3)
    assert {path.read_bytes() for path in paths} == {GRIST}
    assert server.asked == ["/x"]


def test_importing_costs_nothing_that_only_fetching_needs() -> None:
    heavy = "'pooch', 'requests', 'fsspec', 'numpy', 'pandas', 'rdata', 'rich'"
    code = f"import sys, gristmill.data.sources; print([m for m in ({heavy}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


SHA = "0" * 64


@pytest.mark.parametrize(
    ("batches", "complaint"),
    [
        ([{"role": "train", "parts": []}], r"source\.batches\.0\.parts"),
        ([{"role": "test", "parts": [{"name": "a", "sha256": SHA, "mirrors": ["x"]}]}], r"batches\.0\.role"),
        ([{"role": "train", "parts": [{"name": "../a", "sha256": SHA, "mirrors": ["x"]}]}], r"parts\.0\.name"),
        ([{"role": "train", "parts": [{"name": "manifest.json", "sha256": SHA, "mirrors": ["x"]}]}], r"the manifest's"),
        ([{"role": "train", "parts": [{"name": "a", "sha256": "00", "mirrors": ["x"]}]}], r"parts\.0\.sha256"),
        (
            [{"role": "train", "parts": [{"name": "a", "sha256": SHA, "mirrors": ["ftp://a/b"]}]}],
            r"parts\.0\.mirrors\.0",
        ),
        ([{"role": "train", "parts": [{"name": "a", "sha256": SHA, "mirrors": []}]}], r"parts\.0\.mirrors"),
        (
            [{"role": "train", "parts": [{"name": "a", "sha256": SHA, "mirrors": ["x"], "unpack": ["pickle"]}]}],
            r"parts\.0\.unpack\.0",
        ),
        ([{"role": "train", "parts": [{"name": "a", "sha256": SHA, "mirrors": ["x"]}] * 2}], "the same name"),
    ],
)
def test_a_wrong_source_section_names_file_and_key(batches: Any, complaint: str, tmp_path: Path) -> None:
    params = tmp_path / "w.yaml"
    params.write_text(yaml.safe_dump({"source": {"batches": batches}}))
    with pytest.raises(SettingsError, match=rf"w\.yaml: .*{complaint}"):
        SourceSettings.read(params, "source")
