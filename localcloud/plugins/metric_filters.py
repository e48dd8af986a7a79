"""Metric filters of log groups: lines that match become metrics. MiniStack only keeps the filters.

Registration points: `cloudwatch_logs._append_log_events`, through which every line is written, and
`_compile_filter_pattern`, so that FilterLogEvents means the same by a pattern.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from localcloud.filter_patterns import compile_pattern, select
from localcloud.plugins.embedded_metrics import Metric, record

Json = dict[str, Any]


def counted(metric_filter: Json, messages: Iterable[str]) -> Iterator[Metric]:
    """What a filter makes of some log lines: a line that does not match counts its default value."""
    matches = compile_pattern(metric_filter["filterPattern"])
    for message in messages:
        for transformation in metric_filter["metricTransformations"]:
            if matches(message):
                yield from _of_line(transformation, message)
            elif "defaultValue" in transformation:
                yield _metric(transformation, float(transformation["defaultValue"]), {})


def publish_matches(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_append_log_events`."""

    def append(stream: Json, events: list[Json]) -> Any:
        messages = [event["message"] for event in events]
        record([metric for each in _filters_of(stream) for metric in counted(each, messages)])
        return original(stream, events)

    return append


def install() -> None:
    from ministack.services import cloudwatch_logs

    cloudwatch_logs._append_log_events = publish_matches(cloudwatch_logs._append_log_events)
    cloudwatch_logs._compile_filter_pattern = compile_pattern


def _filters_of(stream: Json) -> list[Json]:
    """The filters of the group that has the stream."""
    from ministack.services import cloudwatch_logs

    def has_it(group: str) -> bool:
        streams = (
            cloudwatch_logs._log_groups[group]["streams"] if group in cloudwatch_logs._log_groups else {}
        )
        return any(each is stream for each in streams.values())

    filters = list(cloudwatch_logs._metric_filters.values())
    groups = {group for group in {each["logGroupName"] for each in filters} if has_it(group)}
    return [each for each in filters if each["logGroupName"] in groups]


def _of_line(transformation: Json, message: str) -> Iterator[Metric]:
    """One metric; none when the line lacks the field that the value or a dimension is read from."""
    document, read = _document(message), transformation["metricValue"]
    value = select(read, document) if read.startswith("$") else read
    dimensions = {name: select(path, document) for name, path in transformation.get("dimensions", {}).items()}
    if value is not None and None not in dimensions.values():
        yield _metric(transformation, float(value), {name: str(text) for name, text in dimensions.items()})


def _document(message: str) -> Json:
    """The object that a line is in JSON; for any other line one without fields."""
    try:
        document = json.loads(message)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _metric(transformation: Json, value: float, dimensions: dict[str, str]) -> Metric:
    namespace, name = transformation["metricNamespace"], transformation["metricName"]
    return Metric(namespace, name, value, transformation.get("unit", "None"), dimensions)
