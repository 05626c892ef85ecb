"""prefect.yaml is what params/ say."""

from pathlib import Path

import pytest
import yaml

from gristmill.ground.settings import SettingsError
from gristmill.ground.workload import Workload, all_workloads
from gristmill.runs.schedules import deployments, prefect_yaml, read_schedule

ROOT = Path(__file__).resolve().parent.parent


def test_prefect_yaml_is_made_of_params() -> None:
    made = prefect_yaml(deployments(ROOT))
    assert (ROOT / "prefect.yaml").read_text("utf-8") == made, "run `python -m tools.deployments`"


def test_each_workload_has_one_deployment_with_its_schedule_and_one_turn_at_a_time() -> None:
    entries = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    assert [entry["name"] for entry in entries] == [workload.name for workload in all_workloads(ROOT)]
    for entry, workload in zip(entries, all_workloads(ROOT), strict=True):
        assert entry["parameters"]["workload"] == workload.name
        assert entry["concurrency_limit"]["limit"] == 1
        assert entry["schedules"][0]["cron"] == read_schedule(workload).cron


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        ("{cron: daily}", r"'daily' cannot be read, or never fires \(wrong number of fields\); five fields"),
        ("{cron: '61 * * * *'}", r"bad minute"),
        ("{cron: '0 3 30 2 *'}", r"'0 3 30 2 \*' cannot be read, or never fires \(bad day-of-month\)"),
        ("{timezone: Mars/Olympus}", "no such time zone"),
        ("{corn: '0 3 * * *'}", "schedule.corn is not a parameter"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_sentence(tmp_path: Path, schedule: str, sentence: str) -> None:
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "w.yaml").write_text(f"schedule: {schedule}\n", "utf-8")
    with pytest.raises(SettingsError, match=sentence):
        read_schedule(Workload("w", "tabular", tmp_path))


def test_without_a_cron_expression_only_data_starts_a_turn(tmp_path: Path) -> None:
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "w.yaml").write_text("schedule: {cron: null}\n", "utf-8")
    (tmp_path / "params.yaml").write_text("workloads: {w: {kind: tabular}}\n", "utf-8")
    (tmp_path / "src" / "gristmill" / "kinds" / "tabular").mkdir(parents=True)
    (tmp_path / "src" / "gristmill" / "kinds" / "tabular" / "__init__.py").touch()
    assert deployments(tmp_path)[0]["schedules"] == []
