"""What only the local cloud can do: see `localcloud.plugins.what_if`."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ops.target import Target

TIMEOUT_SECONDS = 30


def judge_ahead(target: Target, alarm_names: Sequence[str], seconds: float) -> None:
    """Has the alarms judged as of so many seconds from now; 0: as of now again."""
    _ask(target, "JudgeAlarmsAhead", AlarmNames=list(alarm_names), Seconds=seconds)


def forget(target: Target, alarm: Mapping[str, Any], since: datetime) -> None:
    """What the metric of a `DescribeAlarms` alarm measured since then is gone."""
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    named = {"Namespace": alarm["Namespace"], "MetricName": alarm["MetricName"], "Dimensions": dimensions}
    _ask(target, "ForgetMetric", **named, Since=since.timestamp())


def publish_metrics(target: Target) -> None:
    """Nothing that endpoints have counted is still to come."""
    _ask(target, "PublishMetrics")


def hold_containers(target: Target, endpoint: str, seconds: float) -> None:
    """The endpoint's containers hang for so long. Returns at once."""
    _ask(target, "HoldContainers", EndpointName=endpoint, Seconds=seconds)


def kill_containers(target: Target, endpoint: str, seconds: float) -> None:
    """The endpoint's containers die so long after they are asked next. Returns at once."""
    _ask(target, "KillContainers", EndpointName=endpoint, Seconds=seconds)


def _ask(target: Target, operation: str, **request: Any) -> None:
    headers = {"X-Amz-Target": f"LocalCloud.{operation}"}
    sent = urllib.request.Request(target.endpoint_url, json.dumps(request).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(sent, timeout=TIMEOUT_SECONDS):  # noqa: S310  # nosec B310
        pass  # an answer that is not 200 raises
