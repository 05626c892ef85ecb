"""What one answer costs: ours, and other ways to serve the same model, asked by the same client on the same machine.

One worker and one thread for the model everywhere; one image as JSON. Each round starts every server anew, one after the
other; what is told is the median of rounds, and a ratio is that of two servers in one round. `--small`: shortly, ours alone.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.client import Load, Question, has_client, load
from benchmarks.figures import tell, tell_median
from benchmarks.parts import tell_parts
from benchmarks.rivals.installed import NotInstalledError
from benchmarks.rivals.model import one_image
from benchmarks.servers import (
    Server,
    answers,
    as_bento,
    bundle_in,
    floor,
    on_fastapi,
    on_litserve,
    on_mlflow,
    running,
    serving_root,
    under_uvicorn,
)


class Scale(NamedTuple):
    """How much is measured."""

    connections: tuple[int, ...] = (1, 8, 64)
    rounds: int = 5
    seconds: int = 3
    only_ours: bool = False


SMALL = Scale(connections=(2,), rounds=1, seconds=1, only_ours=True)
_WARM_S = 1


class Round(NamedTuple):
    """One server, started, asked and ended."""

    loads: dict[int, Load]
    """By number of connections."""
    cpu_ms: dict[int, float]
    """Per answer, of all the server's processes."""
    memory_mib: float
    """After it was asked."""
    started_s: float


def main() -> None:
    if not has_client():
        print("serving: nothing is measured, for the client `wrk` is not installed. `apt install wrk` brings it.")
        return
    scale = SMALL if "--small" in sys.argv[1:] else Scale()
    with tempfile.TemporaryDirectory(prefix="gristmill-serving-") as name:
        folder = Path(name)
        bundle, root = bundle_in(folder), serving_root(folder)
        servers = [under_uvicorn(bundle, root)] if scale.only_ours else all_servers(folder, bundle, root)
        rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
        for _ in range(scale.rounds):
            for server in servers:
                rounds[server.name].append(one_round(server, scale))
        Console(file=sys.stderr, width=125).print(table(rounds))
        for server in servers:
            tell_server(server.name, rounds[server.name], scale)
        if not scale.only_ours:
            tell_ratios(rounds)
            tell_parts(servers[0], folder)
        failed = sum(one.failed for name in rounds for each in rounds[name] for one in each.loads.values())
        tell("requests that failed, of all servers", failed, "", "<= 0")


def all_servers(folder: Path, bundle: Path, root: Path) -> list[Server]:
    """Ours and the others, but for those that cannot be installed here."""
    model = bundle / "src" / "model"
    weights = folder / "models" / "speed" / "challenger"
    ours = [under_uvicorn(bundle, root), *(as_bento(bundle, root, path) for path in ("/predict", "/api/predict"))]
    others: list[Callable[[], Server]] = [lambda: on_litserve(model), lambda: on_mlflow(model, folder)]
    by_hand = [on_fastapi(weights, "onnxruntime"), on_fastapi(weights, "torch")]
    servers = [*ours, *_raw(ours[0]), floor(root), *by_hand]
    for other in others:
        try:
            servers.append(other())
        except NotInstalledError as error:
            print(f"serving: one is left out: {error}")
    return servers


def _raw(server: Server) -> Iterable[Server]:
    """The same server asked with the array's own bytes, where it takes them."""
    array = io.BytesIO()
    np.save(array, one_image())
    question = Question(array.getvalue(), "application/octet-stream")
    with running(server) as alive:
        if answers(alive.url, question):
            yield server._replace(name=f"{server.name}, npy", question=question)


def one_round(server: Server, scale: Scale) -> Round:
    """Start it, warm it up, and ask it with ever more connections."""
    loads: dict[int, Load] = {}
    cpu_ms: dict[int, float] = {}
    with running(server) as alive:
        load(alive.url, server.question, max(scale.connections), _WARM_S)
        for connections in scale.connections:
            before = alive.cpu_s()
            loads[connections] = load(alive.url, server.question, connections, scale.seconds)
            cpu_ms[connections] = (alive.cpu_s() - before) * 1000 / max(loads[connections].answered, 1)
        return Round(loads, cpu_ms, alive.memory_mib(), alive.started_s)


def tell_server(name: str, rounds: list[Round], scale: Scale) -> None:
    """The figures of one server."""
    for n in scale.connections:
        tell_median(f"requests/s, {name}, c={n}", [one.loads[n].rate for one in rounds], "/s")
        tell_median(f"p50, {name}, c={n}", [one.loads[n].p50_ms for one in rounds], "ms")
        tell_median(f"p99, {name}, c={n}", [one.loads[n].p99_ms for one in rounds], "ms")
        tell_median(f"CPU per request, {name}, c={n}", [one.cpu_ms[n] for one in rounds], "ms")
    tell_median(f"memory, {name}", [one.memory_mib for one in rounds], "MiB")
    tell_median(f"from the command to the first answer, {name}", [one.started_s for one in rounds], "s")


def tell_ratios(rounds: dict[str, list[Round]]) -> None:
    """Ours by the others, and one of ours by another."""
    ours, by_hand = "ours under uvicorn", "FastAPI + ONNX Runtime"
    lean, typed = "ours as a Bento, lean route", "ours as a Bento, typed route"
    for n in (8, 64):
        for what, target in (("requests/s", ">= 1.3"), ("p99", "<= 1"), ("CPU per request", None)):
            tell(f"{what}, {ours} : {by_hand}, c={n}", ratio(rounds, what, ours, by_hand, n), "times", target)
        for what, of, to, target in (
            ("Bento typed : lean", typed, lean, ">= 1.5" if n == 8 else None),
            ("Bento lean : an empty Bento", lean, "an empty Bento", None),
        ):
            tell(f"CPU per request, {what}, c={n}", ratio(rounds, "CPU per request", of, to, n), "times", target)
        for other in ("LitServe + ONNX Runtime", "MLflow pyfunc + ONNX Runtime"):
            if other in rounds:
                tell(f"requests/s, {ours} : {other}, c={n}", ratio(rounds, "requests/s", ours, other, n), "times")


def ratio(rounds: dict[str, list[Round]], what: str, of: str, to: str, connections: int) -> float:
    """The median of the ratios within each round, since a machine that others share is another one in each."""

    def figure(one: Round) -> float:
        asked = one.loads[connections]
        return {"requests/s": asked.rate, "p99": asked.p99_ms, "CPU per request": one.cpu_ms[connections]}[what]

    return median(figure(one) / figure(other) for one, other in zip(rounds[of], rounds[to], strict=True))


def table(rounds: dict[str, list[Round]]) -> Table:
    """The medians, a line for each server and number of connections."""
    shown = Table("server", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("c", "requests/s", "p50 ms", "p99 ms", "CPU ms/request", "failed", "memory MiB", "first answer s"):
        shown.add_column(column, justify="right")
    for name, of in rounds.items():
        memory, started = median(one.memory_mib for one in of), median(one.started_s for one in of)
        for row, n in enumerate(of[0].loads):
            loads = [one.loads[n] for one in of]
            shown.add_row(
                name if row == 0 else "",
                str(n),
                f"{median(one.rate for one in loads):,.0f}",
                f"{median(one.p50_ms for one in loads):.2f}",
                f"{median(one.p99_ms for one in loads):.1f}",
                f"{median(one.cpu_ms[n] for one in of):.3f}",
                str(sum(one.failed for one in loads)),
                f"{memory:.0f}" if row == 0 else "",
                f"{started:.1f}" if row == 0 else "",
            )
    return shown


if __name__ == "__main__":
    main()
