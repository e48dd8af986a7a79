"""What starts on its own: the schedules of the project's group, as they are deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.errors import ScheduleNotFound
from ops.target import Target

ENABLED, DISABLED = "ENABLED", "DISABLED"


@dataclass(frozen=True)
class Schedule:
    """One schedule. `name` is short, `deployed_name` the one EventBridge Scheduler knows."""

    name: str
    deployed_name: str
    state: str
    expression: str
    timezone: str
    description: str
    target_arn: str

    @property
    def starts(self) -> str:
        """The state machine's name."""
        return self.target_arn.rpartition(":")[2]

    @property
    def overdue_alarm(self) -> str | None:
        """The alarm that says when its machine has not succeeded for too long."""
        return f"{self.starts}-overdue" if ":states:" in self.target_arn else None

    def to_json(self) -> dict[str, str]:
        return {**vars(self), "starts": self.starts}


def list_schedules(target: Target) -> list[Schedule]:
    """The project's schedules, by name."""
    group = target.names["schedule_group"]
    pages = target.client("scheduler").get_paginator("list_schedules").paginate(GroupName=group)
    names = sorted(schedule["Name"] for page in pages for schedule in page["Schedules"])
    return [_parse(target, _describe(target, name)) for name in names]


def set_state(target: Target, wanted: str, state: str) -> tuple[Schedule, bool]:
    """Switches a schedule on or off: the schedule, and whether that changed it. Raises `ScheduleNotFound`.

    Whether people are told of a machine that is overdue follows its schedule.
    """
    found = find_schedule(target, wanted)
    if found.state == state:
        return found, False
    deployed = _describe(target, found.deployed_name)
    # An update replaces the whole schedule, so all of it is sent back.
    target.client("scheduler").update_schedule(**_settable(target, deployed) | {"State": state})
    if found.overdue_alarm:
        cloudwatch = target.client("cloudwatch")
        switch = cloudwatch.enable_alarm_actions if state == ENABLED else cloudwatch.disable_alarm_actions
        switch(AlarmNames=[found.overdue_alarm])
    return _parse(target, _describe(target, found.deployed_name)), True


def find_schedule(target: Target, wanted: str) -> Schedule:
    """The one with this short or deployed name. Raises `ScheduleNotFound`, which names those there are."""
    schedules = list_schedules(target)
    for schedule in schedules:
        if wanted in (schedule.name, schedule.deployed_name):
            return schedule
    there_are = ", ".join(schedule.name for schedule in schedules) or "none"
    raise ScheduleNotFound(
        f"There is no schedule {wanted!r} in {target.label}. Those there are: {there_are}."
    )


def _describe(target: Target, deployed_name: str) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = target.client("scheduler").get_schedule(
        Name=deployed_name, GroupName=target.names["schedule_group"]
    )
    return answer


def _parse(target: Target, answer: Mapping[str, Any]) -> Schedule:
    return Schedule(
        name=answer["Name"].removeprefix(target.names.schedule("")),
        deployed_name=answer["Name"],
        state=answer["State"],
        expression=answer["ScheduleExpression"],
        timezone=answer.get("ScheduleExpressionTimezone", "UTC"),
        description=answer.get("Description", ""),
        target_arn=answer["Target"]["Arn"],
    )


def _settable(target: Target, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What of a `GetSchedule` answer `UpdateSchedule` takes."""
    operation = target.client("scheduler").meta.service_model.operation_model("UpdateSchedule")
    members = operation.input_shape.members
    return {key: value for key, value in answer.items() if key in members and value is not None}
