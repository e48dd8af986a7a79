from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.common.errors import InvalidInput, PromotionInProgress
from functions.common.execution import Execution
from functions.common.instants import parse_instant
from functions.common.promotion_run import PromotionRun
from functions.init_run.promotion import start_promotion
from functions.init_run.settings import InitRunSettings

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:titanic-sagemaker-dev-promotion"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-promotion:"
GROUP = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/"
START = "2026-11-21T06:54:22.123Z"
SETTINGS = InitRunSettings.model_construct(
    model_package_group="titanic-survival-xgboost",
    staging_endpoint="titanic-survival-staging",
    prod_endpoint="titanic-survival-prod",
    instance_type="ml.m5.large",
    instance_count=1,
    canary_percent=10,
    bake_seconds=300,
)


class FakeStates:
    """Running executions: name -> seconds after this one's start."""

    def __init__(self, **running: int) -> None:
        self.running = running

    def get_paginator(self, operation: str) -> FakeStates:
        assert operation == "list_executions"
        return self

    def paginate(self, **request: str) -> list[dict[str, Any]]:
        assert request == {"stateMachineArn": MACHINE, "statusFilter": "RUNNING"}
        started = parse_instant(START)
        return [
            {"executions": [{"executionArn": ARN + name, "startDate": started + timedelta(seconds=seconds)}]}
            for name, seconds in self.running.items()
        ]


def init(given: Any, **running: int) -> PromotionRun:
    execution = Execution(id=f"{ARN}mine", name="mine", start_time=START, state_machine_id=MACHINE)
    return start_promotion(given, execution, SETTINGS, states=FakeStates(**running))


def test_a_version_is_enough_to_start_with() -> None:
    run = init({"model_package_arn": f"{GROUP}7"})
    assert (run.staging_endpoint, run.prod_endpoint) == ("titanic-survival-staging", "titanic-survival-prod")
    assert (run.instance_type, run.instance_count, run.canary_percent, run.bake_seconds) == (
        "ml.m5.large",
        1,
        10,
        300,
    )
    assert run.requested_by is None
    assert run.run_id.startswith("20261121-")


def test_what_the_input_says_counts_before_the_defaults() -> None:
    given = {"model_package_arn": f"{GROUP}7", "requested_by": "ana", "canary_percent": 50, "bake_seconds": 0}
    run = init(given)
    assert (run.requested_by, run.canary_percent, run.bake_seconds) == ("ana", 50, 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "'model_package_arn' is missing"),
        ([], "is a list"),
        ({"model_package_arn": f"{GROUP}7", "canary_precent": 5}, "did you mean 'canary_percent'"),
        ({"model_package_arn": f"{GROUP}7", "canary_percent": 51}, "from 1 to 50"),
        ({"model_package_arn": f"{GROUP}7", "canary_percent": "10"}, "is a string"),
        ({"model_package_arn": f"{GROUP}7", "bake_seconds": -1}, "from 0 to 3600"),
        ({"model_package_arn": f"{GROUP}7", "instance_count": 0}, "from 1 to 10"),
        ({"model_package_arn": f"{GROUP}7", "instance_type": "m5.large"}, "a type like 'ml.m5.large'"),
        ({"model_package_arn": f"{GROUP}0"}, "give arn:aws:sagemaker"),
        ({"model_package_arn": f"{GROUP}7/../8"}, "give arn:aws:sagemaker"),
        ({"model_package_arn": f"{GROUP}7".replace("eu-west-1", "us-east-1")}, "give arn:aws:sagemaker"),
        ({"model_package_arn": f"{GROUP}7".replace("xgboost", "other")}, "give arn:aws:sagemaker"),
        ({"model_package_arn": "7"}, "give arn:aws:sagemaker"),
    ],
)
def test_bad_input_is_refused_with_the_key_that_is_wrong(given: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")):
        init(given)


def test_a_second_promotion_yields_and_says_how_to_answer_the_first() -> None:
    with pytest.raises(PromotionInProgress, match=r"titanic confirm 20261121-[0-9a-f]{10}") as caught:
        init({"model_package_arn": f"{GROUP}7"}, other=-3600, mine=0)
    assert "titanic decline" in str(caught.value)


def test_the_earlier_promotion_goes_on() -> None:
    assert init({"model_package_arn": f"{GROUP}7"}, other=60, mine=0)
    assert init({"model_package_arn": f"{GROUP}7"}, zz_same_moment=0), "ties go by ARN"
