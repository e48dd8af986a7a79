"""Task of state `GetApprovedModel`. Raises `NoApprovedModel`, an outcome of its own for the machine."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.settings import read_settings
from functions.get_approved_model.selection import GetApprovedModelEvent, ModelGroupSettings, select


@cache
def settings() -> ModelGroupSettings:
    return read_settings(ModelGroupSettings)


@stage("GetApprovedModel")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run"}` -> what becomes `$.approved`."""
    request = parse_input(event, GetApprovedModelEvent, "GetApprovedModel event")
    bind_run(request.run.run_id)
    return select(settings(), sagemaker=client("sagemaker")).model_dump(mode="json")
