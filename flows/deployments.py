"""What prefect.yaml says, told to a server through its API: one deployment for each workload, in a second instead of twenty.

`prefect deploy` imports much and asks questions; what it writes in the end is what is written here.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, GlobalConcurrencyLimitUpdate, WorkPoolCreate
from prefect.client.schemas.filters import FlowFilter, FlowFilterId
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from gristmill.ground.lifetime import dying_with_caller
from gristmill.runs.schedules import WORK_POOL, deployments

FLOW = "retrain"


def deploy_all(client: SyncPrefectClient, root: Path) -> dict[str, Any]:
    """Tell the server of every workload, anew.

    Args:
        client: of the server.
        root: of the working tree, in which flows run.

    Returns:
        The deployments' ids by workload.

    Raises:
        SettingsError: a schedule cannot be.
    """
    entries = deployments(root)
    try:
        client.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", base_job_template=template))
    flow_id = client.create_flow_from_name(FLOW)
    ids = {entry["name"]: _deploy(client, flow_id, entry, root) for entry in entries}
    for deployment in client.read_deployments(flow_filter=FlowFilter(id=FlowFilterId(any_=[flow_id]))):
        if deployment.name not in ids:  # a workload that is no more would turn by its schedule for ever
            client.delete_deployment(deployment.id)
    return ids


def _deploy(client: SyncPrefectClient, flow_id: Any, entry: dict[str, Any], root: Path) -> Any:
    schedules = [
        DeploymentScheduleCreate(schedule=CronSchedule(cron=one["cron"], timezone=one["timezone"]), active=True)
        for one in entry["schedules"]
    ]
    return client.create_deployment(
        flow_id=flow_id,
        name=entry["name"],
        schedules=schedules,
        concurrency_limit=entry["concurrency_limit"]["limit"],
        concurrency_options=ConcurrencyOptions(collision_strategy=entry["concurrency_limit"]["collision_strategy"]),
        parameters={**entry["parameters"], "repository": str(root)},
        description=entry["description"],
        work_pool_name=WORK_POOL,
        entrypoint=entry["entrypoint"],
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}],
        enforce_parameter_schema=False,  # the schema is the flow's own, and importing the flow costs two seconds
        job_variables={
            # The flow's process must not outlive the worker: it would go on unseen beside its own successor.
            "command": shlex.join([*dying_with_caller(), sys.executable, "-m", "prefect.engine"]),
            "working_dir": str(root),
        },
    )


def free_slots(client: SyncPrefectClient, ids: dict[str, Any]) -> None:
    """Give back the slots that runs held which are no more."""
    for deployment_id in ids.values():
        limit = client.read_deployment(deployment_id).global_concurrency_limit
        if limit is not None and limit.active_slots:
            client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=0))
