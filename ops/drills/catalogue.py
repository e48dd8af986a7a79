"""Which alarms there are, what state they are in, and how a drill provokes each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ops.errors import NotDeployed, UsageError
from ops.stack.alarm_files import THING, Alarm, alarms
from ops.stack.base import Stack
from ops.target import Target

RED = "ALARM"


@dataclass(frozen=True)
class Watch:
    """An alarm as its file describes it and as it is now. `parts` are what a composite one is made of."""

    alarm: Alarm
    deployed: dict[str, Any]
    parts: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        return str(self.deployed["StateValue"])

    def to_json(self) -> dict[str, Any]:
        return {
            "alarm": self.alarm.name,
            "deployed_name": self.alarm.deployed_name,
            "state": self.state,
            "reason": self.deployed.get("StateReason"),
            "tells_people": self.alarm.tells_people and self.deployed["ActionsEnabled"],
            "description": self.alarm.settings["description"],
        }


def stack_of(target: Target) -> Stack:
    """The files, rendered for the target's environment."""
    return Stack(target.session, target.names)


def list_watches(target: Target) -> list[Watch]:
    """The alarms that stand for themselves, by name; not those that others are made of."""
    described = alarms(stack_of(target))
    deployed = deployed_alarms(target)
    composites = [alarm for alarm in described if alarm.is_composite]
    parts = {alarm.name: _parts(alarm, described) for alarm in composites}
    hidden = {name for names in parts.values() for name in names}
    shown = [alarm for alarm in described if alarm.deployed_name not in hidden]
    missing = [alarm.name for alarm in shown if alarm.deployed_name not in deployed]
    if missing:
        raise NotDeployed(
            f"{len(missing)} alarms are not in {target.label}, {missing[0]} among them: `titanic up` deploys "
            "them to the local cloud, Terraform's stages 04 and 06 to AWS."
        )
    watches = [Watch(alarm, deployed[alarm.deployed_name], parts.get(alarm.name, ())) for alarm in shown]
    return sorted(watches, key=lambda watch: watch.alarm.name)


def find_watch(target: Target, wanted: str) -> Watch:
    """The one with this short or deployed name. Raises `UsageError`."""
    watches = list_watches(target)
    for watch in watches:
        if wanted in (watch.alarm.name, watch.alarm.deployed_name):
            return watch
        if any(part in (wanted, f"{_prefix(watch)}{wanted}") for part in watch.parts):
            raise UsageError(f"Alarm {wanted} is a part of {watch.alarm.name}: drill that.")
    raise UsageError(f"There is no alarm {wanted!r}. `titanic drill --list` shows those there are.")


def deployed_alarms(target: Target) -> dict[str, dict[str, Any]]:
    """What CloudWatch says of the environment's alarms, by name."""
    pages = target.client("cloudwatch").get_paginator("describe_alarms")
    asked = {
        "AlarmNamePrefix": f"{target.names.project}-{target.env}-",
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
    }
    return {
        alarm["AlarmName"]: alarm
        for page in pages.paginate(**asked)
        for alarm in [*page["MetricAlarms"], *page["CompositeAlarms"]]
    }


def _parts(composite: Alarm, described: list[Alarm]) -> tuple[str, ...]:
    rule = composite.settings["rule"].replace(THING, composite.value)
    return tuple(each.deployed_name for each in described if f'"{each.deployed_name}"' in rule)


def _prefix(watch: Watch) -> str:
    return watch.alarm.deployed_name.removesuffix(watch.alarm.name)
