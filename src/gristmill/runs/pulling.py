"""Bringing the mill's present state into a person's tree, where plain DVC then works with it."""

from gristmill.adapters.dvc import read_lock
from gristmill.ground.errors import GristmillError
from gristmill.ground.pipeline import STAGES
from gristmill.registry.mill import is_own_file
from gristmill.runs.carrying import Advance, fetch
from gristmill.runs.needed import here, needed
from gristmill.runs.repository import Repository


def pull(repository: Repository, everything: bool = False, advance: Advance = lambda _: None) -> list[str]:
    """Write the mill's own files of the tip into the working tree, and check their data out.

    What the cache lacks of them, and of what is in production, comes from DVC's remotes first.

    The index is left alone. Only what has landed is named, so it works before the first run, and while some workload of
    the map has no data yet.

    Args:
        repository: whose mill, and whose tree.
        everything: bring every version into the cache too, as on a machine that takes another one's place.
        advance: told of the bytes that come.

    Returns:
        A line for each workload.

    Raises:
        GristmillError: nothing has landed.
        CacheMissError: neither the cache nor a remote has all of it.
        UnverifiedRemoteError, RemoteFaultError, DamagedObjectError: a remote cannot be taken from.
    """
    tip = repository.mill.tip()
    if tip is None:
        raise GristmillError(
            "nothing has landed yet, so there is nothing to pull. `gristmill land WORKLOAD` lands data."
        )
    files = [entry.path for entry in repository.git.entries(tip) if is_own_file(entry.path)]
    repository.git.restore(tip, files)
    stages = read_lock(repository.mill.read("dvc.lock", tip))
    lines, targets = [], [path for path in files if path.endswith(".dvc")]
    for workload in repository.workloads():
        ran = [f"{stage}@{workload.name}" for stage in STAGES if f"{stage}@{workload.name}" in stages]
        targets += ran
        if f"data/{workload.name}/landing.dvc" not in files:
            lines.append(f"{workload.name}: nothing has landed (`gristmill land {workload.name}`)")
        elif not ran:
            lines.append(f"{workload.name}: data only, no run yet (`gristmill run {workload.name}`)")
        else:
            lines.append(f"{workload.name}: data, models and reports of its last run")
    local = repository.here / ".dvc" / "config.local"
    if (
        repository.here != repository.root and not local.exists()
    ):  # else a linked tree would look into a cache of its own
        repository.dvc.share_cache()
    fetch(repository, needed(repository) if everything else here(repository), advance)
    repository.dvc.checkout(*targets)
    return lines
