"""Verbs about what is served: `serve`, `deploy`, `requests`, and the group `canary`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.verbs.terminal import ReasonOption, WorkloadArgument, open_repository, say, show

if TYPE_CHECKING:
    from rich.table import Table

    from gristmill.runs.requests import Day

app = typer.Typer()
canary = typer.Typer(help="Try a version on live requests before it is promoted.", no_args_is_help=True)
app.add_typer(canary, name="canary")


@app.command()
def serve(
    workload: WorkloadArgument,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On the loopback interface; 0 takes a free one.")] = 3000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    tokens: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Bearer tokens, one on each line; without it everybody may ask.")
    ] = None,
    opened: Annotated[
        list[str] | None, typer.Option("--open", metavar="PATH", help="Needs no token, as /metrics. May be repeated.")
    ] = None,
) -> None:
    """Serve the version in production; a promotion or rollback is picked up without a restart."""
    from gristmill.runs.deployment import champion_bundle
    from gristmill.serving.access import Access
    from gristmill.serving.command import serve_until_stopped

    repository = open_repository()
    repository.check_known(workload)
    access = Access(tokens, frozenset(opened or ()))  # said now, and not by each worker in its log
    bundle = champion_bundle(repository, workload, say)
    sys.exit(
        serve_until_stopped(
            bundle,
            repository.serving(workload),
            port,
            lambda address: say(f"{workload} answers at {address}{' to who has a token' if access.is_guarded else ''}"),
            workers=workers,
            tokens=tokens,
            opened=tuple(opened or ()),
        )
    )


@app.command()
def deploy(workload: WorkloadArgument) -> None:
    """Have the service answer with the version in production; promotions and rollbacks do it by themselves."""
    from gristmill.ground.files import read_json
    from gristmill.runs.deployment import champion_bundle

    repository = open_repository()
    repository.check_known(workload)
    bundle = champion_bundle(repository, workload, say)
    say(f"{workload} {read_json(bundle / 'deployment.json')['version']} is what a service answers with")


@app.command()
def requests(
    workload: WorkloadArgument,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """What was asked and answered, by day and version, and how often it was right where the true label came."""
    from gristmill.runs.requests import days, roll, to_json

    repository = open_repository()
    totals = roll(repository, repository.workload(workload))
    told = days(repository, workload)
    if as_json:
        say(to_json(told, totals))
        return
    if not told:
        say(f"{workload}: nothing was asked yet. `gristmill serve {workload}` answers.")
        return
    show(lambda width: _days_table(told, width))
    if totals["dropped"] or totals["lost"]:
        say(f"not written down: {totals['dropped']:,} dropped, {totals['lost']:,} lost by a sudden end")


@canary.command()
def start(
    workload: WorkloadArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As in `gristmill versions`: v1.2.0.")],
    share: Annotated[float, typer.Option(help="Of the requests, chosen by a hash of the request id.")] = 0.1,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Ask it copies of requests and give its answers to nobody.")
    ] = False,
    after: Annotated[int, typer.Option(help="Requests of a worker from which on it is judged.")] = 200,
    errors: Annotated[float, typer.Option(help="Share of requests that it may fail to answer.")] = 0.01,
    agreement: Annotated[float, typer.Option(help="Share of items that it answers as the champion does.")] = 0.8,
    latency: Annotated[float, typer.Option(help="How many times the champion's time it may take.")] = 3.0,
    reason: ReasonOption = "a person asked",
) -> None:
    """Have a version answer a share of the requests, until it breaks a limit, or somebody ends it."""
    from gristmill.runs.trying import start_trial
    from gristmill.serving.trial import Limits, Mode

    repository = open_repository()
    repository.check_known(workload)
    limits = Limits(after=after, errors=errors, agreement=agreement, latency=latency)
    mode: Mode = "shadow" if shadow else "canary"
    tried = start_trial(repository, workload, version, mode, share, limits, reason, say)
    does = "is asked beside the champion in" if shadow else "answers"
    say(
        f"{workload} {tried.version} {does} {share:.1%} of the requests; `gristmill canary status {workload}` tells more"
    )


@canary.command()
def status(workload: WorkloadArgument) -> None:
    """What the trial has come to: requests that both answered, how alike, how fast, and why it ended."""
    from gristmill.runs.trying import see_trial

    repository = open_repository()
    repository.check_known(workload)
    seen = see_trial(repository, workload)
    told = seen.told
    about = f"{told['mode']} of {told['share']:.1%} against {told['champion']}, since {told['began']}"
    say(f"{workload} {told['version']}: {about}")
    if seen.n:
        say(f"both answered {seen.n:,} requests, alike in {seen.n_agreed / seen.n:.1%}")
        say(f"mean time {seen.latency_ms:.2f} ms, the champion's {seen.champion_ms:.2f} ms")
    else:
        say("no request was answered by both yet")
    if told["ended"]:
        say(f"ended {told['ended']['at']}: {told['ended']['why']}")


@canary.command()
def stop(workload: WorkloadArgument, reason: ReasonOption = "a person asked") -> None:
    """End the trial; the champion answers everything again."""
    from gristmill.runs.trying import stop_trial

    repository = open_repository()
    repository.check_known(workload)
    told = stop_trial(repository, workload, reason)
    say(f"{workload} {told['version']} is no longer tried")


def _days_table(told: "list[Day]", width: int | None) -> "Table":
    from gristmill.registry.tables import empty_table

    table = empty_table(width)
    for heading in ("day", "version", "requests", "items", "right", "labels", "mean ms"):
        table.add_column(heading, justify="left" if heading in ("day", "version") else "right")
    for day in told:
        right = "-" if day.accuracy is None else f"{day.accuracy:.1%}"
        if day.mean_error is not None:
            right = f"{day.mean_error:.4g} off"
        counts = (f"{day.n_answers:,}", f"{day.n_items:,}", right, f"{day.n_labelled:,}", f"{day.latency_ms:.2f}")
        table.add_row(day.day, day.version, *counts)
    return table
