"""The depth of a queue that an alarm watches."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from typing import Any

Clients = Callable[[str], Any]


def state_of(aws: Clients, name: str) -> str:
    [found] = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def test_a_message_that_waits_turns_the_alarm_on_its_queue(aws: Clients) -> None:
    name = f"queue-{uuid.uuid4().hex[:8]}"
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    aws("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": name}],
        Statistic="Maximum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    assert state_of(aws, name) == "OK"
    aws("sqs").send_message(QueueUrl=url, MessageBody="not delivered")
    assert state_of(aws, name) == "ALARM"


def test_a_queue_that_no_alarm_watches_has_no_metric(aws: Clients) -> None:
    name = f"queue-{uuid.uuid4().hex[:8]}"
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    aws("sqs").send_message(QueueUrl=url, MessageBody="hello")
    aws("cloudwatch").describe_alarms()
    listed = aws("cloudwatch").list_metrics(Namespace="AWS/SQS")["Metrics"]
    assert [each for each in listed if {"Name": "QueueName", "Value": name} in each["Dimensions"]] == []


def test_ministack_counts_what_waits_where_it_is_asked() -> None:
    from ministack.services import sqs

    assert list(inspect.signature(sqs._refresh_counts).parameters) == ["q"]
    assert list(inspect.signature(sqs._act_send_message).parameters) == ["data", "qurl"]
