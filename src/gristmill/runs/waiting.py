"""Which workloads have data that no turn has taken in yet."""

from gristmill.adapters.dvc import read_lock
from gristmill.runs.landing import landing_md5
from gristmill.runs.repository import Repository


def data_waiting(repository: Repository) -> dict[str, str]:
    """Workloads of the working tree whose newest data the last recorded turn has not read, with that data's version."""
    tip = repository.mill.tip()
    if tip is None:
        return {}
    lock = read_lock(repository.mill.read("dvc.lock", tip))
    found = {}
    for workload in repository.workloads():
        landing = repository.mill.read(f"data/{workload.name}/landing.dvc", tip)
        if landing is not None and (version := landing_md5(landing)) != milled_version(lock, workload.name):
            found[workload.name] = version
    return found


def milled_version(lock: dict[str, dict[str, object]], workload: str) -> str | None:
    """The data version that the last recorded turn read."""
    deps = lock.get(f"ingest@{workload}", {}).get("deps", [])
    assert isinstance(deps, list)
    return next((dep["md5"] for dep in deps if dep["path"] == f"data/{workload}/landing"), None)
