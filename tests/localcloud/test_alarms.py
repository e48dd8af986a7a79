"""Metric alarms are judged as CloudWatch judges them."""

from __future__ import annotations

import http.client
import inspect
import time
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

import botocore.parsers
import botocore.session
import pytest

from localcloud.plugins.alarms import verdict

Clients = Callable[[str], Any]
NOW = 1_000_000.0


def alarm(**more: Any) -> dict[str, Any]:
    return {
        "AlarmName": "a",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "StateValue": "INSUFFICIENT_DATA",
        **more,
    }


def state(points: dict[float, float], **more: Any) -> str:
    """The verdict on values by their age in seconds."""
    given = [{"Timestamp": NOW - age, "Value": value} for age, value in points.items()]
    return verdict(alarm(**more), given, NOW)[0]


def test_a_breach_is_an_alarm() -> None:
    assert state({5: 1}) == "ALARM"
    assert state({5: 0}) == "OK"
    assert state({5: 1}, ComparisonOperator="GreaterThanThreshold") == "OK"
    assert state({5: 0}, ComparisonOperator="LessThanThreshold") == "ALARM"
    assert state({5: 1}, ComparisonOperator="LessThanOrEqualToThreshold") == "ALARM"


def test_statistics_are_those_of_a_period() -> None:
    values = {1: 0.0, 2: 0.0, 3: 0.0, 4: 1.0}
    assert state(values, Statistic="Average") == "OK"
    assert state(values, Statistic="Maximum") == "ALARM"
    assert state(values, Statistic="", ExtendedStatistic="p50") == "OK"


def test_each_period_is_judged_by_itself() -> None:
    halves = {5: 0.6, 65: 0.6}  # breaching together, not alone
    assert state(halves, EvaluationPeriods=2) == "OK"
    assert state({5: 1, 65: 0}, EvaluationPeriods=2) == "OK"
    assert state({5: 1, 65: 1}, EvaluationPeriods=2) == "ALARM"


def test_m_of_n_periods_suffice() -> None:
    points = {5: 0, 65: 1, 125: 1}
    assert state(points, EvaluationPeriods=3) == "OK"
    assert state(points, EvaluationPeriods=3, DatapointsToAlarm=2) == "ALARM"


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [("missing", "INSUFFICIENT_DATA"), ("notBreaching", "OK"), ("breaching", "ALARM"), ("ignore", "ALARM")],
)
def test_silence_means_what_the_alarm_says(treatment: str, expected: str) -> None:
    assert state({70: 1}, TreatMissingData=treatment, StateValue="ALARM") == expected


@pytest.mark.parametrize(("treatment", "expected"), [("missing", "ALARM"), ("notBreaching", "OK")])
def test_a_period_without_data_among_others(treatment: str, expected: str) -> None:
    assert state({5: 1}, EvaluationPeriods=2, TreatMissingData=treatment) == expected


def test_the_reason_says_how_many_periods_breached() -> None:
    _state, reason = verdict(alarm(), [{"Timestamp": NOW - 1, "Value": 2.0}], NOW)
    assert reason == "Threshold Crossed: 1 of the last 1 periods were GreaterThanOrEqualToThreshold 1.0"


def test_ministack_has_the_functions_that_are_wrapped() -> None:
    from ministack.services import cloudwatch

    handler = ["params", "cbor_data", "is_cbor", "is_json"]
    assert list(inspect.signature(cloudwatch._evaluate_alarm).parameters) == ["alarm"]
    assert list(inspect.signature(cloudwatch._describe_alarms).parameters) == handler
    assert list(inspect.signature(cloudwatch._set_alarm_state).parameters) == handler
    assert list(inspect.signature(cloudwatch._put_metric_data).parameters) == handler
    assert cloudwatch._dims_key({"b": "2", "a": "1"}) == "a=1|b=2"


@pytest.fixture
def watched(aws: Clients) -> Callable[..., str]:
    """Makes an alarm on `Errors` of one thing, and returns its name."""

    def make(thing: str, **more: Any) -> str:
        name = f"alarm-{uuid.uuid4().hex[:8]}"
        left_out = ("AlarmName", "StateValue")
        settings = {
            key: value for key, value in alarm(**more).items() if key not in left_out and value is not None
        }
        aws("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="Things",
            MetricName="Errors",
            Dimensions=[{"Name": "Thing", "Value": thing}],
            **settings,
        )
        return name

    return make


