"""A host that does not answer costs three seconds, not minutes; S3 without its extra is one sentence."""

import socket
import sys
import time
from pathlib import Path

import pytest

from gristmill.data.mirrors import MirrorError, UnreachableError, quiet
from gristmill.data.web import bring_s3, check_reachable


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,nowhere.invalid")


def test_a_host_that_drops_packets_is_given_up_at_the_deadline() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        queue = [socket.socket() for _ in range(4)]  # fills the backlog: the kernel then drops what comes
        for waiting in queue:
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        time.sleep(0.1)
        started = time.monotonic()
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1 "):
            check_reachable(f"http://127.0.0.1:{listener.getsockname()[1]}/x", deadline_s=0.3)
        assert time.monotonic() - started < 20
        for waiting in queue:
            waiting.close()


def test_a_name_that_nobody_has_is_unreachable_and_said_so() -> None:
    with pytest.raises(UnreachableError, match=r"nowhere\.invalid (cannot be reached|did not answer)"):
        check_reachable("https://nowhere.invalid/x")


def test_a_proxy_of_the_environment_is_what_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        check_reachable("https://nowhere.invalid/x")


def test_s3_without_its_extra_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MirrorError, match=r"pip install 'gristmill\[s3\]'"):
        bring_s3("s3://bucket/key", tmp_path / "x", "part", quiet)
