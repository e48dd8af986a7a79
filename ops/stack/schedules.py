"""The schedules of `events/schedules.json`.

The file says whether a schedule is on when it is first deployed. From then on the operator says it
(`titanic schedule enable|disable`), and a later deployment leaves it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ops.stack.base import Stack

SCHEDULES = "events/schedules.json"


def put_schedules(stack: Stack) -> None:
    put_group(stack)
    for name, schedule in stack.read(SCHEDULES).items():
        put_schedule(stack, name, schedule)


def put_group(stack: Stack) -> None:
    """Schedules cannot be tagged; their group can."""
    scheduler, group = stack.client("scheduler"), stack.names["schedule_group"]
    try:
        scheduler.get_schedule_group(Name=group)
    except scheduler.exceptions.ResourceNotFoundException:
        scheduler.create_schedule_group(Name=group, Tags=stack.tags())


def put_schedule(stack: Stack, name: str, schedule: Mapping[str, Any]) -> None:
    scheduler, settings = stack.client("scheduler"), schedule_settings(stack, name, schedule)
    known = {"Name": settings["Name"], "GroupName": settings["GroupName"]}
    try:
        deployed = scheduler.get_schedule(**known)
    except scheduler.exceptions.ResourceNotFoundException:
        scheduler.create_schedule(**settings)
    else:
        scheduler.update_schedule(**settings | {"State": deployed["State"]})


def schedule_settings(stack: Stack, name: str, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """What `CreateSchedule` gets."""
    retry = schedule["retry_policy"]
    return {
        "Name": stack.names.schedule(name),
        "GroupName": stack.names["schedule_group"],
        "Description": schedule["description"],
        "ScheduleExpression": schedule["expression"],
        "ScheduleExpressionTimezone": schedule["timezone"],
        "State": schedule["state"],
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": _target_arn(stack, schedule),
            "RoleArn": stack.names.role_arn("scheduler"),
            "Input": json.dumps(schedule["input"]),
            "RetryPolicy": {
                "MaximumEventAgeInSeconds": retry["maximum_event_age_in_seconds"],
                "MaximumRetryAttempts": retry["maximum_retry_attempts"],
            },
            "DeadLetterConfig": {"Arn": stack.values["dead_letter_queue_arn"]},
        },
    }


def _target_arn(stack: Stack, schedule: Mapping[str, Any]) -> str:
    """A schedule names the `state_machine` it starts or the `function` it calls."""
    if "function" in schedule:
        return stack.function_arn(schedule["function"])
    return stack.machine_arn(schedule["state_machine"])
