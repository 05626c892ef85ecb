"""Ours under uvicorn for a while, at half of what it can answer: does its memory grow, and does a request fail?

`python -m benchmarks.soak --minutes 10`. No part of `measure`: a leak shows in hours, and nobody waits for those.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.client import has_client, load
from benchmarks.servers import IMAGE, bundle_in, running, serving_root, under_uvicorn

_CONNECTIONS = 8
_FLAT = 0.05


def main() -> int:
    """Exit code 0 when memory stayed flat from the first minute on, and nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Ask for a while, and watch memory.")
    parser.add_argument("--minutes", type=int, default=10, help="how long, 2 at least (default: 10)")
    minutes = parser.parse_args().minutes
    if minutes < 2:
        parser.error("--minutes: memory is compared with that after the first minute, so 2 is the least")
    if not has_client():
        parser.error("the client `wrk` is not installed; `apt install wrk` brings it")
    memory: list[float] = []
    failed = 0
    with tempfile.TemporaryDirectory(prefix="gristmill-soak-") as name:
        folder = Path(name)
        with running(under_uvicorn(bundle_in(folder), serving_root(folder))) as alive:
            most = load(alive.url, IMAGE, _CONNECTIONS, 10).rate
            print(f"{most:.0f} answers/s at most; half of that for {minutes} minutes", flush=True)
            pause_ms = _CONNECTIONS * 1000 / most
            for minute in range(1, minutes + 1):
                asked = load(alive.url, IMAGE, _CONNECTIONS, 60, round(pause_ms))
                pause_ms = max(0, pause_ms + _CONNECTIONS * 1000 * (2 / most - 1 / asked.rate))
                memory.append(alive.own_memory_mib())
                failed += asked.failed
                told = f"{memory[-1]:.1f} MiB, {asked.rate:.0f} answers/s, p99 {asked.p99_ms:.1f} ms"
                print(f"minute {minute}: {told}, {asked.failed} failed", flush=True)
    grown = max(memory) / memory[0] - 1
    print(f"memory {'stayed flat' if grown <= _FLAT else 'GREW'}: at most {grown:+.1%} since minute 1; {failed} failed")
    return 0 if grown <= _FLAT and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
