"""Task of state `RejectModel`. Raises `ModelPackageNotFound`, which the machine catches and records."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.reject_model.rejection import RejectModelEvent, reject


@stage("RejectModel")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "evaluation"}` -> what becomes `$.registration`."""
    request = parse_input(event, RejectModelEvent, "RejectModel event")
    bind_run(request.run.run_id)
    return reject(request, sagemaker=client("sagemaker")).model_dump(mode="json")
