from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.hosting.policy import ALL_AT_ONCE, Step, read_policy


def config(kind: str, wait: int = 0, termination: int = 0, **sizes: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination,
        }
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def count(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def test_without_a_deployment_config_all_traffic_moves_at_once() -> None:
    assert read_policy(None, 1) == read_policy({}, 1) == ALL_AT_ONCE
    assert [step.share for step in ALL_AT_ONCE.steps] == [1.0]


def test_all_at_once_bakes_for_the_termination_wait() -> None:
    [step] = read_policy(config("ALL_AT_ONCE", wait=7, termination=60), 1).steps
    assert step == Step(1.0, "full", 60, "TerminationWaitInSeconds")


def test_a_canary_gets_its_share_then_everything() -> None:
    canary, full = read_policy(config("CANARY", 300, 60, CanarySize=percent(10)), 1).steps
    assert canary == Step(0.1, "canary", 300, "WaitIntervalInSeconds")
    assert (full.share, full.wait_seconds) == (1.0, 60)


def test_a_canary_may_be_counted_in_instances() -> None:
    assert read_policy(config("CANARY", CanarySize=count(1)), 4).steps[0].share == 0.25


def test_linear_steps_add_up() -> None:
    steps = read_policy(config("LINEAR", 300, 60, LinearStepSize=percent(30)), 1).steps
    assert [round(step.share, 9) for step in steps] == [0.3, 0.6, 0.9, 1.0]
    assert [step.wait_seconds for step in steps] == [300, 300, 300, 60]


def test_the_alarms_that_roll_back_are_named() -> None:
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}, {}]}}
    assert read_policy(alarms, 1).alarms == ("a", "b")


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        ({"RollingUpdatePolicy": {}}, "rolling update"),
        (config("CANARY"), "needs CanarySize"),
        (config("LINEAR"), "needs LinearStepSize"),
        (config("CANARY", CanarySize=percent(10), LinearStepSize=percent(10)), "no LinearStepSize"),
        (config("ALL_AT_ONCE", CanarySize=percent(10)), "CanarySize is not allowed"),
        (config("CANARY", CanarySize=percent(51)), "less than or equal to 50%"),
        (config("CANARY", CanarySize=count(1)), "less than or equal to 50%"),
        (config("LINEAR", LinearStepSize=percent(5)), "must be 10-50%"),
    ],
)
def test_refuses_what_sagemaker_refuses(deployment: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read_policy(deployment, 1)


def test_a_deployment_must_have_time_for_its_waits() -> None:
    deployment = config("CANARY", 600, 600, CanarySize=percent(10))
    deployment["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 1200
    with pytest.raises(ValidationError, match=r"MaximumExecutionTimeoutInSeconds \(1200\)"):
        read_policy(deployment, 1)
    deployment["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 1201
    assert read_policy(deployment, 1)
