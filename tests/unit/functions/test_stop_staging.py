from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.errors import InvalidInput
from functions.common.inputs import parse_input
from functions.stop_staging.stop import Stopped, StopStagingEvent, StopStagingSettings, stop_staging

STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
NAME = f"{STAGING}-v7-a6fe0531ae"
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:titanic-sagemaker-dev-promotion"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-promotion:one"
SETTINGS = StopStagingSettings(
    env="dev", data_bucket="b", staging_endpoint=STAGING, promotion_state_machine_arn=MACHINE
)

Stop = Callable[..., Stopped]


class FakeStates:
    """Running promotions, in two pages of which the first is empty."""

    def __init__(self, *running: str) -> None:
        self.running = running

    def get_paginator(self, operation: str) -> FakeStates:
        assert operation == "list_executions"
        return self

    def paginate(self, **request: str) -> list[dict[str, Any]]:
        assert request == {"stateMachineArn": MACHINE, "statusFilter": "RUNNING"}
        return [{"executions": []}, {"executions": [{"executionArn": arn} for arn in self.running]}]


@pytest.fixture
def stop(hosting: Any) -> Stop:
    return lambda *running: stop_staging(SETTINGS, sagemaker=hosting, states=FakeStates(*running))


def test_what_a_stopped_promotion_left_goes_endpoint_first(stop: Stop, hosting: Any) -> None:
    hosting.serve(STAGING, NAME, PACKAGE)
    stopped = stop()
    assert stopped.outcome == "stopped"
    assert stopped.deleted == [f"endpoint/{STAGING}", f"endpoint-config/{NAME}", f"model/{NAME}"]
    assert hosting.did() == ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"]


def test_a_promotion_under_way_keeps_its_staging(stop: Stop, hosting: Any) -> None:
    hosting.serve(STAGING, NAME, PACKAGE)
    stopped = stop(EXECUTION)
    assert stopped.outcome == "promotion_in_progress"
    assert EXECUTION in stopped.reason
    assert hosting.did() == []


def test_there_may_be_nothing_to_stop(stop: Stop, hosting: Any) -> None:
    assert stop().outcome == "nothing_to_stop"
    assert hosting.did() == []


@pytest.mark.parametrize("status", ["Creating", "Updating", "Deleting"])
def test_an_endpoint_that_is_changing_is_left_to_the_next_night(
    stop: Stop, hosting: Any, status: str
) -> None:
    hosting.serve(STAGING, NAME, PACKAGE, status)
    stopped = stop()
    assert stopped.outcome == "endpoint_changing"
    assert status in stopped.reason
    assert hosting.did() == []


def test_a_failed_endpoint_goes_too(stop: Stop, hosting: Any) -> None:
    hosting.serve(STAGING, NAME, PACKAGE, "Failed")
    assert stop().outcome == "stopped"


def test_of_somebody_elses_deployment_only_the_endpoint_goes(stop: Stop, hosting: Any) -> None:
    hosting.serve(STAGING, "an-experiment", PACKAGE)
    assert stop().deleted == [f"endpoint/{STAGING}"]
    assert "an-experiment" in hosting.endpoint_config
    assert "an-experiment" in hosting.model


def test_prod_is_never_touched(stop: Stop, hosting: Any) -> None:
    hosting.serve(PROD, f"{PROD}-v7-a6fe0531ae", PACKAGE)
    assert stop().outcome == "nothing_to_stop"
    assert PROD in hosting.endpoint


def test_what_sagemaker_refuses_fails_so_that_the_alarm_tells(stop: Stop, hosting: Any) -> None:
    hosting.serve(STAGING, NAME, PACKAGE)
    hosting.refusals["DeleteEndpoint"] = "Cannot update in-progress endpoint"
    with pytest.raises(ClientError, match="in-progress"):
        stop()


def test_only_the_schedule_speaks_to_it() -> None:
    parse_input({"scheduled_time": "2026-11-21T21:00:00Z"}, StopStagingEvent, "StopStaging event")
    with pytest.raises(InvalidInput, match="endpoint"):
        parse_input({"scheduled_time": "x", "endpoint": PROD}, StopStagingEvent, "StopStaging event")
