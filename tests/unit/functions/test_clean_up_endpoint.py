from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.clean_up_endpoint.clean_up import CleanUpEndpointEvent, clean_up
from functions.common.inputs import parse_input
from functions.common.promotion_run import CleanUp

STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
NAME = f"{STAGING}-v7-a6fe0531ae"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"

TakeDown = Callable[[], CleanUp]


@pytest.fixture
def take_down(hosting: Any, promotion_run: Any) -> TakeDown:
    event = parse_input({"run": promotion_run}, CleanUpEndpointEvent, "CleanUpEndpoint event")
    return lambda: clean_up(event.run, sagemaker=hosting)


def test_what_the_run_made_goes_endpoint_first(take_down: TakeDown, hosting: Any) -> None:
    hosting.serve(STAGING, NAME, ARN)
    assert take_down().deleted == [f"endpoint/{STAGING}", f"endpoint-config/{NAME}", f"model/{NAME}"]
    assert hosting.did() == ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"]


def test_there_may_be_nothing_left_to_delete(take_down: TakeDown, hosting: Any) -> None:
    hosting.serve(STAGING, NAME, ARN)
    take_down()
    assert take_down().deleted == []


def test_prod_is_never_touched(take_down: TakeDown, hosting: Any) -> None:
    hosting.serve(PROD, f"{PROD}-v7-a6fe0531ae", ARN)
    take_down()
    assert PROD in hosting.endpoint
    assert f"{PROD}-v7-a6fe0531ae" in hosting.endpoint_config


def test_what_somebody_else_put_into_staging_stays(take_down: TakeDown, hosting: Any) -> None:
    hosting.serve(STAGING, "an-experiment", ARN)
    assert take_down().deleted == []
    assert STAGING in hosting.endpoint


def test_a_failed_endpoint_goes_because_it_would_block_the_next_promotion(
    take_down: TakeDown, hosting: Any
) -> None:
    hosting.serve(STAGING, "an-experiment", ARN, "Failed")
    assert take_down().deleted == [f"endpoint/{STAGING}"]


def test_an_update_to_the_runs_configuration_counts_as_its_own(take_down: TakeDown, hosting: Any) -> None:
    pending = {"PendingDeploymentSummary": {"EndpointConfigName": NAME}}
    hosting.serve(STAGING, "left-over", ARN, "Updating", **pending)
    hosting.refusals["DeleteEndpoint"] = "Cannot update in-progress endpoint"
    with pytest.raises(ClientError, match="in-progress"):
        take_down()
