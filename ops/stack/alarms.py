"""The alarms of `terraform/*/alarms.json`: see `ops.stack.alarm_files` for what they say."""

from __future__ import annotations

from typing import Any

from ops.stack.alarm_files import SCHEDULES, THING, Alarm, alarms
from ops.stack.base import Stack


def put_alarms(stack: Stack) -> None:
    """They may be there before what they watch is: without data they are not in alarm."""
    for alarm in alarms(stack):
        put = put_composite if alarm.is_composite else put_metric
        put(stack, alarm)


def put_metric(stack: Stack, alarm: Alarm) -> None:
    settings = alarm.settings
    stack.client("cloudwatch").put_metric_alarm(
        **_common(stack, alarm),
        Namespace=settings["namespace"],
        MetricName=settings["metric"],
        Dimensions=[{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
        Period=settings["period_seconds"],
        EvaluationPeriods=alarm.periods,
        ComparisonOperator=settings["comparison"],
        Threshold=settings["threshold"],
        TreatMissingData=settings["missing"],
        **statistic(settings["statistic"]),
    )


def put_composite(stack: Stack, alarm: Alarm) -> None:
    """One that follows a schedule tells people while the schedule is on: `titanic schedule` switches both."""
    name = alarm.deployed_name
    rule = alarm.settings["rule"].replace(THING, alarm.value)
    cloudwatch = stack.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    on = found[0]["ActionsEnabled"] if found else tells_at_first(stack, alarm)
    cloudwatch.put_composite_alarm(**_common(stack, alarm), AlarmRule=rule, ActionsEnabled=on)


def tells_at_first(stack: Stack, alarm: Alarm) -> bool:
    """Whether the actions of an alarm are on when it is made."""
    states = {each.get("state_machine"): each["state"] for each in stack.read(SCHEDULES).values()}
    return not alarm.settings.get("follows_schedule") or states[alarm.thing] == "ENABLED"


def statistic(name: str) -> dict[str, str]:
    """As PutMetricAlarm takes it: a percentile is no `Statistic`."""
    return {"ExtendedStatistic" if name.startswith("p") else "Statistic": name}


def _common(stack: Stack, alarm: Alarm) -> dict[str, Any]:
    return {
        "AlarmName": alarm.deployed_name,
        "AlarmDescription": alarm.description,
        "AlarmActions": [stack.values["alerts_topic_arn"]] if alarm.tells_people else [],
        "Tags": stack.tags(),
    }
