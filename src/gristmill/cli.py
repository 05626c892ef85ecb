"""`gristmill`: a person's way in. Each verb is one thing the mill does; `gristmill VERB --help` says what it needs.

Everything heavy is imported by the verb that uses it, so that `gristmill --help` answers at once.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.ground.errors import GristmillError, mendable
from gristmill.verbs import answers, data, expectations, quarantine, serving, upkeep
from gristmill.verbs.terminal import ReasonOption, WorkloadArgument, open_repository, say, show

if TYPE_CHECKING:
    from gristmill.runs.repository import Repository

app = typer.Typer(
    help="Every batch of data that lands is milled into a better model in production, or stopped at a gate with a reason.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(data.app, name="data")
app.add_typer(expectations.app, name="expectations")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(serving.app)
app.add_typer(upkeep.app)
app.add_typer(answers.app)


@app.command()
def land(
    workload: WorkloadArgument,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="One batch's files, or their folder.")
    ] = None,
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="A published test set: reported, never trained or gated on.")
    ] = False,
) -> None:
    """Land files as one batch; without files, the workload's declared sources and what is new in those that grow."""
    from gristmill.runs.checks import check_lines
    from gristmill.runs.landing import land as land_files
    from gristmill.runs.sourcing import land_sources

    repository = open_repository()
    if not files:
        land_sources(repository, repository.workload(workload), say)
        return
    landed = land_files(repository, repository.workload(workload), files, "benchmark" if benchmark else "train")
    back = f"{landed.n_restored} objects that the cache had lost are back" if landed.n_restored else "nothing changed"
    what = "landed" if landed.is_new else f"had landed before; {back}:"
    say(f"{workload}: {what} batch {landed.manifest.batch}, {len(landed.manifest.parts)} files")
    for line in check_lines(landed.check):
        say(f"{workload}: {line}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the workload: lower-case letters, digits, dashes.")],
    file: Annotated[Path, typer.Option("--from", metavar="FILE", help="A CSV with a header.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="What is to be predicted.")],
    kind: Annotated[str, typer.Option(help="What sort of data it is.")] = "tabular",
    id_column: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Names a record.")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Whose rows belong together: a customer, a patient, a device.")
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="COLUMN=TYPE", help="numeric, categorical, date, text, constant or id."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; the target says, unless told.")
    ] = None,
    goal: Annotated[str | None, typer.Option(help="What is predicted, of what.")] = None,
    decision: Annotated[str | None, typer.Option(help="What somebody does with an answer.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for the model; git's user unless told.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
) -> None:
    """Make a workload of your own file: look at it, and write params, expectations and schedule for you to review."""
    from gristmill.runs.beginning import check_words, columns_table, draft_workload, workload_files, write_all

    repository = open_repository()
    draft = draft_workload(
        repository,
        kind,
        name,
        file=file,
        target=target,
        id=id_column,
        group=group,
        types=check_words(types or [], task),
        task=task,
        goal=goal,
        decision=decision,
        owner=owner or repository.git.actor(),
    )
    if draft.read:
        say(draft.read)
    show(lambda width: columns_table(draft, width))
    for line in (*draft.findings, "", *draft.decided, ""):
        say(line)
    files = workload_files(repository, kind, name, draft, file)
    if dry_run:
        for path, content in files.items():
            say(f"--- {path}\n{content}")
        say("nothing was written (--dry-run)")
        return
    write_all(repository.here, files)
    paths = " ".join(files)
    say(f"written: {', '.join(files)}; read them, above all `problem:` and `gate:` in params/{name}.yaml")
    say(f"then:\n  gristmill land {name} {file}\n  gristmill run {name}\n  gristmill serve {name}")
    say(f'but commit first, for a run takes the code of a commit:\n  git add {paths} && git commit -m "Add {name}"')


@app.command()
def run(
    workload: WorkloadArgument,
    reason: ReasonOption = "a person asked",
    code: Annotated[str, typer.Option(help="The commit whose code runs.")] = "HEAD",
) -> None:
    """Turn the mill once: every stage that is stale, the verdict, and the promotion that it allows."""
    _become_a_flow("retrain", workload, "--reason", reason, "--code", code)


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of Prefect's pages; 0 takes a free one.")] = 4200,
    serve_from: Annotated[
        int, typer.Option(min=0, max=65000, help="Port of the first service, the others follow; 0 takes free ones.")
    ] = 3000,
) -> None:
    """Turn by itself: server, worker, inbox watcher and all services in this terminal, until Ctrl-C."""
    _become_a_flow("up", "--port", str(port), "--serve-from", str(serve_from))


@app.command()
def down() -> None:
    """End what `gristmill up` started, in order, from another terminal."""
    from gristmill.runs.up import ask_down

    up = ask_down(open_repository())
    say(f"ended: process {up.pid} and all that it had started")


