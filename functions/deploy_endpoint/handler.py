"""Task of states `DeployStaging` and `DeployProd`.

Its named errors are not retried. After those of prod the machine looks whether there is something to undo.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.own_tags import own_tags
from functions.common.settings import read_settings
from functions.deploy_endpoint.deployment import (
    Clients,
    DeployEndpointEvent,
    DeployEndpointSettings,
    deploy,
)


@cache
def settings() -> DeployEndpointSettings:
    return read_settings(DeployEndpointSettings)


@stage("DeployEndpoint")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "package", "stage"}` -> what becomes `$.staging` or `$.prod`."""
    request = parse_input(event, DeployEndpointEvent, "DeployEndpoint event")
    bind_run(request.run.run_id)
    clients = Clients(sagemaker=client("sagemaker"), s3=client("s3"))
    tags = own_tags(context.invoked_function_arn, lambda_=client("lambda"))
    made = deploy(request, settings(), clients, tags, datetime.now(tz=UTC))
    return made.model_dump(mode="json")
