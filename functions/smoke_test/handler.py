"""Task of state `SmokeTest`. A test that fails is an answer, which `SmokePassed?` reads, not an error."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import StrictModel, parse_input
from functions.common.observability import bind_run, measure, stage
from functions.common.promotion_run import Deployment, PromotionRun
from functions.common.settings import read_settings
from functions.common.smoke import SmokeSettings, run_smoke_test


class SmokeTestEvent(StrictModel):
    """The task's payload: where the version was deployed to."""

    run: PromotionRun
    staging: Deployment


@cache
def settings() -> SmokeSettings:
    return read_settings(SmokeSettings)


@stage("SmokeTest")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "staging"}` -> what becomes `$.smoke`."""
    request = parse_input(event, SmokeTestEvent, "SmokeTest event")
    bind_run(request.run.run_id)
    found = run_smoke_test(client("sagemaker-runtime"), request.staging.endpoint_name, settings())
    if found.latency:
        measure("SmokeLatency", found.latency.p95, endpoint=request.staging.endpoint_name)
    return found.model_dump(mode="json")
