"""Task of the states that take staging down, whatever became of the promotion.

What it raises holds nothing up: the machine notes it and the message says that staging is left.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.clean_up_endpoint.clean_up import CleanUpEndpointEvent, clean_up
from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage


@stage("CleanUpEndpoint")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run"}` -> what becomes `$.clean_up`."""
    request = parse_input(event, CleanUpEndpointEvent, "CleanUpEndpoint event")
    bind_run(request.run.run_id)
    return clean_up(request.run, sagemaker=client("sagemaker")).model_dump(mode="json")
