"""The alarms that take an update of prod back: those of `terraform/04_serving/alarms.json`."""

from __future__ import annotations

from ops.stack.base import Stack

ALARMS = "terraform/04_serving/alarms.json"


def put_alarms(stack: Stack) -> None:
    """They may be there before the endpoint is: without data they are not in alarm."""
    topic = stack.values["alerts_topic_arn"]
    for name, alarm in stack.render(ALARMS).items():
        stack.client("cloudwatch").put_metric_alarm(
            AlarmName=stack.names[f"{name}_alarm"],
            AlarmDescription=alarm["description"],
            Namespace=alarm["namespace"],
            MetricName=alarm["metric"],
            Dimensions=[{"Name": key, "Value": value} for key, value in alarm["dimensions"].items()],
            Statistic=alarm["statistic"],
            Period=alarm["period_seconds"],
            EvaluationPeriods=alarm["periods"],
            ComparisonOperator=alarm["comparison"],
            Threshold=alarm["threshold"],
            TreatMissingData=alarm["missing"],
            AlarmActions=[topic] if alarm["tells_people"] else [],
            Tags=stack.tags(),
        )
