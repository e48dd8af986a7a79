"""Task of state `VerifyProd`. Raises `VerificationFailed`, after which the machine rolls prod back."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.settings import read_settings
from functions.common.smoke import SmokeSettings
from functions.verify_endpoint.verification import Clients, VerifyEndpointEvent, verify


@cache
def settings() -> SmokeSettings:
    return read_settings(SmokeSettings)


@stage("VerifyEndpoint")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "package", "prod"}` -> what becomes `$.verification`."""
    request = parse_input(event, VerifyEndpointEvent, "VerifyEndpoint event")
    bind_run(request.run.run_id)
    clients = Clients(sagemaker=client("sagemaker"), runtime=client("sagemaker-runtime"), s3=client("s3"))
    return verify(request, settings(), clients, now=datetime.now(tz=UTC)).model_dump(mode="json")
