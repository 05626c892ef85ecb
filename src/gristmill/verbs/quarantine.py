"""`gristmill quarantine`: what waits at the door, and letting it in or turning it away for good."""

from typing import Annotated, Literal

import typer

from gristmill.verbs.terminal import WorkloadArgument, open_repository, say, show

app = typer.Typer(help="Look at what waits and why; release it or drop it.", no_args_is_help=True)

BatchArgument = Annotated[str, typer.Argument(metavar="BATCH", help="Its id, or enough of its beginning.")]
WhyOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the history for good.")]
RowOption = Annotated[
    list[str] | None,
    typer.Option("--row", metavar="ID", help="A row's record_id, instead of the whole batch. May be repeated."),
]


@app.command("list")
def list_waiting(
    workload: WorkloadArgument,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Every batch with rows that wait, and what has landed or was decided since the last turn."""
    from gristmill.runs.quarantine.state import States, to_json
    from gristmill.runs.quarantine.words import waiting_table

    repository = open_repository()
    repository.check_known(workload)
    states = States(repository, workload).waiting()
    if as_json:
        say(to_json(states))
    elif not states:
        say(f"{workload}: nothing waits; every row that landed is in")
    else:
        show(lambda width: waiting_table(states, width))


@app.command("show")
def show_batch(workload: WorkloadArgument, batch: BatchArgument) -> None:
    """All about one batch; its rows, with what is wrong marked, stand on a page that is written and named."""
    from gristmill.ground.files import write_text
    from gristmill.quality.suite import read_suite
    from gristmill.runs.correcting import classes_of
    from gristmill.runs.quarantine.page import Page, render
    from gristmill.runs.quarantine.rows import rows_to_show
    from gristmill.runs.quarantine.state import States
    from gristmill.runs.quarantine.words import batch_lines, next_steps, row_lines

    repository = open_repository()
    found = repository.workload(workload)
    suite = read_suite(found.expectations, workload)  # it says what must not be shown, so nothing is shown without it
    states = States(repository, workload)
    state = states.of(states.landing.find(batch))
    page = Page(state, rows_to_show(states, found, state), suite, classes_of(found))
    path = repository.state / "quarantine" / workload / f"{state.batch}.html"
    write_text(path, render(page))
    for line in (*batch_lines(state), *row_lines(page.rows, hides_ids=page.is_personal("record_id"))):
        say(line)
    say(f"to see it: {path}")
    for typed, does in next_steps(state):
        say(f"  {typed}\n      {does}")


@app.command()
def release(workload: WorkloadArgument, batch: BatchArgument, reason: WhyOption, row: RowOption = None) -> None:
    """Let a batch in, or some of its rows, in spite of the reasons; or end a withholding or a revert."""
    _decide(workload, batch, "release", reason, row)


@app.command()
def drop(workload: WorkloadArgument, batch: BatchArgument, reason: WhyOption, row: RowOption = None) -> None:
    """Never admit a batch, or some of its rows. Nothing is deleted; a release takes it back."""
    _decide(workload, batch, "drop", reason, row)


def _decide(workload: str, batch: str, verb: Literal["release", "drop"], reason: str, rows: list[str] | None) -> None:
    from gristmill.runs.deciding import decide
    from gristmill.runs.quarantine.words import decided_lines

    repository = open_repository()
    for line in decided_lines(
        verb, workload, decide(repository, repository.workload(workload), batch, verb, reason, rows)
    ):
        say(line)
