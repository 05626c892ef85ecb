"""Landing a workload's declared sources: its batches, fetched and verified, and what is new in those that grow."""

from collections.abc import Callable
from pathlib import Path

from gristmill.data.licences import LicenceExpiredError
from gristmill.data.progress import progress_bars
from gristmill.data.sources import FetchedBatch, SourceSettings, fetch_batch
from gristmill.ground.errors import GristmillError
from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import Workload
from gristmill.runs.checks import check_lines
from gristmill.runs.growing import Visit, today
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


class SourcesError(GristmillError):
    """Something of the declared sources could not land; the rest did."""

    def __str__(self) -> str:
        (told,) = self.args
        return "\n".join(told if len(told) == 1 else [f"{len(told)} things could not land, the rest did:", *told])


def land_sources(repository: Repository, workload: Workload, say: Callable[[str], None]) -> list[Landed]:
    """Land every batch that the workload declares, then what is new in its growing sources.

    What has landed before is passed over, and what cannot be had keeps nothing else from landing.

    Raises:
        NoSourceError: it declares none.
        SourcesError: something could not land; each thing and its reason are named.
    """
    settings = source_settings(workload)
    amiss: list[str] = []
    landed = _land_declared(repository, workload, settings, say, amiss) if settings.batches else []
    for source in settings.growing:
        with progress_bars() as report:
            visit = Visit(repository, workload, source, say, report)
            visit.take_new()
        for told in [*visit.warnings, *visit.waiting]:
            say(f"{workload.name}: {source.name}: {told}")
        if not (visit.landed or visit.waiting or visit.amiss):
            say(f"{workload.name}: {source.name}: nothing new")
        landed += visit.landed
        amiss += [f"{source.name}: {told}" for told in visit.amiss]
    if amiss:
        raise SourcesError(amiss)
    return landed


def _land_declared(
    repository: Repository, workload: Workload, settings: SourceSettings, say: Callable[[str], None], amiss: list[str]
) -> list[Landed]:
    landed = list[Landed]()
    try:
        if told := settings.check_right("source", today()):
            say(f"{workload.name}: {told}")
    except LicenceExpiredError as error:
        amiss.append(str(error))
        return landed
    for batch in settings.batches:
        try:
            with progress_bars() as report:
                fetched = fetch_batch(batch, source_cache(repository), report)
            landed.append(land_fetched(repository, workload, settings, fetched, fetched.parts))
        except GristmillError as error:
            amiss.append(str(error))
            continue
        what = "landed" if landed[-1].is_new else "had landed before:"
        names = ", ".join(path.name for path in fetched.parts)
        say(f"{workload.name}: {what} batch {landed[-1].manifest.batch} ({names})")
        for line in check_lines(landed[-1].check):
            say(f"{workload.name}: {line}")
    return landed


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
    if not (settings.batches or settings.growing):
        raise NoSourceError(workload.name, workload.params)
    return settings


def source_cache(repository: Repository) -> Path:
    """Where fetched parts are kept, for all workloads."""
    return repository.state / "sources"


def right_sentences(repository: Repository) -> list[str]:
    """Which rights to use declared sources have ended or soon will, a sentence each."""
    told = []
    for workload in repository.workloads():
        try:
            settings = SourceSettings.read(workload.params, "source")
        except SettingsError as error:
            told.append(str(error))
            continue
        rights = [("source", settings), *((f"source.growing.{source.name}", source) for source in settings.growing)]
        for key, right in rights:
            try:
                warning = right.check_right(key, today())
            except LicenceExpiredError as error:
                warning = str(error)
            if warning:
                told.append(f"{workload.name}: {warning}")
    return told
