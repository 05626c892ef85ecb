"""Landing a workload's declared sources: each of their batches is fetched, verified and landed."""

from collections.abc import Callable
from pathlib import Path

from gristmill.data.progress import progress_bars
from gristmill.data.sources import FetchedBatch, SourceSettings, fetch_batch
from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import Workload
from gristmill.runs.checks import check_lines
from gristmill.runs.landing import Landed, land
from gristmill.runs.repository import Repository


class NoSourceError(GristmillError):
    """A workload without declared data."""

    def __str__(self) -> str:
        workload, path = self.args
        return (
            f"{workload} declares no source. Land your own files (`gristmill land {workload} FILE...`), "
            f"or declare batches under source: in {path}."
        )


def land_sources(repository: Repository, workload: Workload, say: Callable[[str], None]) -> list[Landed]:
    """Land every batch that the workload declares; those that have landed before are passed over.

    Raises:
        NoSourceError: it declares none.
        SourceError: no mirror of some part gave the declared bytes.
        LandingError: a batch could not land.
    """
    settings = source_settings(workload)
    results = []
    for batch in settings.batches:
        with progress_bars() as report:
            fetched = fetch_batch(batch, source_cache(repository), report)
        results.append(land_fetched(repository, workload, settings, fetched, fetched.parts))
        what = "landed" if results[-1].is_new else "had landed before:"
        say(f"{workload.name}: {what} batch {results[-1].manifest.batch} ({', '.join(p.name for p in fetched.parts)})")
        for line in check_lines(results[-1].check):
            say(f"{workload.name}: {line}")
    return results


def land_fetched(
    repository: Repository,
    workload: Workload,
    settings: SourceSettings,
    fetched: FetchedBatch,
    files: tuple[Path, ...],
) -> Landed:
    """Land files of a fetched batch, with the source's origin, licence and terms in the manifest."""
    return land(
        repository, workload, files, fetched.role, settings.origin, licence=settings.licence, terms=settings.terms
    )


def source_settings(workload: Workload) -> SourceSettings:
    """The workload's declared source.

    Raises:
        NoSourceError: it declares none.
    """
    settings = SourceSettings.read(workload.params, "source")
    if not settings.batches:
        raise NoSourceError(workload.name, workload.params)
    return settings


def source_cache(repository: Repository) -> Path:
    """Where fetched parts are kept, for all workloads."""
    return repository.state / "sources"
