from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.plugins.embedded_metrics import Metric, metrics_in

LINE: dict[str, Any] = {
    "_aws": {
        "Timestamp": 1,
        "CloudWatchMetrics": [
            {
                "Namespace": "Probe",
                "Dimensions": [["stage"]],
                "Metrics": [{"Name": "Duration", "Unit": "Seconds"}, {"Name": "Rows"}],
            }
        ],
    },
    "stage": "prepare",
    "Duration": [1.5, 2],
    "Rows": 7,
}


def test_reads_every_value_of_every_metric() -> None:
    stage = {"stage": "prepare"}
    assert list(metrics_in(json.dumps(LINE))) == [
        Metric("Probe", "Duration", 1.5, "Seconds", stage),
        Metric("Probe", "Duration", 2.0, "Seconds", stage),
        Metric("Probe", "Rows", 7.0, "None", stage),
    ]


@pytest.mark.parametrize("line", ["hello", '{not json with "_aws"', '{"message": "plain"}', ""])
def test_a_line_in_another_format_has_none(line: str) -> None:
    assert list(metrics_in(line)) == []


def test_what_a_function_logs_can_be_read_as_a_metric(
    aws: Callable[[str], Any], deploy_function: Callable[..., str]
) -> None:
    name = deploy_function(f"def handler(event, context): print({json.dumps(LINE)!r})")
    aws("lambda").invoke(FunctionName=name)
    listed = aws("cloudwatch").list_metrics(Namespace="Probe")["Metrics"]
    assert {metric["MetricName"] for metric in listed} == {"Duration", "Rows"}
    assert listed[0]["Dimensions"] == [{"Name": "stage", "Value": "prepare"}]