def count_error(aws: Clients, thing: str, **more: Any) -> None:
    datum = {"MetricName": "Errors", "Dimensions": [{"Name": "Thing", "Value": thing}], "Value": 1.0, **more}
    aws("cloudwatch").put_metric_data(Namespace="Things", MetricData=[datum])


def state_of(aws: Clients, name: str) -> str:
    [found] = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def test_an_alarm_sees_its_own_dimensions_only(aws: Clients, watched: Callable[..., str]) -> None:
    mine, others = uuid.uuid4().hex, uuid.uuid4().hex
    name = watched(mine)
    count_error(aws, others)
    assert state_of(aws, name) == "INSUFFICIENT_DATA"
    count_error(aws, mine)
    assert state_of(aws, name) == "ALARM"


def test_an_alarm_ends_when_the_data_is_old(aws: Clients, watched: Callable[..., str]) -> None:
    thing = uuid.uuid4().hex
    name = watched(thing, TreatMissingData="notBreaching", Period=10)
    count_error(aws, thing, Timestamp=time.time() - 7.5)
    assert state_of(aws, name) == "ALARM"
    deadline = time.monotonic() + 10
    while state_of(aws, name) == "ALARM":
        assert time.monotonic() < deadline
    assert state_of(aws, name) == "OK"


def test_a_state_set_by_hand_lasts_for_a_period(aws: Clients, watched: Callable[..., str]) -> None:
    thing = uuid.uuid4().hex
    name = watched(thing, TreatMissingData="notBreaching")
    assert state_of(aws, name) == "OK"
    aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    count_error(aws, thing, Value=0.0)
    assert state_of(aws, name) == "ALARM"


def test_a_percentile_is_judged_and_told_as_such(aws: Clients, watched: Callable[..., str]) -> None:
    thing = uuid.uuid4().hex
    name = watched(thing, Statistic=None, ExtendedStatistic="p95")
    for value in (0.0, 0.0, 5.0):
        count_error(aws, thing, Value=value)
    [found] = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (found["StateValue"], found["ExtendedStatistic"], found.get("Statistic")) == ("ALARM", "p95", None)


def test_alarms_on_expressions_are_left_alone(aws: Clients) -> None:
    name = f"alarm-{uuid.uuid4().hex[:8]}"
    metric = {"Namespace": "Things", "MetricName": "Errors"}
    aws("cloudwatch").put_metric_alarm(
        AlarmName=name,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Metrics=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
    )
    assert state_of(aws, name) == "INSUFFICIENT_DATA"


def test_who_asks_by_the_query_protocol_is_told_everything(aws: Clients, cloud: Any) -> None:
    """As Terraform asks: its next plan must find the alarm as it was made."""
    name = f"queried-{uuid.uuid4().hex[:8]}"
    aws("cloudwatch").put_metric_alarm(
        AlarmName=name,
        AlarmDescription="says <what> & why",
        ActionsEnabled=False,
        AlarmActions=["arn:aws:sns:eu-west-1:123456789012:people"],
        Namespace="Tests",
        MetricName="Asked",
        Dimensions=[{"Name": "Of", "Value": name}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="breaching",
    )
    asked = {"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": name}
    signed = "AWS4-HMAC-SHA256 Credential=test/20261121/eu-west-1/monitoring/aws4_request"
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.request("POST", "/", urllib.parse.urlencode(asked), {"Authorization": signed})
    answer = connection.getresponse()
    heard = {"body": answer.read(), "headers": dict(answer.headers), "status_code": answer.status}
    connection.close()
    model = botocore.session.Session().get_service_model("cloudwatch").operation_model("DescribeAlarms")
    [queried] = botocore.parsers.QueryParser().parse(heard, model.output_shape)["MetricAlarms"]
    [told] = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    moving = ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
    assert set(queried) == set(told)
    assert {key: value for key, value in queried.items() if key not in moving} == {
        key: value for key, value in told.items() if key not in moving
    }
