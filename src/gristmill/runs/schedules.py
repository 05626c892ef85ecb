"""When the mill turns by itself, and prefect.yaml, which says so to Prefect.

params/<w>.yaml holds a workload's schedule; everything that Prefect is told follows from there by one function, for
`prefect deploy` as for `gristmill up`.
"""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload, all_workloads

WORK_POOL = "gristmill"
ENTRYPOINT = "flows/retrain.py:retrain"

_HEAD = """\
# What turns by itself, and when: made from params/<workload>.yaml by `python -m tools.deployments`, never edited by hand.
# `gristmill up` deploys it to its own server. To any other: `prefect work-pool create gristmill --type process`, then in
# this folder `prefect --no-prompt deploy --all`, and a worker that is started with GRISTMILL_REPOSITORY set to it.
"""


class ScheduleSettings(Settings):
    """When a workload turns without being asked. New data starts a turn at any time, schedule or not."""

    cron: str | None = "0 3 * * *"
    """Minute, hour, day of month, month, day of week; null: only when data lands."""
    timezone: str = Field(default="UTC")
    """In which the hours are meant, such as `Europe/Berlin`."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone; one is called like 'Europe/Berlin' or 'UTC'") from error
        return name

    @model_validator(mode="after")
    def _fires(self) -> "ScheduleSettings":
        if self.cron is not None:
            try:
                next(CronSim(self.cron, datetime(2026, 1, 1, tzinfo=ZoneInfo(self.timezone))))
            except CronSimError as error:
                why = str(error)
                raise ValueError(
                    f"the cron expression '{self.cron}' cannot be read, or never fires ({why[:1].lower()}{why[1:]}); five "
                    "fields are expected, such as '0 3 * * *' for every day at three"
                ) from error
        return self

    def next_time(self, now: datetime) -> datetime | None:
        """When the mill turns next; None without a cron expression."""
        if self.cron is None:
            return None
        return next(CronSim(self.cron, now.astimezone(ZoneInfo(self.timezone))))


def read_schedule(workload: Workload) -> ScheduleSettings:
    """A workload's schedule.

    Raises:
        SettingsError: the expression or the zone is wrong, or it never fires.
    """
    return ScheduleSettings.read(workload.params, "schedule")


def parse_schedule(path: Path, values: Any) -> ScheduleSettings:
    """The schedule of a params file that is not written yet."""
    return ScheduleSettings.parse(path, "schedule", values)


def deployments(root: Path) -> list[dict[str, Any]]:
    """What Prefect is told of each workload, as an entry of prefect.yaml: one turn at a time, and when by itself.

    Raises:
        SettingsError: a schedule cannot be.
    """
    return [deployment(workload.name, read_schedule(workload)) for workload in all_workloads(root)]


def prefect_yaml(entries: list[dict[str, Any]]) -> str:
    """The file prefect.yaml for these deployments."""
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ $GRISTMILL_REPOSITORY }}"}}]
    return _HEAD + yaml.safe_dump({"pull": pull, "deployments": entries}, sort_keys=False, width=120)


def deployment(name: str, schedule: ScheduleSettings) -> dict[str, Any]:
    """The entry of one workload."""
    return {
        "name": name,
        "entrypoint": ENTRYPOINT,
        "description": f"One turn of the mill for {name}.",
        "parameters": {"workload": name, "reason": "the schedule"},
        "enforce_parameter_schema": True,
        # A second one waits, and waits again behind the lock of the workload: data must never be lost to a full queue.
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "work_pool": {"name": WORK_POOL},
        "schedules": [{"cron": schedule.cron, "timezone": schedule.timezone}] if schedule.cron else [],
    }
