"""One turn of the mill for one workload: what every schedule, event and person starts."""

import logging
from collections.abc import Callable
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from prefect.tasks import Task

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.ground.pipeline import STAGES
from gristmill.runs.accounting import check_every_row_has_a_status
from gristmill.runs.deployment import deploy_champion
from gristmill.runs.record import record_run
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import Workspace, workspace


class OurErrorsAreSentences(logging.Filter):
    """An error that a person can mend is said in its sentence; a traceback would only hide it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the traceback of our own errors, and the line that repeats the fault once more."""
        if record.levelno >= logging.ERROR and str(record.msg).startswith("Finished in state"):
            return False
        if record.exc_info and isinstance(record.exc_info[1], GristmillError):
            record.msg, record.args, record.exc_info = str(record.exc_info[1]), (), None
        return True


_SENTENCES = OurErrorsAreSentences()


def is_transient(_task: "Task[..., object]", _run: TaskRun, state: State) -> bool:
    """Only what may pass by itself is worth another try: neither a stage's fault nor a verdict is."""
    return isinstance(state.result(raise_on_failure=False), OSError)


# DVC owns "up to date", so Prefect caches nothing: a task is one DVC stage plus a policy.
@task(
    task_run_name="{name}@{workload}",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
)
def stage(run: Callable[[str, Callable[[str], None]], None], name: str, workload: str) -> None:
    """Run one stage of dvc.yaml, its lines in the task's log."""
    run(name, get_run_logger().info)


@flow(name="retrain", flow_run_name="{workload}", validate_parameters=True)
def retrain(workload: str, reason: str = "a person asked", code: str = "HEAD", repository: str = ".") -> State:
    """Turn the mill once for one workload, in a workspace of its own.

    Args:
        workload: its name in params.yaml.
        reason: why; it stands in the history.
        code: the commit whose code runs.
        repository: a folder of the repository.

    Returns:
        A completed state named Promoted, Held, Rejected or Unchanged, whose message is the verdict's sentence.
    """
    for logger in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(logger).addFilter(_SENTENCES)
    say, repo = get_run_logger().info, Repository(Path(repository))
    with workspace(repo, workload, code, say) as ws:
        if is_idle := not ws.stale_stages():
            say("nothing new since the last turn")
        else:
            for name in STAGES:
                stage(ws.run_stage, name, workload)
            say("%d rows, each with one status", check_every_row_has_a_status(ws.workload, repo.memos))
        outcome = record_run(ws, reason, repo.git.actor())  # also of an idle turn: a promotion may have waited for it
        if not is_idle:
            publish(ws)
        if ws.newer_data():
            say("data has landed since this turn began; `gristmill run %s` takes it in", workload)
    deploy_champion(repo, workload, say)
    return Completed(name=outcome.name, message=outcome.summary)


def publish(ws: Workspace) -> None:
    """Show the gate's decision in Prefect's pages."""
    gate = read_json(ws.workload.reports / "gate.json")
    rows = "\n".join(f"| {check['name']} | {check['outcome']} | {check['sentence']} |" for check in gate["checks"])
    text = f"# {gate['verdict']}\n\n{gate['sentence']}\n\n| check | outcome | why |\n|---|---|---|\n{rows}\n"
    create_markdown_artifact(text, key=f"{ws.workload.name}-gate", description=gate["verdict"])
