"""Metric filters make metrics of log lines, as CloudWatch Logs does."""

from __future__ import annotations

import inspect
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.plugins.embedded_metrics import Metric
from localcloud.plugins.metric_filters import counted

Clients = Callable[[str], Any]


def metric_filter(pattern: str = "ERROR", **transformation: Any) -> dict[str, Any]:
    made = {"metricName": "Errors", "metricNamespace": "Probe", "metricValue": "1", **transformation}
    return {"filterPattern": pattern, "metricTransformations": [made]}


def test_a_line_that_matches_counts() -> None:
    assert list(counted(metric_filter(), ["ERROR a", "fine"])) == [Metric("Probe", "Errors", 1.0, "None", {})]


def test_a_line_that_does_not_match_counts_the_default() -> None:
    found = counted(metric_filter(defaultValue=0), ["ERROR a", "fine"])
    assert [metric.value for metric in found] == [1.0, 0.0]


def test_value_and_dimensions_are_read_from_the_line() -> None:
    read = metric_filter("{ $.rows = * }", metricValue="$.rows", dimensions={"error": "$.error"})
    lines = [json.dumps({"rows": 7, "error": "TooFew"}), json.dumps({"rows": 8})]
    assert list(counted(read, lines)) == [Metric("Probe", "Errors", 7.0, "None", {"error": "TooFew"})]


@pytest.mark.parametrize("line", ["{ERROR", '["ERROR"]', "ERROR"])
def test_a_line_that_is_no_object_counts_but_has_no_fields(line: str) -> None:
    assert len(list(counted(metric_filter(), [line]))) == 1
    assert not list(counted(metric_filter(metricValue="$.rows"), [line]))


def test_what_a_group_is_told_becomes_a_metric(aws: Clients) -> None:
    logs, group, metric = aws("logs"), f"/probe/{uuid.uuid4().hex}", uuid.uuid4().hex
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    logs.put_metric_filter(
        logGroupName=group,
        filterName="errors",
        filterPattern='{ $.level = "ERROR" }',
        metricTransformations=[{"metricName": metric, "metricNamespace": "Filtered", "metricValue": "1"}],
    )
    events = [{"timestamp": 1, "message": json.dumps({"level": level})} for level in ("ERROR", "INFO")]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    assert [
        each["MetricName"] for each in aws("cloudwatch").list_metrics(Namespace="Filtered")["Metrics"]
    ] == [metric]


def test_filtering_lines_means_the_same_by_a_pattern(aws: Clients) -> None:
    logs, group = aws("logs"), f"/probe/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    events = [{"timestamp": 1, "message": json.dumps({"level": level})} for level in ("ERROR", "INFO")]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    found = logs.filter_log_events(logGroupName=group, filterPattern='{ $.level = "ERROR" }')["events"]
    assert [event["message"] for event in found] == ['{"level": "ERROR"}']


def test_ministack_has_the_functions_that_are_wrapped() -> None:
    from ministack.services import cloudwatch_logs

    assert list(inspect.signature(cloudwatch_logs._compile_filter_pattern).parameters) == ["raw"]
    assert "metric_filters" in cloudwatch_logs.get_state()
