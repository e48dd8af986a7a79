"""How many messages wait in queues that an alarm watches: `AWS/SQS ApproximateNumberOfMessagesVisible`.

MiniStack publishes nothing of SQS. The depth is read whenever alarms are judged, and noted when it has
changed or was noted a while ago; sending to a queue has alarms judged.

Registration points: `cloudwatch._evaluate_all_alarms`, `sqs._act_send_message`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

NAMESPACE, METRIC = "AWS/SQS", "ApproximateNumberOfMessagesVisible"
NOTED_FOR_SECONDS = 30.0
_noted: dict[str, tuple[float, int]] = {}  # when which depth was noted, by queue


def watched() -> set[str]:
    """Names of the queues whose depth some alarm watches."""
    from ministack.services import cloudwatch

    return {
        dimension["Value"]
        for alarm in cloudwatch._alarms.values()
        if (alarm.get("Namespace"), alarm.get("MetricName")) == (NAMESPACE, METRIC)
        for dimension in alarm.get("Dimensions") or []
    }


def note_depths() -> None:
    from ministack.services import cloudwatch, sqs

    names = watched()
    for url, queue in list(sqs._queues.items()):
        name = url.rpartition("/")[2]
        if name in names:
            sqs._refresh_counts(queue)
            depth, now = int(queue["attributes"]["ApproximateNumberOfMessages"]), time.time()
            at, before = _noted.get(name, (0.0, -1))
            if depth != before or now - at > NOTED_FOR_SECONDS:
                _noted[name] = now, depth
                cloudwatch.record_metric(NAMESPACE, METRIC, depth, "Count", {"QueueName": name})


def note_first(evaluate: Callable[[], None]) -> Callable[[], None]:
    """Wraps `_evaluate_all_alarms`."""

    def evaluate_all() -> None:
        note_depths()
        evaluate()

    return evaluate_all


def judge_after(send: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_act_send_message`."""

    def send_message(data: dict[str, Any], qurl: str) -> Any:
        from ministack.services import cloudwatch

        answer = send(data, qurl)
        if str(data.get("QueueUrl", qurl)).rpartition("/")[2] in watched():
            cloudwatch._evaluate_all_alarms()
        return answer

    return send_message


def install() -> None:
    from ministack.services import cloudwatch, sqs

    cloudwatch._evaluate_all_alarms = note_first(cloudwatch._evaluate_all_alarms)
    sqs._act_send_message = judge_after(sqs._act_send_message)
