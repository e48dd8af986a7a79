"""Task of state `CheckPackage`. Its named errors go to the recorder; none is retried."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.check_package.checking import CheckPackageEvent, check
from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.settings import Settings, read_settings


@cache
def settings() -> Settings:
    return read_settings(Settings)


@stage("CheckPackage")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run"}` -> what becomes `$.package`."""
    request = parse_input(event, CheckPackageEvent, "CheckPackage event")
    bind_run(request.run.run_id)
    found = check(request.run, settings(), sagemaker=client("sagemaker"), s3=client("s3"))
    return found.model_dump(mode="json")
