"""`gristmill up`: server, worker, watcher and the services of all champions, in one terminal, from one process.

This process starts the others, starts again what dies, and ends all of them. However it ends itself, the kernel ends them
with it; and what a crash left in Prefect's database is cleared before the first turn.

A server or a worker that died takes the other and the turns with it: neither knows then what the other did, a turn that is
begun again finds its finished stages in the run cache, and training goes on from its checkpoint.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from httpx import HTTPError

from flows.child import Child
from flows.server import QUIET, answers, server_command, server_environment
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.runs.deployment import deploy_champion
from gristmill.runs.inbox import make_inboxes
from gristmill.runs.repository import Repository
from gristmill.runs.requests import roll
from gristmill.runs.schedules import WORK_POOL, deployments
from gristmill.runs.up import Standing, standing_up
from gristmill.runs.workspace import sweep
from gristmill.serving.bundle import current_bundle
from gristmill.serving.command import HOST, PortInUseError, check_port, free_port, serve_command, serve_environment

_TICK_S = 0.5
_START_LIMIT_S = 180
_ROLL_S = 3600
_QUICK_DEATH_S = 20
_MOST_QUICK_DEATHS = 3

# The worker looks for runs each second, so that little of the ten seconds from a file to its turn is waiting.
_CLIENTS = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "15",
    "PREFECT_WORKER_WEBSERVER_HOST": HOST,
}


class StoppedError(GristmillError):
    """Somebody asked for the end while it was starting."""


Stamp = tuple[tuple[str, int], ...]
"""Files, and when they were written."""


@dataclass
class House:
    """All that is up, and how to keep it so."""

    repository: Repository
    port: int
    serve_from: int
    say: Callable[[str], None]
    standing: Standing
    stop: threading.Event
    services: dict[str, Child] = field(default_factory=dict)
    _contracts: dict[str, tuple[str, str]] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)
    _rolled: float = -float("inf")
    _nothing_at: dict[str, str | None] = field(default_factory=dict)
    """Tips of `mill` at which a workload had nothing in production."""
    _seen: Stamp = ()
    _deployed: list[dict[str, Any]] = field(default_factory=list)
    _complaints: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        state, here = self.repository.state, self.repository.here
        home = state / "prefect"
        home.mkdir(parents=True, exist_ok=True)
        paths = filter(None, [str(here / "src"), str(here), os.environ.get("PYTHONPATH")])
        environment = {**QUIET, **_CLIENTS, **server_environment(home, self.port), "PYTHONPATH": os.pathsep.join(paths)}
        os.environ.update(environment)
        self.url = environment["PREFECT_API_URL"]
        logs = state / "logs"
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process"]
        self.server = Child("the Prefect server", server_command(self.port), environment, logs / "server.log")
        self.worker = Child("the worker", [*worker, "--name", "gristmill"], environment, logs / "worker.log")
        self.watcher = Child(
            "the watcher",
            [sys.executable, "-m", "flows", "watch"],
            environment,
            logs / "watcher.log",
            pipe=self._pass_on,
        )

    def _pass_on(self, line: str) -> None:
        """What the watcher says, without the time that it brings for its log."""
        self.say(line.partition(" | ")[2] or line)

    def begin(self) -> None:
        """Bring everything up, in the order in which one needs the other."""
        self._begin_turning("what was running when the mill went down last time is begun again")
        self.watcher.start()
        self.keep_serving()

    def _begin_turning(self, why: str) -> None:
        started = time.monotonic()
        self._seen, self._deployed = self._stamp(), deployments(self.repository.here)  # before anything is started
        self.server.start()
        while not answers(self.url):
            if self.stop.is_set():
                raise StoppedError
            if self.server.is_dead or time.monotonic() - started > _START_LIMIT_S:
                raise GristmillError(f"the Prefect server did not start; {self.server.log} says why.")
            time.sleep(0.1)
        self.standing.note(prefect=self.url.removesuffix("/api"))
        from prefect.client.orchestration import get_client

        from flows.deployments import deploy_all, free_slots
        from flows.turns import clear_unfinished

        with get_client(sync_client=True) as client:
            ids = deploy_all(client, self.repository.here)
            if n := clear_unfinished(client, ids, why):
                self.say(f"{n} turns were cut off: {why}")
            free_slots(client, ids)
        self.worker.start()
        self.say(f"Prefect: {self.url.removesuffix('/api')} (up in {time.monotonic() - started:.1f} s)")

    def keep(self) -> None:
        """Start again what has died, and follow what people change; a fault of one thing leaves the others up."""
        if not (self.server.is_running and self.worker.is_running):
            self.without_fault("turning", self._turn_again)
        if self.watcher.is_dead:
            self.say(f"the watcher has died ({self.watcher.log} may say why): it starts again")
            self.watcher.start()
        self.without_fault("schedules", self._follow_schedules)
        self.keep_serving()
        self._keep_logs()

    def _turn_again(self) -> None:
        for child in (self.server, self.worker):
            if child.is_dead:
                self.say(f"{child.name} has died ({child.log} may say why): server and worker start again")
        self.worker.end()
        self.server.end()
        self._begin_turning("the server or the worker died")

    def keep_serving(self) -> None:
        """A service for each champion, also for the first one of a workload, and a new one where the contract changed."""
        for position, name in enumerate(self._names()):
            self.without_fault(name, partial(self._keep_service, name, position))

    def _keep_service(self, name: str, position: int) -> None:
        root = self.repository.serving(name)
        if name not in self.services:
            tip = self.repository.mill.tip()
            if current_bundle(root) is None and self._nothing_at.get(name) == tip:
                return
            if deploy_champion(self.repository, name, self.say) is None:
                self._nothing_at[name] = tip
                return
            self._serve(name, self._port(self.serve_from + position))
        elif name in self._given_up:
            return
        elif self.services[name].is_dead:
            self._serve_again(name)
        elif (contract := _contract(root)) != self._contracts[name]:
            self.say(f"{name}: another contract or serving code is deployed, so its service starts anew")
            self._contracts[name] = contract
            self.services[name].end()
            self._serve(name, int(self.services[name].command[-1]))

    def _keep_logs(self) -> None:
        """What was written down of requests becomes Parquet, and old days go."""
        if time.monotonic() - self._rolled < _ROLL_S:
            return
        self._rolled = time.monotonic()
        for workload in self.repository.workloads():
            self.without_fault(f"requests of {workload.name}", partial(roll, self.repository, workload))

    def _names(self) -> list[str]:
        """The workloads, or those that are served already while params.yaml cannot be read."""
        names: list[str] = []
        self.without_fault("workloads", lambda: names.extend(one.name for one in self.repository.workloads()))
        return list(dict.fromkeys([*names, *self.services]))

    def _follow_schedules(self) -> None:
        """Tell the server when a workload was added, or a schedule changed."""
        from prefect.client.orchestration import get_client

        from flows.deployments import deploy_all

        if (stamp := self._stamp()) == self._seen:
            return
        if (entries := deployments(self.repository.here)) != self._deployed:
            with get_client(sync_client=True) as client:
                deploy_all(client, self.repository.here)
            self._deployed = entries
            self.say("workloads or schedules changed, and the server knows")
        self._seen = stamp

    def _stamp(self) -> Stamp:
        here = self.repository.here
        return tuple(
            (str(p), p.stat().st_mtime_ns) for p in [here / "params.yaml", *sorted(here.glob("params/*.yaml"))]
        )

    def without_fault(self, about: str, do: Callable[[], object]) -> None:
        """Do it; what is wrong is said once, and tried again at the next look."""
        try:
            do()
        except (GristmillError, OSError, HTTPError) as error:
            if self._complaints.get(about) != str(error):
                self._complaints[about] = str(error)
                self.say(f"{about}: {error}")
        else:
            self._complaints.pop(about, None)

    def _serve(self, name: str, port: int) -> None:
        root = self.repository.serving(name)
        bundle = deploy_champion(self.repository, name, self.say)
        if bundle is None:
            return
        self._contracts[name] = _contract(root)
        before = self.services.get(name)
        child = Child(
            f"the service of {name}",
            serve_command(bundle, port),
            serve_environment(root, port),
            self.repository.state / "logs" / f"service-{name}.log",
            quick_deaths=before.quick_deaths if before else 0,
        )
        child.start()
        self.services[name] = child
        self.standing.note(services={**self.standing.up.services, name: f"http://{HOST}:{port}"})
        self.say(f"{name}: served at http://{HOST}:{port}")

    def _serve_again(self, name: str) -> None:
        child = self.services[name]
        child.quick_deaths = child.quick_deaths + 1 if time.monotonic() - child.started < _QUICK_DEATH_S else 0
        if child.quick_deaths >= _MOST_QUICK_DEATHS:
            self._given_up.add(name)
            self.say(f"{child.name} died {child.quick_deaths} times at once and is left alone: {child.log} says why")
            return
        self.say(f"{child.name} has died: it starts again")
        self._serve(name, self._port(int(child.command[-1])))

    def _port(self, wanted: int) -> int:
        taken = {int(child.command[-1]) for child in self.services.values() if not child.is_dead}
        port = wanted if self.serve_from else free_port()
        while port in taken or _is_in_use(port):
            port = port + 1 if self.serve_from else free_port()
        if self.serve_from and port != wanted:
            self.say(f"port {wanted} is in use; {port} is taken instead")
        return port

    def end(self) -> None:
        """End everything, in the order in which nothing is lost."""
        self.watcher.end()
        self.worker.end()
        for child in self.services.values():
            if child.is_running and child.process:
                child.process.terminate()
        for child in self.services.values():
            child.end()
        if self.server.process is not None and answers(self.url):
            self._tell_the_server()
        self.server.end()
        sweep(self.repository)

    def _tell_the_server(self) -> None:
        from prefect.client.orchestration import get_client

        from flows.deployments import deploy_all
        from flows.turns import clear_unfinished

        try:
            with get_client(sync_client=True) as client:
                clear_unfinished(client, deploy_all(client, self.repository.here), "the mill went down")
        except (HTTPError, GristmillError):
            return  # the next start clears it


def up(
    repository: Repository, port: int, serve_from: int, say: Callable[[str], None], renew: Callable[[], None]
) -> int:
    """Keep everything up until SIGINT or SIGTERM.

    Args:
        repository: whose mill.
        port: of Prefect's pages; 0 takes a free one.
        serve_from: port of the first workload's service, the others follow; 0 takes free ones.
        say: told what happens, a line each.
        renew: called about twice a second, for whoever shows the state.

    Raises:
        AlreadyUpError: it is up already.
        SettingsError: a schedule cannot be.
        PortInUseError: the port is taken.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with standing_up(repository) as standing:
        deployments(repository.here)  # a wrong schedule is said before anything is started
        make_inboxes(repository)
        port = port or free_port()
        check_port(port)
        house = House(repository, port, serve_from, say, standing, stop)
        try:
            house.begin()
            while not stop.wait(_TICK_S):
                house.keep()
                house.without_fault("what is shown", renew)
        except StoppedError:
            pass
        finally:
            say("ending")
            house.end()
    say("ended: nothing is running any more")
    return 0


def _is_in_use(port: int) -> bool:
    try:
        check_port(port)
    except PortInUseError:
        return True
    return False


def _contract(root: Path) -> tuple[str, str]:
    pointer = read_json(root / "current.json")
    return pointer["contract_sha256"], pointer["serving_sha256"]
