"""Turns that the server was asked for: at most one for the same data and code, and what a crash left is cleared.

Whoever watches asks again and again while data is waiting. The server decides: a run is made under an idempotency key, so
two askers, or one that was killed between asking and remembering, still make one.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.deployments import FLOW

_UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
_MOST_CRASHES = 3


class Turns:
    """Asks one server for turns of one repository."""

    def __init__(self, client: SyncPrefectClient, code: Callable[[], str], say: Callable[[str], None]) -> None:
        """Ask nothing yet.

        Args:
            client: of the server.
            code: the commit that a turn would run.
            say: told what came of asking, once.
        """
        self._client, self._code, self._say = client, code, say
        self._asked: dict[str, tuple[UUID, float]] = {}
        self._told: dict[str, str] = {}

    def ask(self, workload: str, data: str) -> None:
        """Ask for a turn that takes this data in; nothing happens where one is coming, or has ended for the same."""
        code = self._code()
        self._tell_start(workload)
        deployment = self._client.read_deployment_by_name(f"{FLOW}/{workload}").id
        runs = self._runs(deployment, [f"data:{data[:12]}", f"code:{code[:12]}"])
        ended = [run.state for run in runs if run.state is not None and run.state.is_final()]
        if any(not state.is_crashed() for state in ended):
            failed = next((state for state in ended if state.is_failed()), None)
            if failed is not None:
                self._once(
                    workload,
                    "the turn for its newest data failed, and is not tried again until data or code change: "
                    f"{failed.message}",
                )
            return
        if len(ended) >= _MOST_CRASHES:
            self._once(
                workload,
                f"the turn for its newest data was killed {len(ended)} times; `gristmill run {workload}` tries it again",
            )
            return
        if len(runs) > len(ended) or self._is_turning(deployment):
            return
        run = self._client.create_flow_run_from_deployment(
            deployment,
            parameters={"reason": "new data"},
            tags=[f"data:{data[:12]}", f"code:{code[:12]}"],
            idempotency_key=f"{deployment}:{data}:{code}:{len(ended)}",  # a workload may go, and come back as another
        )
        self._asked[workload] = (run.id, time.time())
        self._say(f"{workload}: asked for a turn")

    def _tell_start(self, workload: str) -> None:
        if workload not in self._asked:
            return
        run_id, asked = self._asked[workload]
        try:
            run = self._client.read_flow_run(run_id)
        except ObjectNotFound:  # its workload went for a while, and its runs with it
            del self._asked[workload]
            return
        if run.start_time is not None:
            del self._asked[workload]
            self._say(f"{workload}: the turn began {run.start_time.timestamp() - asked:.1f} s after it was asked for")

    def _runs(self, deployment: UUID, tags: list[str]) -> list[FlowRun]:
        made = FlowRunFilterDeploymentId(any_=[deployment])
        return self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(deployment_id=made, tags=FlowRunFilterTags(all_=tags))
        )

    def _is_turning(self, deployment: UUID) -> bool:
        made = FlowRunFilterDeploymentId(any_=[deployment])
        state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
        return bool(self._client.read_flow_runs(flow_run_filter=FlowRunFilter(deployment_id=made, state=state)))

    def _once(self, workload: str, sentence: str) -> None:
        if self._told.get(workload) != sentence:
            self._told[workload] = sentence
            self._say(f"{workload}: {sentence}")


def clear_unfinished(client: SyncPrefectClient, ids: dict[str, Any], why: str) -> int:
    """End the runs of these deployments that nobody can be working on any more.

    Returns:
        How many there were.
    """
    if not ids:
        return 0
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(ids.values()))),
    )
    for run in runs:
        client.set_flow_run_state(run.id, Crashed(message=why), force=True)
    return len(runs)
