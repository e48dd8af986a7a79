"""What drills ask of the local cloud: a look ahead, and to forget."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest

Clients = Callable[[str], Any]
Ask = Callable[..., Any]


@pytest.fixture
def ask(aws: Clients) -> Ask:
    def call(operation: str, **request: Any) -> Any:
        url = aws("sts").meta.endpoint_url
        headers = {"X-Amz-Target": f"LocalCloud.{operation}"}
        sent = urllib.request.Request(url, json.dumps(request).encode(), headers)  # noqa: S310
        with urllib.request.urlopen(sent) as answer:  # noqa: S310
            return json.load(answer)

    return call


@pytest.fixture
def heartbeat(aws: Clients) -> str:
    """An alarm that is red when nothing has beaten for an hour."""
    name = f"heartbeat-{uuid.uuid4().hex[:8]}"
    aws("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="WhatIf",
        MetricName=name,
        Dimensions=[{"Name": "Of", "Value": "it"}],
        Statistic="Sum",
        Period=3600,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    datum = {"MetricName": name, "Dimensions": [{"Name": "Of", "Value": "it"}], "Value": 1.0}
    aws("cloudwatch").put_metric_data(Namespace="WhatIf", MetricData=[datum])
    return name


def state_of(aws: Clients, name: str) -> str:
    [found] = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def test_an_alarm_is_judged_as_of_later_and_then_as_of_now(aws: Clients, ask: Ask, heartbeat: str) -> None:
    assert state_of(aws, heartbeat) == "OK"
    ask("JudgeAlarmsAhead", AlarmNames=[heartbeat], Seconds=7200)
    assert state_of(aws, heartbeat) == "ALARM"
    ask("JudgeAlarmsAhead", AlarmNames=[heartbeat], Seconds=0)
    assert state_of(aws, heartbeat) == "OK"


def test_what_was_measured_since_is_forgotten(aws: Clients, ask: Ask, heartbeat: str) -> None:
    named = {"Namespace": "WhatIf", "MetricName": heartbeat, "Dimensions": {"Of": "it"}}
    assert ask("ForgetMetric", **named, Since=time.time() + 60) == {"Forgotten": 0}
    assert state_of(aws, heartbeat) == "OK"
    assert ask("ForgetMetric", **named, Since=0) == {"Forgotten": 1}
    assert state_of(aws, heartbeat) == "ALARM"


def test_other_requests_are_refused(ask: Ask) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask("StopTheWorld")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask("ForgetMetric", Namespace="WhatIf")
