"""CloudWatch's embedded metric format: a log line that carries metrics becomes metrics, as Logs does on AWS.

Registration point: `cloudwatch_logs._append_log_events`, through which Lambda's logs are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]


class Metric(NamedTuple):
    """One value of one metric under one set of dimensions."""

    namespace: str
    name: str
    value: float
    unit: str
    dimensions: dict[str, str]


def metrics_in(message: str) -> Iterator[Metric]:
    """The metrics of a log line; none for a line that is not in the format."""
    if '"_aws"' not in message or not message.lstrip().startswith("{"):
        return
    try:
        document = json.loads(message)
    except json.JSONDecodeError:
        return
    for directive in document["_aws"].get("CloudWatchMetrics", []):
        yield from _of_directive(directive, document)


def _of_directive(directive: Json, document: Json) -> Iterator[Metric]:
    for names in directive.get("Dimensions") or [[]]:
        dimensions = {name: str(document[name]) for name in names}
        for metric in directive["Metrics"]:
            values = document[metric["Name"]]
            for value in values if isinstance(values, list) else [values]:
                unit = metric.get("Unit", "None")
                yield Metric(directive["Namespace"], metric["Name"], float(value), unit, dimensions)


def record(found: list[Metric]) -> None:
    """Puts metrics that log lines gave, and has the alarms look at them at once."""
    from ministack.services import cloudwatch

    for metric in found:
        cloudwatch.record_metric(*metric)
    if found:
        cloudwatch._evaluate_all_alarms()


def publish_metrics(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_append_log_events`."""

    def append(stream: Json, events: list[Json]) -> Any:
        record([metric for event in events for metric in metrics_in(event["message"])])
        return original(stream, events)

    return append


def install() -> None:
    from ministack.services import cloudwatch_logs

    cloudwatch_logs._append_log_events = publish_metrics(cloudwatch_logs._append_log_events)
