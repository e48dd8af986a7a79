"""IAM: which resource an operation touches, and whether the caller may touch it.

The resources follow the Service Authorization Reference. `ControlPlane` asks before it dispatches;
other plug-ins may ask `resource_arn` for the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud import judge
from localcloud.sagemaker.errors import AccessDenied, ApiError, ValidationError
from localcloud.trust import trusts

ROOT_KEY = "test"
SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"

# The parameter that names the resource, by precedence, and the type of that resource.
_NAMED_BY = {
    "PipelineExecutionArn": "pipeline",
    "PipelineName": "pipeline",
    "ProcessingJobName": "processing-job",
    "TrainingJobName": "training-job",
    "TransformJobName": "transform-job",
    "ModelPackageArn": "model-package",
    "ModelPackageName": "model-package",
    "ModelPackageGroupName": "model-package-group",
    "ModelName": "model",
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "ResourceArn": "",
}

# Operations that have no resource of their own although they name one.
_UNSCOPED = frozenset({"ListModelPackages"})

# Operations on an endpoint that must be allowed on its configuration, too.
_TWO_RESOURCES = frozenset({"CreateEndpoint", "UpdateEndpoint"})


def resource_arn(operation: str, parameters: Mapping[str, Any], region: str, account_id: str) -> str:
    """The ARN that a policy's Resource must match for this call; `*` where AWS knows no resource."""
    if operation in _UNSCOPED:
        return "*"
    prefix = f"arn:aws:sagemaker:{region}:{account_id}"
    for parameter, kind in _NAMED_BY.items():
        name = parameters.get(parameter)
        if not isinstance(name, str):
            continue
        if name.startswith("arn:"):
            return name
        if operation == "CreateModelPackage" and parameter == "ModelPackageGroupName":
            return f"{prefix}:model-package/{name}/*"  # its version is not known yet
        return f"{prefix}:{kind}/{name}"
    return "*"


def authorize(operation: str, parameters: Mapping[str, Any], key: str, region: str, account_id: str) -> None:
    """Raises `AccessDenied` unless the key's identity may do this, and may pass the role it names."""
    arn = resource_arn(operation, parameters, region, account_id)
    _ask(key, f"sagemaker:{operation}", arn)
    if operation in _TWO_RESOURCES:
        named = {"EndpointConfigName": parameters["EndpointConfigName"]}
        config = resource_arn(operation, named, region, account_id)
        _ask(key, f"sagemaker:{operation}", config)
    if not operation.startswith(("Create", "Update", "Start")):
        return
    if parameters.get("Tags"):
        _ask(key, "sagemaker:AddTags", arn)
    for role in filter(None, (parameters.get("RoleArn"), parameters.get("ExecutionRoleArn"))):
        _ask(key, "iam:PassRole", role, {"iam:PassedToService": SERVICE_PRINCIPAL})
        _check_trust(role)


def _ask(key: str, action: str, arn: str, context: Mapping[str, str] | None = None) -> None:
    refused = judge.refusal(key, action, arn, context)
    if refused is None:
        return
    if refused.code:
        raise ApiError(refused.message, refused.code, 400)
    raise AccessDenied(refused.message)


def _check_trust(role_arn: str) -> None:
    """SageMaker assumes a job's role when the request is made, so a role that it cannot assume fails then."""
    if not trusts(role_arn, SERVICE_PRINCIPAL):
        raise ValidationError(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{SERVICE_PRINCIPAL}' to assume the role."
        )
