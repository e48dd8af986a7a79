"""One drill from beginning to end.

On the local cloud a drill breaks something for real, so the alarm that turns red is the deployed one, judged
on what was measured. Afterwards the cloud forgets what the drill had it measure: the alarm is green again.

On AWS nothing is broken: there a drill only sets the alarm's state, which tests the way from the alarm to the
people and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.alerts import Alert, read_alerts
from ops.drills import what_if
from ops.drills.catalogue import RED, Watch, deployed_alarms
from ops.drills.provoke import Drill, way_of
from ops.errors import DrillFailed, DrillImpossible
from ops.runs import iso
from ops.target import Target

PATIENCE_SECONDS = 60.0
ON_AWS_SECONDS = 300.0  # a message takes its way through SNS and SQS

Report = Callable[[str], None]


@dataclass(frozen=True)
class Drilled:
    """What came of a drill. `alert` is None where nobody is told, which `told` explains."""

    watch: Watch
    done: str
    started_at: datetime
    red_after: float
    reason: str
    told: str
    alert: Alert | None

    def to_json(self) -> dict[str, Any]:
        return {
            "alarm": self.watch.alarm.name,
            "deployed_name": self.watch.alarm.deployed_name,
            "done": self.done,
            "started_at": iso(self.started_at),
            "red_after_seconds": round(self.red_after, 1),
            "reason": self.reason,
            "told": self.told,
            "alert": self.alert.to_json() if self.alert else None,
        }


def drill(target: Target, watch: Watch, report: Report) -> Drilled:
    """Provokes the alarm. Raises `DrillImpossible`, `DrillFailed`; puts things in order however it ends."""
    if target.is_aws:
        raise DrillImpossible(
            f"{target.label} is no place to break things. `--set-state` sets the alarm's state instead, "
            "which shows what people would get."
        )
    _refuse_red(watch)
    before = _red(deployed_alarms(target))
    started = datetime.now(UTC)
    with ExitStack() as order:
        order.callback(_forget, target, before, started)
        scene = Drill(target, watch, order, report)
        done = way_of(watch)(scene)
        return _watch_it(target, watch, started, done, scene.told_as)


def set_state(target: Target, watch: Watch, report: Report) -> Drilled:
    """Says that the alarm is red, and then that it is not."""
    _refuse_red(watch)
    cloudwatch, name = target.client("cloudwatch"), watch.alarm.deployed_name
    started = datetime.now(UTC)
    report("setting its state")
    who = target.identity["Arn"]
    reason = f"A drill of {who}: the state was set by hand, nothing is wrong"
    with ExitStack() as order:
        over = {"AlarmName": name, "StateValue": "OK", "StateReason": "The drill is over"}
        order.callback(lambda: cloudwatch.set_alarm_state(**over))
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=RED, StateReason=reason)
        return _watch_it(target, watch, started, "The alarm's state was set by hand.", None)


def wait_for(condition: Callable[[], Any], target: Target, seconds: float) -> Any:
    """What the condition gives as soon as it gives something, or nothing after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(target.poll_seconds)
    return found


def _watch_it(target: Target, watch: Watch, started: datetime, done: str, told_as: str | None) -> Drilled:
    name = watch.alarm.deployed_name
    patience = ON_AWS_SECONDS if target.is_aws else PATIENCE_SECONDS

    def red() -> dict[str, Any] | None:
        found = deployed_alarms(target)[name]
        return found if found["StateValue"] == RED else None

    found = wait_for(red, target, patience)
    if not found:
        raise DrillFailed(f"Alarm {watch.alarm.name} stayed {watch.state}, though this was done: {done}")
    after = (datetime.now(UTC) - started).total_seconds()
    alert, told = _hear(target, watch, started, told_as, patience)
    return Drilled(watch, done, started, after, found.get("StateReason", ""), told, alert)


def _hear(
    target: Target, watch: Watch, started: datetime, told_as: str | None, patience: float
) -> tuple[Alert | None, str]:
    """The alert that came of it, and who sent it. Raises `DrillFailed` when none came that should."""
    name = watch.alarm.deployed_name
    if watch.alarm.tells_people:
        return _alert(target, started, f"ALARM: {name}", patience), "the alarm tells people"
    if told_as:
        return _alert(target, started, told_as, patience), "the alarm counts; this message tells people"
    return None, "the alarm counts: what it watches is told by the run that it happens to"


def _alert(target: Target, started: datetime, words: str, patience: float) -> Alert:
    def came() -> Alert | None:
        new = (alert for alert in read_alerts(target) if alert.sent_at >= started)
        return next((alert for alert in new if words in f"{alert.subject}\n{alert.text}"), None)

    alert = wait_for(came, target, patience)
    if not alert:
        raise DrillFailed(
            f"No alert came that says {words!r}. The topic {target.names['alerts_topic']} and the queue of "
            "the same name stand between an alarm and the people."
        )
    found: Alert = alert
    return found


def _refuse_red(watch: Watch) -> None:
    if watch.state == RED:
        reason = watch.deployed.get("StateReason", "")
        raise DrillImpossible(
            f"Alarm {watch.alarm.name} is red already, and not by a drill: {reason}. See to that first."
        )


def _red(deployed: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, alarm in deployed.items() if alarm["StateValue"] == RED}


def _forget(target: Target, before: Iterable[str], started: datetime) -> None:
    """Whatever else the drill turned red is green again, too."""
    what_if.publish_metrics(target)
    known, deployed = set(before), deployed_alarms(target)
    for name in _red(deployed) - known:
        if "MetricName" in deployed[name]:
            what_if.forget(target, deployed[name], started)
