"""Asking a real server for turns: one for the same data and code, whoever asks and however often."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flows.deployments import deploy_all, free_slots
from flows.turns import Turns, clear_unfinished
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Crashed, Failed, Pending, Running

from gristmill.runs.repository import Repository

W = "credit-risk"


class Asked:
    """A server that knows the workloads, and nobody who works on what it is asked for."""

    def __init__(self, client: SyncPrefectClient, repository: Repository) -> None:
        self.client, self.repository = client, repository
        self.ids = deploy_all(client, repository.here)
        self.said: list[str] = []
        self.code = "c" * 40
        self.turns = self.another()

    def another(self) -> Turns:
        """Somebody who asks anew and remembers nothing, as a watcher that was killed and started again."""
        return Turns(self.client, lambda: self.code, self.said.append)

    def runs(self, workload: str = W) -> list[FlowRun]:
        """All runs but those of the schedule, oldest first."""
        deployment = FlowRunFilterDeploymentId(any_=[UUID(str(self.ids[workload]))])
        found = self.client.read_flow_runs(flow_run_filter=FlowRunFilter(deployment_id=deployment))
        return sorted((run for run in found if not run.auto_scheduled), key=lambda run: str(run.created))


@pytest.fixture
def asked(repository: Repository, prefect_api: str) -> Iterator[Asked]:
    with SyncPrefectClient(prefect_api) as client:
        made = Asked(client, repository)
        yield made
        for deployment_id in made.ids.values():
            client.delete_deployment(deployment_id)


def test_the_same_data_is_asked_for_once_however_often_and_by_whomever(asked: Asked) -> None:
    for _ in range(3):
        asked.turns.ask(W, "d" * 40)
    asked.another().ask(W, "d" * 40)
    (run,) = asked.runs()
    assert run.parameters["workload"] == W and run.parameters["reason"] == "new data"
    assert asked.said == [f"{W}: asked for a turn"]


def test_a_workload_that_went_and_came_back_is_asked_for_anew(asked: Asked) -> None:
    asked.turns.ask(W, "d" * 40)
    asked.client.delete_deployment(asked.ids[W])
    asked.ids = deploy_all(asked.client, asked.repository.here)
    asked.turns.ask(W, "d" * 40)
    assert len(asked.runs()) == 1


def test_while_a_turn_is_going_on_newer_data_waits_for_its_end_and_then_has_its_own(asked: Asked) -> None:
    asked.turns.ask(W, "d" * 40)
    (first,) = asked.runs()
    asked.client.set_flow_run_state(first.id, Running(), force=True)
    asked.turns.ask(W, "e" * 40)
    assert len(asked.runs()) == 1
    asked.client.set_flow_run_state(first.id, Completed(name="Promoted"), force=True)
    asked.turns.ask(W, "e" * 40)
    assert len(asked.runs()) == 2
    assert any("the turn began" in line for line in asked.said)


def test_a_turn_that_was_killed_is_begun_again_but_not_for_ever(asked: Asked) -> None:
    for n in range(1, 4):
        asked.turns.ask(W, "d" * 40)
        assert len(asked.runs()) == n
        asked.client.set_flow_run_state(asked.runs()[-1].id, Crashed(message="killed"), force=True)
    for _ in range(2):
        asked.turns.ask(W, "d" * 40)
    assert len(asked.runs()) == 3
    told = [line for line in asked.said if "was killed 3 times" in line]
    assert len(told) == 1 and f"`gristmill run {W}` tries it again" in told[0]


def test_a_turn_that_failed_waits_for_other_data_or_other_code_and_says_so_once(asked: Asked) -> None:
    asked.turns.ask(W, "d" * 40)
    asked.client.set_flow_run_state(asked.runs()[0].id, Failed(message="ingest: no room"), force=True)
    for _ in range(3):
        asked.turns.ask(W, "d" * 40)
    assert len(asked.runs()) == 1
    assert sum("failed, and is not tried again" in line and "ingest: no room" in line for line in asked.said) == 1
    asked.code = "f" * 40
    asked.turns.ask(W, "d" * 40)
    assert len(asked.runs()) == 2


def test_what_nobody_works_on_any_more_is_ended_and_its_slots_are_given_back(asked: Asked) -> None:
    states: list[State] = [Running(), Pending()]
    for n, state in enumerate(states):
        asked.turns.ask(W if n else "mnist", str(n) * 40)
        asked.client.set_flow_run_state(asked.runs(W if n else "mnist")[0].id, state, force=True)
    assert clear_unfinished(asked.client, asked.ids, "it went down") == 2
    runs = [run for workload in (W, "mnist") for run in asked.runs(workload)]
    assert [(run.state_type, run.state and run.state.message) for run in runs] == [("CRASHED", "it went down")] * 2
    free_slots(asked.client, asked.ids)
    for deployment_id in asked.ids.values():
        limit = asked.client.read_deployment(deployment_id).global_concurrency_limit
        assert limit is not None and limit.limit == 1 and limit.active_slots == 0
    assert clear_unfinished(asked.client, {}, "nothing") == 0