@app.command()
def pull(
    everything: Annotated[
        bool, typer.Option("--all", help="Bring every version into the cache too, as on a new machine.")
    ] = False,
) -> None:
    """Bring the mill's state (data, models, reports, dvc.lock) into your tree; `dvc repro` then finds nothing to do."""
    from gristmill.runs.pulling import pull as pull_state

    with upkeep.progress("fetched") as advance:
        lines = pull_state(open_repository(), everything, advance)
    for line in lines:
        say(line)


@app.command()
def status() -> None:
    """Every workload on one screen: what is in production, since when, the last verdict, data waiting, frozen or not."""
    from gristmill.runs.status import read_status, status_table, where

    repository = open_repository()
    statuses = read_status(repository)
    show(lambda width: status_table(statuses, width))
    for line in where(repository):
        say(line)


@app.command()
def why(
    question: Annotated[
        str, typer.Argument(metavar="STAGE@WORKLOAD", help="As in dvc.yaml; a workload alone asks for all its stages.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Why a stage would run or not: the file, parameter, library or data that changed since the last turn."""
    from gristmill.runs.why.answers import explain
    from gristmill.runs.why.words import answer_lines, overview_lines, to_json

    answers = explain(open_repository(), question)
    asked = [answer for answer in answers if answer.name == question]
    if as_json:
        told = to_json(asked[0]) if asked else {"workload": question, "stages": [to_json(one) for one in answers]}
        say(json.dumps(told, indent=1, ensure_ascii=False, default=str))
        return
    for line in answer_lines(asked[0], answers) if asked else overview_lines(answers):
        say(line)


@app.command()
def versions(workload: WorkloadArgument) -> None:
    """The versions of a workload's model, newest first."""
    from gristmill.registry.promotion import read_production
    from gristmill.registry.tables import versions_table
    from gristmill.registry.versions import read_versions

    repository = open_repository()
    repository.check_known(workload)
    made = read_versions(repository.git, workload)
    if not made:
        say(f"{workload} has no version yet: `gristmill run {workload}` makes one from what has landed")
        return
    production = read_production(repository.mill, workload)
    show(lambda width: versions_table(made, production, width))


@app.command()
def history(
    workload: Annotated[str | None, typer.Argument(metavar="[WORKLOAD]", help="All workloads when left out.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many events, the newest.")] = None,
) -> None:
    """What happened: every landing, run, promotion and rollback, newest first."""
    from gristmill.registry.history import read_history
    from gristmill.registry.tables import history_table

    repository = open_repository()
    if workload:
        repository.check_known(workload)
    events = read_history(repository.mill, workload)[:last]
    if not events:
        say("nothing has happened yet: `gristmill land WORKLOAD` begins")
        return
    show(lambda width: history_table(events, width))


@app.command()
def promote(
    workload: WorkloadArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As `gristmill versions` lists it.")],
    reason: ReasonOption,
) -> None:
    """Put a version into production, on your word."""
    from gristmill.registry.promotion import promote as put_into_production
    from gristmill.registry.versions import find_version
    from gristmill.runs.carrying import bring_version

    repository = open_repository()
    repository.check_known(workload)
    bring_version(repository, find_version(repository.git, workload, version))
    promoted = put_into_production(repository.mill, workload, version, reason, repository.git.actor())
    say(f"{workload} {promoted.version} is in production")
    _deploy(repository, workload)


@app.command()
def rollback(workload: WorkloadArgument, reason: ReasonOption = "a person asked") -> None:
    """Put the previous version back into production, bar the present one, and freeze automatic promotion."""
    from gristmill.registry.promotion import rollback as roll_back

    repository = open_repository()
    repository.check_known(workload)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    left, target = roll_back(repository.mill, workload, reason, repository.git.actor(), now)
    say(f"{workload} {target.version} is in production again; {left.version} will not come back by itself")
    say(f"automatic promotion is frozen until `gristmill resume {workload}`")
    _deploy(repository, workload)


@app.command()
def resume(workload: WorkloadArgument) -> None:
    """Let the gate promote by itself again, after a rollback."""
    from gristmill.registry.promotion import resume as thaw

    repository = open_repository()
    repository.check_known(workload)
    thaw(repository.mill, workload, repository.git.actor())
    say(f"automatic promotion of {workload} is on again")


@app.command()
def pin() -> None:
    """Declare the installed libraries in versions.yaml; the stages that they decide will run again."""
    from gristmill.runs.pinning import pin_versions

    for line in pin_versions(open_repository().here):
        say(line)


def main() -> None:
    """Run a verb; what a person can mend is one sentence on stderr and exit code 1."""
    try:
        app()
    except GristmillError as error:
        print(f"gristmill: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if (told := mendable(error)) is None:
            raise
        print(f"gristmill: {told}", file=sys.stderr)
        sys.exit(1)


def _become_a_flow(*words: str) -> None:
    repository = open_repository()
    paths = filter(None, [str(repository.here / "src"), str(repository.here), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    os.chdir(repository.here)
    command = [sys.executable, "-m", "flows", *words]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - the flow takes this process's place, and its signals


def _deploy(repository: "Repository", workload: str) -> None:
    from gristmill.runs.deployment import deploy_champion

    deploy_champion(repository, workload, say)
