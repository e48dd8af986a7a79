"""What endpoints, their configurations and their models say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from functions.common.clients import Client

VARIANT = "AllTraffic"  # the one name that every configuration has: blue/green refuses to change it
IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})

Description = Mapping[str, Any]
Removal = tuple[str, Callable[[], object]]
"""What is removed, for the record, and how."""


def find_endpoint(sagemaker: Client, name: str) -> Description | None:
    """The DescribeEndpoint answer, None where there is no such endpoint."""
    return _found(lambda: sagemaker.describe_endpoint(EndpointName=name))


def find_config(sagemaker: Client, name: str) -> Description | None:
    """The DescribeEndpointConfig answer, None where there is no such configuration."""
    return _found(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name))


def find_model(sagemaker: Client, name: str) -> Description | None:
    """The DescribeModel answer, None where there is no such model."""
    return _found(lambda: sagemaker.describe_model(ModelName=name))


def delete(remove: Callable[[], object]) -> bool:
    """Whether there was something to delete."""
    try:
        remove()
    except ClientError as error:
        if not is_missing(error):
            raise
        return False
    return True


def endpoint_removal(sagemaker: Client, endpoint: str) -> Removal:
    """Comes before that of its deployment: the configuration and the model must outlive the endpoint."""
    return f"endpoint/{endpoint}", lambda: sagemaker.delete_endpoint(EndpointName=endpoint)


def deployment_removals(sagemaker: Client, name: str) -> list[Removal]:
    """A deployment's configuration and model, which bear one name."""
    return [
        (f"endpoint-config/{name}", lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name)),
        (f"model/{name}", lambda: sagemaker.delete_model(ModelName=name)),
    ]


def package_of_config(sagemaker: Client, config_name: str) -> str | None:
    """ARN of the registered version that a configuration serves; None for a model from elsewhere."""
    config = find_config(sagemaker, config_name)
    model = find_model(sagemaker, config["ProductionVariants"][0]["ModelName"]) if config else None
    return package_of_model(model) if model else None


def package_of_model(model: Description) -> str | None:
    """ARN of the registered version that a model was made of."""
    containers = [model.get("PrimaryContainer") or {}, *(model.get("Containers") or [])]
    named: list[str] = [each["ModelPackageName"] for each in containers if each.get("ModelPackageName")]
    return named[0] if named else None


def wanted_config(endpoint: Description) -> str:
    """The configuration an endpoint has, or is on its way to."""
    pending = endpoint.get("PendingDeploymentSummary") or {}
    return str(pending.get("EndpointConfigName") or endpoint["EndpointConfigName"])


def is_missing(error: ClientError) -> bool:
    """SageMaker has no code of its own for what is not there: only the words tell it from a bad request."""
    said = error.response["Error"]
    return said["Code"] in ("ResourceNotFound", "ResourceNotFoundException") or (
        said["Code"] == "ValidationException" and "could not find" in said.get("Message", "").lower()
    )


def _found(describe: Callable[[], Description]) -> Description | None:
    try:
        return describe()
    except ClientError as error:
        if not is_missing(error):
            raise
        return None
