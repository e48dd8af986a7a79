"""The topic that people subscribe to, the queue that keeps what was said, and the one of what got lost."""

from __future__ import annotations

import json
from typing import Any

from ops.stack.base import Stack

RETENTION_SECONDS = "1209600"  # fourteen days, the longest SQS offers


def put_alerts(stack: Stack) -> None:
    put_topic(stack)
    put_dead_letters(stack)
    put_alerts_queue(stack)


def put_topic(stack: Stack) -> None:
    """Rules and alarms may publish through the topic's own policy; the project's roles have theirs."""
    sns = stack.client("sns")
    topic = sns.create_topic(Name=stack.names["alerts_topic"], Tags=stack.tags())["TopicArn"]
    alarms = stack.names.arn("cloudwatch", f"alarm:{stack.names.project}-{stack.names.env}-*")
    statements = [
        _may_publish("cloudwatch.amazonaws.com", topic, alarms),
        _may_publish("events.amazonaws.com", topic, _any_rule(stack)),
    ]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=_policy(statements))


def put_dead_letters(stack: Stack) -> None:
    """Where a rule, a schedule or a topic leaves what its target would not take."""
    queue, topic = stack.values["dead_letter_queue_arn"], stack.values["alerts_topic_arn"]
    statements = [
        _may_send("events.amazonaws.com", queue, "ArnLike", _any_rule(stack)),
        _may_send("sns.amazonaws.com", queue, "ArnEquals", topic),
    ]
    _put_queue(stack, stack.names["dead_letter_queue"], statements)


def put_alerts_queue(stack: Stack) -> None:
    """A subscriber that keeps every alert, so that `titanic alerts` can show them."""
    name, topic = stack.names["alerts_queue"], stack.values["alerts_topic_arn"]
    queue = stack.names.arn("sqs", name)
    _put_queue(stack, name, [_may_send("sns.amazonaws.com", queue, "ArnEquals", topic)])
    sns = stack.client("sns")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True)
    redrive = {"deadLetterTargetArn": stack.values["dead_letter_queue_arn"]}
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="RedrivePolicy",
        AttributeValue=json.dumps(redrive),
    )


def _put_queue(stack: Stack, name: str, statements: list[dict[str, Any]]) -> None:
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName=name, tags=stack.names.tags())["QueueUrl"]
    attributes = {"MessageRetentionPeriod": RETENTION_SECONDS, "Policy": _policy(statements)}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def _may_publish(service: str, topic_arn: str, sources: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        "Condition": {"ArnLike": {"aws:SourceArn": sources}},
    }


def _may_send(service: str, queue_arn: str, operator: str, source: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {operator: {"aws:SourceArn": source}},
    }


def _any_rule(stack: Stack) -> str:
    return stack.names.arn("events", f"rule/{stack.names.rule('*')}")


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
