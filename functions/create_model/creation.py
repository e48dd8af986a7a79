"""The SageMaker model of a registry version: a transform takes a model's name, not a version.

CreateModel refuses a name that exists, so that a retry, or a second run with the same version, has to look
first. A model that bears the name must be the one that would be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from functions.common.batch_run import ApprovedModel, BatchRun, Model
from functions.common.clients import Client
from functions.common.errors import ModelNameTaken, ModelNotApproved
from functions.common.inputs import StrictModel
from functions.common.own_tags import Tags
from functions.common.registry import describe_package
from functions.common.settings import Settings

LONGEST_NAME = 63


class CreateModelSettings(Settings):
    """The role the model runs under: it reads the artifact and the batch and writes the predictions."""

    model_role_arn: str


class CreateModelEvent(StrictModel):
    """The task's payload."""

    run: BatchRun
    approved: ApprovedModel


def create(event: CreateModelEvent, settings: CreateModelSettings, tags: Tags, *, sagemaker: Client) -> Model:
    """What it makes bears `tags`. Raises `ModelPackageNotFound`, `ModelNotApproved`, `ModelNameTaken`."""
    arn, role = event.approved.model_package_arn, settings.model_role_arn
    package = describe_package(sagemaker, arn)
    if package["ModelApprovalStatus"] != "Approved":
        raise ModelNotApproved(
            f"Model package {arn} was approved and is now {package['ModelApprovalStatus']}: "
            "approve a version, then start again."
        )
    name = model_name(arn, settings.env)
    _require_same(_find_or_create(sagemaker, name, arn, role, tags), package, role)
    return Model(model_name=name)


def model_name(package_arn: str, env: str) -> str:
    """`arn:…:model-package/group/7` -> `group-dev-v7`, at most 63 characters.

    The environment is in it because the registry may serve several, and each has a role of its own.
    """
    group, version = package_arn.split("/")[-2:]
    ending = f"-{env}-v{version}"
    return f"{group[: LONGEST_NAME - len(ending)].rstrip('-')}{ending}"


def _find_or_create(
    sagemaker: Client, name: str, package_arn: str, role_arn: str, tags: Tags
) -> Mapping[str, Any]:
    found = _find(sagemaker, name)
    if found is None:
        try:
            sagemaker.create_model(
                ModelName=name,
                PrimaryContainer={"ModelPackageName": package_arn},
                ExecutionRoleArn=role_arn,
                Tags=tags,
            )
        except ClientError:
            found = _find(sagemaker, name)  # another run may have been faster
            if found is None:
                raise
    return found or sagemaker.describe_model(ModelName=name)


def _find(sagemaker: Client, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = sagemaker.describe_model(ModelName=name)
    except ClientError as error:
        # SageMaker's word for a model that is not there; whatever else is wrong, creating says it again.
        if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
            raise
        return None
    return found


def _require_same(model: Mapping[str, Any], package: Mapping[str, Any], role_arn: str) -> None:
    """A group that was deleted and made again counts its versions from 1, so the ARN alone proves nothing."""
    holds = (model.get("PrimaryContainer") or {}).get("ModelPackageName")
    same = holds == package["ModelPackageArn"] and model["ExecutionRoleArn"] == role_arn
    if not same or model["CreationTime"] < package["CreationTime"]:
        name = model["ModelName"]
        raise ModelNameTaken(
            f"Model {name} exists and is not that of {package['ModelPackageArn']} under {role_arn}: look "
            f"whose it is, delete it with `aws sagemaker delete-model --model-name {name}`, then start again."
        )
