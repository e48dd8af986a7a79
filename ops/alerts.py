"""What the project told people: the messages in the queue that subscribes to the alerts topic.

A queue has no way of reading without taking, so messages are taken for a moment and put back. Whoever
reads at the same moment does not see the ones taken; a reader that is killed gives them back after
`TAKEN_SECONDS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.runs import iso
from ops.target import Target

TAKEN_SECONDS = 30
BATCH = 10
"""Most messages SQS gives or takes back in one request."""
WAIT_SECONDS = 1
"""For each answer on AWS: a request that does not wait asks only some of the queue's servers."""
_FOLLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Alert:
    """One message as people got it."""

    message_id: str
    sent_at: datetime
    subject: str
    text: str

    def to_json(self) -> dict[str, str]:
        return {
            "message_id": self.message_id,
            "sent_at": iso(self.sent_at),
            "subject": self.subject,
            "text": self.text,
        }


def parse_alert(message: Mapping[str, Any]) -> Alert:
    """A `ReceiveMessage` message as an alert; one that did not come through SNS is shown as it is.

    What an event rule says has no subject, so its first line serves as one.
    """
    said = _envelope(message["Body"])
    text = _unquoted(str(said.get("Message", message["Body"])))
    subject = said.get("Subject")
    alarm = _json_object(text)
    if "AlarmName" in alarm:
        subject, text = _of_alarm(alarm)
    first, _, rest = text.partition("\n")
    return Alert(
        message_id=str(said.get("MessageId") or message["MessageId"]),
        sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
        subject=str(subject or first),
        text=text if subject else rest,
    )


def read_alerts(target: Target) -> list[Alert]:
    """Every alert the queue still has, oldest first: they stay for fourteen days."""
    sqs, url = target.client("sqs"), _queue_url(target, "alerts_queue")
    taken: dict[str, Mapping[str, Any]] = {}
    try:
        for message in _take(sqs, url, wait_seconds=WAIT_SECONDS if target.is_aws else 0):
            taken[message["MessageId"]] = message
    finally:
        _put_back(sqs, url, [message["ReceiptHandle"] for message in taken.values()])
    found = {alert.message_id: alert for alert in map(parse_alert, taken.values())}
    return sorted(found.values(), key=lambda alert: alert.sent_at)


def follow_alerts(target: Target, limit: int) -> Iterator[Alert]:
    """The newest `limit` alerts (0: all), then each new one, until the reader has had enough."""
    alerts = read_alerts(target)
    seen = {alert.message_id for alert in alerts}
    yield from newest(alerts, limit)
    while True:
        time.sleep(max(target.poll_seconds, _FOLLOW_SECONDS))
        for alert in read_alerts(target):
            if alert.message_id not in seen:
                seen.add(alert.message_id)
                yield alert


def newest(alerts: list[Alert], limit: int) -> list[Alert]:
    """The last `limit` of them, 0 for all."""
    return alerts[-limit:] if limit else alerts


def undelivered(target: Target) -> int:
    """How many messages, events and scheduled starts wait in the dead letter queue for a person."""
    answer = target.client("sqs").get_queue_attributes(
        QueueUrl=_queue_url(target, "dead_letter_queue"), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _queue_url(target: Target, name: str) -> str:
    return str(target.client("sqs").get_queue_url(QueueName=target.names[name])["QueueUrl"])


def _take(sqs: Any, url: str, wait_seconds: int) -> Iterator[Mapping[str, Any]]:
    """Messages until there is none left, or only those that have come back in the meantime."""
    seen: set[str] = set()
    while True:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=TAKEN_SECONDS,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        yield from messages
        ids = {message["MessageId"] for message in messages}
        if ids <= seen:
            return
        seen |= ids


def _put_back(sqs: Any, url: str, receipts: list[str]) -> None:
    for batch in _batches(receipts):
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
            for number, receipt in enumerate(batch)
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def _batches(items: list[str]) -> Iterable[list[str]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _unquoted(text: str) -> str:
    """EventBridge sends the lines of a rule's text each in quotes."""
    lines = text.splitlines()
    quoted = lines and all(len(line) > 1 and line[0] == line[-1] == '"' for line in lines)
    return "\n".join(line[1:-1] for line in lines) if quoted else text


def _of_alarm(said: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text of what CloudWatch says of an alarm, which is JSON: its description is for people."""
    subject = f"{said['NewStateValue']}: {said['AlarmName']}"
    description = str(said.get("AlarmDescription") or "")
    reason = f"Since {said.get('StateChangeTime')}: {said.get('NewStateReason')}"
    return subject, "\n".join([*description.splitlines(), reason])


def _envelope(body: str) -> Mapping[str, Any]:
    loaded = _json_object(body)
    return loaded if "Message" in loaded else {}


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
