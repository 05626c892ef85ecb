"""What is counted: for Prometheus at `/metrics`, and as a few plain numbers at `/counters` for the page.

With PROMETHEUS_MULTIPROC_DIR in the environment, as BentoML sets it for its workers, the numbers of all workers are merged;
else they are those of this process. prometheus_client looks for it when it is imported, so that happens here, not above.
"""

import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.samples import Sample

REASONS = {
    400: "malformed",
    401: "token",
    404: "unknown",
    405: "method",
    408: "slow",
    409: "contradiction",
    413: "too_long",
    415: "content_type",
    503: "not_ready",
}
"""Why a request was refused, by the status of the answer."""
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ROUTES = ("/predict", "/api/predict", "/feedback")
"""Of which times are kept; the others are counted together, for a label must not take any value that a caller sends."""


class Metrics:
    """The numbers of one worker."""

    def __init__(self) -> None:
        """Begin at zero; once in each process."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        _forget_dead_workers()
        self._registry = CollectorRegistry()
        self.began = time.time()

        def counter(name: str, about: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"gristmill_{name}", about, labels, registry=self._registry)

        def gauge(name: str, about: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(f"gristmill_{name}", about, labels, registry=self._registry, multiprocess_mode="livesum")

        self._requests = counter("requests", "Requests that were answered, by route and status.", ("route", "status"))
        self._refused = counter("refused", "Requests that were refused, by reason.", ("reason",))
        self._seconds = Histogram(
            "gristmill_request_seconds",
            "From the first byte to the last, by route.",
            ("route",),
            registry=self._registry,
            buckets=BUCKETS_S,
        )
        self.in_flight = gauge("in_flight", "Requests that are being answered.")
        self.swaps = counter("swaps", "Models that were swapped in, or refused.", ("result",))
        self._version = gauge("version_info", "1 for each version that a worker answers with.", ("version", "role"))
        self._waiting = gauge("log_waiting", "Answers that wait to be written down.")
        self.log_dropped = counter(
            "log_dropped", "Answers that were not written down: too many waited, or a full disk."
        )
        self.trials = counter(
            "trials", "Requests that the model on trial was asked too, by what came of it.", ("outcome",)
        )
        self.feedback = counter("feedback", "True labels that came, by what became of them.", ("result",))
        # Looking labels up costs as much as counting does.
        self._by_route: dict[tuple[str, int], Callable[[float], None]] = {}
        self._versions: dict[str, str] = {}

    def observe(self, path: str, status: int, seconds: float) -> None:
        """A request has ended."""
        route = path if path in _ROUTES else "other"
        if (count := self._by_route.get((route, status))) is None:
            count = self._by_route[route, status] = self._counting(route, status)
        count(seconds)

    def serves(self, role: str, version: str | None) -> None:
        """Which version a role (`champion`, `canary`, `shadow`) has now; None where it has none."""
        if (before := self._versions.pop(role, None)) is not None:
            self._version.labels(before, role).set(0)
        if version is not None:
            self._versions[role] = version
            self._version.labels(version, role).set(1)

    def text(self, waiting: int) -> bytes:
        """All of it in Prometheus' text format; `waiting` answers are not written down yet."""
        from prometheus_client import generate_latest

        self._waiting.set(waiting)
        return generate_latest(self._merged())

    def counters(self) -> dict[str, Any]:
        """What the page shows."""
        samples = [sample for metric in self._merged().collect() for sample in metric.samples]
        asked = [one for one in samples if one.labels.get("route") in _ROUTES[:2]]
        return {
            "requests": _sum(one for one in asked if one.name == "gristmill_requests_total"),
            "refused": _sum(one for one in samples if one.name == "gristmill_refused_total"),
            "failed": _sum(
                one for one in samples if one.name == "gristmill_requests_total" and one.labels["status"][0] == "5"
            ),
            "in_flight": _sum(one for one in samples if one.name == "gristmill_in_flight"),
            "p50_ms": _quantile_ms(asked, 0.5),
            "p99_ms": _quantile_ms(asked, 0.99),
            "swaps": _sum(
                one for one in samples if one.name == "gristmill_swaps_total" and one.labels["result"] == "swapped"
            ),
            "since": datetime.fromtimestamp(self.began, UTC).isoformat(timespec="seconds"),
        }

    def _counting(self, route: str, status: int) -> Callable[[float], None]:
        requests, seconds = self._requests.labels(route, str(status)), self._seconds.labels(route)
        refused = self._refused.labels(REASONS[status]) if status in REASONS else None

        def count(took: float) -> None:
            requests.inc()
            seconds.observe(took)
            if refused is not None:
                refused.inc()

        return count

    def _merged(self) -> "CollectorRegistry":
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self._registry
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return merged


def _forget_dead_workers() -> None:
    """Take away what workers said of their present state that have none: a killed one cannot do so itself."""
    if (folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR")) is None:
        return
    from prometheus_client.multiprocess import mark_process_dead

    for pid in {int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        except PermissionError:
            continue  # another user's: it lives


def _sum(samples: Iterable["Sample"]) -> int:
    return int(sum(sample.value for sample in samples))


def _quantile_ms(samples: Iterable["Sample"], share: float) -> float | None:
    """A quantile of the times, as Prometheus' histogram_quantile takes it: evenly within its bucket."""
    below: dict[float, float] = dict.fromkeys((*BUCKETS_S, float("inf")), 0.0)
    for sample in samples:
        if sample.name == "gristmill_request_seconds_bucket":
            below[float(sample.labels["le"])] += sample.value
    rank = share * below[float("inf")]
    if not rank:
        return None
    low, n_low = 0.0, 0.0
    for high in BUCKETS_S:
        if below[high] >= rank:
            return round(1000 * (low + (high - low) * (rank - n_low) / (below[high] - n_low)), 3)
        low, n_low = high, below[high]
    return 1000 * BUCKETS_S[-1]
