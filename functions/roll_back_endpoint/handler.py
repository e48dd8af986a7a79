"""Task of state `RollBackProd`, which calls it until there is nothing left to do. Raises `RollbackFailed`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.settings import Settings, read_settings
from functions.roll_back_endpoint.rollback import RollBackEndpointEvent, roll_back


@cache
def settings() -> Settings:
    return read_settings(Settings)


@stage("RollBackEndpoint")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "error", "started_at"}` -> what becomes `$.rollback`."""
    request = parse_input(event, RollBackEndpointEvent, "RollBackEndpoint event")
    bind_run(request.run.run_id)
    done = roll_back(
        request, settings(), sagemaker=client("sagemaker"), s3=client("s3"), now=datetime.now(tz=UTC)
    )
    return done.model_dump(mode="json")
