"""Real-time endpoints: which there are, what they serve, one question to one of them, and their removal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ops.aws_errors import error_code
from ops.errors import EndpointBusy, EndpointNotFound, ModelRefused, OpsError
from ops.runs import iso
from ops.target import Target

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

STAGING, PROD = "staging", "prod"
IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
CSV, JSON = "text/csv", "application/json"
DEPLOY_SECONDS = 3600
"""Longest that a change of an endpoint is waited for."""
ABSENT = frozenset({"ValidationException", "ResourceNotFound", "ValidationError"})
"""Codes by which SageMaker says that something is not there."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as it is now. `version` is None where it serves no version of the registry."""

    name: str
    status: str
    config: str
    version: int | None
    model_package_arn: str | None
    instance: str
    count: int
    captures: bool
    created_at: datetime
    modified_at: datetime
    failure: str | None = None
    pending_config: str | None = None

    @property
    def changing(self) -> bool:
        return self.status in IN_PROGRESS

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "created_at": iso(self.created_at), "modified_at": iso(self.modified_at)}


@dataclass(frozen=True)
class Answer:
    """What a model said. `seconds` is how long the whole request took from here."""

    body: str
    content_type: str
    variant: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "seconds": round(self.seconds, 4)}


def endpoint_name(target: Target, wanted: str) -> str:
    """`prod` and `staging` for short; any other name as it is."""
    return target.names.endpoint(wanted) if wanted in (STAGING, PROD) else wanted


def list_endpoints(target: Target) -> list[Endpoint]:
    """The project's endpoints, by name."""
    return [describe_endpoint(target, name) for name in sorted(_names(target))]


def find_endpoint(target: Target, name: str) -> Endpoint | None:
    """The endpoint, None where there is no such."""
    found = _describe(target, name)
    return _parse(target, found) if found else None


def describe_endpoint(target: Target, name: str) -> Endpoint:
    """Raises `EndpointNotFound`, which names those there are."""
    found = find_endpoint(target, name)
    if found is None:
        there = ", ".join(sorted(_names(target))) or "none"
        raise EndpointNotFound(
            f"There is no endpoint {name} in {target.label}; those of the project: {there}. `titanic promote "
            "VERSION` makes them."
        )
    return found


def invoke(target: Target, name: str, body: bytes, content_type: str) -> Answer:
    """Asks the endpoint once. Raises `EndpointNotFound`, `ModelRefused`."""
    from botocore.exceptions import ClientError

    started = time.monotonic()
    try:
        answer = target.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=body, ContentType=content_type
        )
    except ClientError as error:
        raise _no_answer(target, name, error) from error
    return Answer(
        body=answer["Body"].read().decode(),
        content_type=answer["ContentType"],
        variant=answer.get("InvokedProductionVariant", ""),
        seconds=time.monotonic() - started,
    )


def delete_endpoint(target: Target, name: str) -> bool:
    """Removes an endpoint and waits until it is gone; False when there was none. Raises `EndpointBusy`."""
    found = find_endpoint(target, name)
    if found is None:
        return False
    refuse_while_changing(found)
    target.client("sagemaker").delete_endpoint(EndpointName=name)
    _until(target, lambda: _describe(target, name) is None, f"{name} is not gone")
    return True


def settle(target: Target, name: str) -> Endpoint:
    """The endpoint once nothing changes any more."""
    _until(target, lambda: not describe_endpoint(target, name).changing, f"{name} is still changing")
    return describe_endpoint(target, name)


def refuse_while_changing(endpoint: Endpoint) -> None:
    """Raises `EndpointBusy`: SageMaker takes one change at a time."""
    if endpoint.changing:
        raise EndpointBusy(
            f"Endpoint {endpoint.name} is {endpoint.status}: one change at a time. `titanic endpoints` shows "
            "when it is InService again; then repeat the command."
        )


def _names(target: Target) -> Iterator[str]:
    pages = (
        target.client("sagemaker")
        .get_paginator("list_endpoints")
        .paginate(NameContains=target.names.endpoint(""))
    )
    for page in pages:
        yield from (found["EndpointName"] for found in page["Endpoints"])


def _describe(target: Target, name: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        found: Mapping[str, Any] = target.client("sagemaker").describe_endpoint(EndpointName=name)
    except ClientError as error:
        if error_code(error) in ABSENT:
            return None
        raise
    return found


def _parse(target: Target, found: Mapping[str, Any]) -> Endpoint:
    variant = _variant(target, found["EndpointConfigName"])
    package_arn = model_package_of(target, variant["ModelName"]) if variant else None
    running = found.get("ProductionVariants") or [{}]
    return Endpoint(
        name=found["EndpointName"],
        status=found["EndpointStatus"],
        config=found["EndpointConfigName"],
        version=int(package_arn.rpartition("/")[2]) if package_arn else None,
        model_package_arn=package_arn,
        instance=variant.get("InstanceType", ""),
        count=running[0].get("CurrentInstanceCount") or 0,
        captures=bool((found.get("DataCaptureConfig") or {}).get("EnableCapture")),
        created_at=found["CreationTime"],
        modified_at=found["LastModifiedTime"],
        failure=found.get("FailureReason"),
        pending_config=(found.get("PendingDeploymentSummary") or {}).get("EndpointConfigName"),
    )


def _variant(target: Target, config: str) -> Mapping[str, Any]:
    """The configuration's one variant; empty where somebody has deleted the configuration."""
    return next(iter(variants_of(target, config)), {})


def variants_of(target: Target, config: str) -> list[Mapping[str, Any]]:
    """What a configuration serves; nothing where somebody has deleted it."""
    from botocore.exceptions import ClientError

    try:
        found = target.client("sagemaker").describe_endpoint_config(EndpointConfigName=config)
    except ClientError as error:
        if error_code(error) in ABSENT:
            return []
        raise
    variants: list[Mapping[str, Any]] = found["ProductionVariants"]
    return variants


def model_package_of(target: Target, model: str) -> str | None:
    """ARN of the registry's version that a model is made of; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        found = target.client("sagemaker").describe_model(ModelName=model)
    except ClientError as error:
        if error_code(error) in ABSENT:
            return None
        raise
    container = found.get("PrimaryContainer") or (found.get("Containers") or [{}])[0]
    arn: str | None = container.get("ModelPackageName")
    return arn


def _no_answer(target: Target, name: str, error: ClientError) -> Exception:
    """What is wrong with the request, with the model, or with the endpoint."""
    if error_code(error) == "ModelError":
        said = " ".join(str(error.response.get("OriginalMessage", "")).split())
        return ModelRefused(
            f"The model of {name} answered {error.response.get('OriginalStatusCode', 'an error')}: "
            f"{said.rstrip('.')}. Send the features of contracts/titanic.json, one passenger a line, without "
            "a header."
        )
    if error_code(error) not in ABSENT:
        return error  # type: ignore[no-any-return]  # botocore has no types
    try:
        status = describe_endpoint(target, name).status
    except EndpointNotFound as absent:
        return absent
    return EndpointBusy(f"Endpoint {name} is {status} and does not answer: {error}")


def _until(target: Target, done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise OpsError(f"After {DEPLOY_SECONDS // 60} minutes {otherwise}. `titanic endpoints` shows it.")
        time.sleep(target.poll_seconds)
