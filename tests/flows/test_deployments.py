"""What a real server is told of each workload: what prefect.yaml says, and what keeps a flow from outliving its worker."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from flows.deployments import deploy_all
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from gristmill.ground.settings import SettingsError
from gristmill.runs.repository import Repository
from gristmill.runs.schedules import WORK_POOL


def test_the_server_knows_what_prefect_yaml_says(repository: Repository, prefect_api: str) -> None:
    written = yaml.safe_load((repository.here / "prefect.yaml").read_text("utf-8"))["deployments"]
    with SyncPrefectClient(prefect_api) as client:
        ids = deploy_all(client, repository.here)
        assert deploy_all(client, repository.here) == ids, "told again, it stays the same deployment"
        for entry in written:
            known = client.read_deployment(ids[entry["name"]])
            (schedule,) = known.schedules
            limit: Any = known.global_concurrency_limit
            assert {
                "cron": getattr(schedule.schedule, "cron", None),
                "timezone": getattr(schedule.schedule, "timezone", None),
            } == entry["schedules"][0]
            assert known.entrypoint == entry["entrypoint"] and known.work_pool_name == WORK_POOL
            assert limit.limit == entry["concurrency_limit"]["limit"] == 1
            assert known.parameters == {**entry["parameters"], "repository": str(repository.here)}
            assert "setpriv --pdeathsig" in known.job_variables["command"]


def test_a_workload_that_is_no_more_does_not_turn_any_longer(repository: Repository, prefect_api: str) -> None:
    with SyncPrefectClient(prefect_api) as client:
        before = deploy_all(client, repository.here)
        values = yaml.safe_load((repository.here / "params.yaml").read_text("utf-8"))
        del values["workloads"]["mnist"]
        (repository.here / "params.yaml").write_text(yaml.safe_dump(values), "utf-8")
        assert set(deploy_all(client, repository.here)) == set(before) - {"mnist"}
        with pytest.raises(ObjectNotFound):
            client.read_deployment(before["mnist"])


def test_a_schedule_that_cannot_be_is_told_before_anything_is_changed(
    repository: Repository, prefect_api: str, tmp_path: Path
) -> None:
    params = repository.here / "params" / "mnist.yaml"
    params.write_text(params.read_text("utf-8").replace("0 4 * * *", "0 4 31 2 *"), "utf-8")
    with SyncPrefectClient(prefect_api) as client, pytest.raises(SettingsError, match="never fires"):
        deploy_all(client, repository.here)
