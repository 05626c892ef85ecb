"""A turn is quiet: no connection but to loopback, no name looked up, no telemetry of any of the tools.

One turn (a file lands, is milled, served, and answers) is watched twice. Every Python process carries an audit hook that
writes down each address it asks for. And as root the turn happens in a network namespace that has loopback alone, where
the kernel counts every packet that had nowhere to go, whoever sent it.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows.server import QUIET
from tests.applications import applications, write_applications
from tests.conftest import copy_of_todays_code, make_quick

from gristmill.adapters.bento import _environment
from gristmill.ground.pipeline import STAGES
from gristmill.serving.command import free_port, serve_environment
from gristmill.stages.__main__ import QUIET as STAGES_QUIET

# uvloop and libuv make their connections where no audit hook sees them, so here everything runs on asyncio's own loop;
# what only the namespace can see, it sees with uvloop.
RECORDER = """
import ipaddress, os, socket, sys

_folder = os.environ["GRISTMILL_TEST_RECORDS"]
if os.environ.get("GRISTMILL_TEST_NO_UVLOOP"):
    sys.modules["uvloop"] = None


def _write(name, line):
    with open(os.path.join(_folder, name), "a") as file:
        file.write(line + "\\n")


def _is_loopback(host):
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _hook(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            _write("seen", f"{event} {address} {sys.orig_argv}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
        host = args[0][0] if isinstance(args[0], tuple) else args[0]
        # BentoML's process manager asks what this machine is called; its own name is known without asking others.
        if not _is_loopback(host) and host != socket.gethostname():
            _write("seen", f"{event} {host} {sys.orig_argv}")


sys.addaudithook(_hook)
_write("loaded", " ".join(sys.orig_argv))
"""

TURN = """
set -eu
if [ -n "${ALONE:-}" ]; then
  ip link set lo up
  mount --bind "$ALONE" /etc/resolv.conf  # a name server that is not on loopback: asking it counts
  { echo "127.0.0.1 localhost $(hostname)"; echo "::1 localhost"; } > "$ALONE.hosts"
  mount --bind "$ALONE.hosts" /etc/hosts  # as a system's installer writes it: the machine's own name is known
fi
counted() {
  awk '/^Ip:/ {if (n) print $n; for (i = 1; i <= NF; i++) if ($i == "OutNoRoutes") n = i}' /proc/net/snmp
  awk '$1 == "Ip6OutNoRoutes" {print $2}' /proc/net/snmp6
}
gristmill land credit-risk "$GRIST"
gristmill run credit-risk
gristmill serve credit-risk --port "$PORT" &
service=$!
python "$ASK" "$PORT" > "$GRISTMILL_TEST_RECORDS/answer"
kill -TERM $service
wait $service
counted > "$GRISTMILL_TEST_RECORDS/nowhere"
python -S -c 'import socket
try: socket.getaddrinfo("example.org", 80)
except OSError: pass'
counted > "$GRISTMILL_TEST_RECORDS/nowhere-after-a-look-up"
"""

ASK = """
import json, sys, time, urllib.request
url = f"http://127.0.0.1:{sys.argv[1]}"
row = json.load(open(__file__ + ".json"))
for _ in range(600):
    try:
        urllib.request.urlopen(url + "/readyz", timeout=5).read()
        break
    except OSError:
        time.sleep(0.1)
body, kind = json.dumps({"rows": [row]}).encode(), {"Content-Type": "application/json"}
request = urllib.request.Request(url + "/predict", body, kind)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


@dataclass(frozen=True)
class Watched:
    """What a watched turn left."""

    records: Path
    repository: Path
    is_alone: bool
    """It happened in a namespace with loopback alone."""

    def lines(self, name: str) -> list[str]:
        path = self.records / name
        return path.read_text().splitlines() if path.exists() else []


def can_be_alone() -> bool:
    return subprocess.run(["unshare", "-nm", "true"], capture_output=True, check=False).returncode == 0


def watched(folder: Path, alone: bool, without_uvloop: bool) -> Watched:
    repository = copy_of_todays_code(folder / "repo")
    make_quick(repository / "params" / "credit-risk.yaml")
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qam", "quick"], cwd=repository, check=True
    )
    records, site = folder / "records", folder / "site"
    records.mkdir()
    site.mkdir()
    (site / "sitecustomize.py").write_text(RECORDER)
    rows = applications(400, seed=1)
    grist = write_applications(folder / "grist.csv", rows)
    (folder / "ask.py").write_text(ASK)
    asked = {key: value for key, value in rows[0].items() if key != "Class"}
    (folder / "ask.py.json").write_text(json.dumps(asked))
    (folder / "resolv.conf").write_text("nameserver 192.0.2.1\noptions timeout:1 attempts:1\n")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(site),
        "GRISTMILL_TEST_RECORDS": str(records),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "GRIST": str(grist),
        "ASK": str(folder / "ask.py"),
        "PORT": str(free_port()),
        "ALONE": str(folder / "resolv.conf") if alone else "",
        "GRISTMILL_TEST_NO_UVLOOP": "1" if without_uvloop else "",
    }
    done = subprocess.run(
        [*(["unshare", "-nm"] if alone else []), "bash", "-c", TURN],
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return Watched(records, repository, alone)


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A turn that every Python process tells about."""
    return watched(tmp_path_factory.mktemp("quiet"), alone=False, without_uvloop=True)


@pytest.fixture(scope="module")
def lonely_turn(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The same with loopback alone, and with uvloop."""
    if not can_be_alone():
        pytest.skip("a network namespace needs root")
    return watched(tmp_path_factory.mktemp("alone"), alone=True, without_uvloop=False)


def test_no_process_of_a_turn_asks_for_an_address_or_a_name_beyond_loopback(turn: Watched) -> None:
    assert turn.lines("seen") == []
    assert json.loads((turn.records / "answer").read_text())["version"] == "v1.0.0"


def test_the_recorder_was_in_every_kind_of_process(turn: Watched) -> None:
    commands = turn.lines("loaded")
    kinds = {
        "the command line": r"bin/gristmill land",
        "the flow": r"-m flows retrain",
        "Prefect's server": r"-m uvicorn --factory prefect\.server",
        "DVC": r"-m dvc .*repro",
        **{f"stage {stage}": rf"-m gristmill\.stages {stage} credit-risk" for stage in STAGES},
        "BentoML's builder": r"-m bentoml build",
        "BentoML": r"-m bentoml serve",
        "BentoML's worker": r"worker",
    }
    missing = [kind for kind, form in kinds.items() if not any(re.search(form, c) for c in commands)]
    assert missing == [], "\n".join(commands)


def test_the_recorder_sees_what_it_must_see(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(RECORDER)
    code = (
        "import socket\n"
        "socket.setdefaulttimeout(0.2)\n"
        "connect = lambda host: socket.socket().connect((host, 9))\n"
        "for call in (lambda: socket.getaddrinfo('example.invalid', 80), lambda: connect('192.0.2.1'),\n"
        "             lambda: connect('127.0.0.1'), lambda: socket.gethostbyname('localhost')):\n"
        "    try: call()\n"
        "    except OSError: pass\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "GRISTMILL_TEST_RECORDS": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    seen = (tmp_path / "seen").read_text().splitlines()
    assert [line.split()[:2] for line in seen] == [
        ["socket.getaddrinfo", "example.invalid"],
        ["socket.connect", "('192.0.2.1',"],
    ]


def test_with_loopback_alone_a_turn_succeeds_and_sends_nothing_elsewhere(lonely_turn: Watched) -> None:
    assert json.loads((lonely_turn.records / "answer").read_text())["version"] == "v1.0.0"
    before, after = ([int(line) for line in lonely_turn.lines(name)] for name in ("nowhere", "nowhere-after-a-look-up"))
    assert before == [0, 0], "packets without a way out, IPv4 and IPv6"
    assert sum(after) > 0, "the count must see a look-up"
    assert lonely_turn.lines("seen") == []


def test_onnx_runtime_gave_the_machine_no_id(turn: Watched) -> None:
    # What it sends goes past the audit hook; but before it sends anything it keeps an id.
    assert [path for path in (turn.records.parent / "cache").rglob("*") if "onnxruntime" in path.name] == []


def test_telemetry_of_every_tool_is_off_wherever_we_start_it(tmp_path: Path) -> None:
    assert QUIET["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert QUIET["PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY"] == "false"
    for environment in (serve_environment(tmp_path, 1), _environment(tmp_path), STAGES_QUIET):
        assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert STAGES_QUIET["GX_ANALYTICS_ENABLED"] == "False"  # 1.24 sends nothing; an earlier or later release may
    assert STAGES_QUIET["DVC_NO_ANALYTICS"] == "1"


@pytest.mark.parametrize(
    ("tool", "question", "environment"),
    [
        (
            "Prefect",
            "from prefect.settings import get_current_settings as s; print(s().server.analytics_enabled)",
            QUIET,
        ),
        ("DVC", "from dvc.analytics import is_enabled; print(is_enabled())", {}),  # by .dvc/config: also at a prompt
        ("DVC", "from dvc.analytics import is_enabled; print(is_enabled())", {"DVC_NO_ANALYTICS": "1"}),
        (
            "BentoML",
            "from bentoml._internal.utils.analytics.usage_stats import do_not_track; print(not do_not_track())",
            {"BENTOML_DO_NOT_TRACK": "True"},
        ),
    ],
)
def test_each_tool_understands_that_its_telemetry_is_off(
    todays_code: Path, tool: str, question: str, environment: dict[str, str]
) -> None:
    clean = {name: value for name, value in os.environ.items() if "ANALYTICS" not in name and "TRACK" not in name}
    done = subprocess.run(
        [sys.executable, "-c", question],
        cwd=todays_code,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1:] == ["False"], done.stderr
    assert tool


def test_dvc_at_a_prompt_neither_reports_nor_looks_for_updates(todays_code: Path) -> None:
    config = (todays_code / ".dvc" / "config").read_text()
    assert "analytics = false" in config and "check_update = false" in config
