"""Task of state `CreateModel`. Its named errors go to the recorder; none is retried."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.own_tags import own_tags
from functions.common.settings import read_settings
from functions.create_model.creation import CreateModelEvent, CreateModelSettings, create


@cache
def settings() -> CreateModelSettings:
    return read_settings(CreateModelSettings)


@stage("CreateModel")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "approved"}` -> what becomes `$.model`."""
    request = parse_input(event, CreateModelEvent, "CreateModel event")
    bind_run(request.run.run_id)
    tags = own_tags(context.invoked_function_arn, lambda_=client("lambda"))
    return create(request, settings(), tags, sagemaker=client("sagemaker")).model_dump(mode="json")
