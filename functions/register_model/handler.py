"""Task of state `RegisterModel`. Raises `ModelPackageNotFound`, which the machine catches and records."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.register_model.registration import RegisterModelEvent, register


@stage("RegisterModel")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "prepare", "training", "evaluation"}` -> what becomes `$.registration`."""
    request = parse_input(event, RegisterModelEvent, "RegisterModel event")
    bind_run(request.run.run_id)
    return register(request, sagemaker=client("sagemaker"), s3=client("s3")).model_dump(mode="json")
