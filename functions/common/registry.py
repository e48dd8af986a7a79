"""Model package versions: what the state machine stamps on them and what it decides about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from functions.common.clients import Client
from functions.common.errors import InvalidInput, ModelNotApproved, ModelPackageNotFound
from functions.common.training_run import Evaluation, TrainingRun, git_sha, package_version

MOST_PROPERTIES, LONGEST_VALUE = 50, 256
LONGEST_DESCRIPTION = 1024
_NOT_ALLOWED = re.compile(r"[^\w\s.:/=+@-]")
_MISSING = ("ValidationException", "ResourceNotFound")  # SageMaker says the first for a version that is gone


def describe_package(sagemaker: Client, arn: str) -> dict[str, Any]:
    """The version as it stands. Raises `ModelPackageNotFound`."""
    try:
        found: dict[str, Any] = sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        raise ModelPackageNotFound(
            f"Model package {arn} is not in the registry: look whether somebody deleted it, then train again."
        ) from error
    return found


def require_approved(package: Mapping[str, Any]) -> None:
    """Before a promotion and before each of its deployments. Raises `ModelNotApproved`."""
    arn, status = package["ModelPackageArn"], package["ModelApprovalStatus"]
    if status != "Approved":
        version = package_version(arn)
        raise ModelNotApproved(
            f"Model package {arn} is {status}: only an approved version is promoted, so look at it with "
            f"`titanic models` and approve it with `titanic approve {version}`."
        )


def versions_with_status(sagemaker: Client, group: str, status: str) -> Iterator[dict[str, Any]]:
    """Summaries of the group's versions of this status, the newest first.

    SageMaker lists the oldest first unless it is asked, and a page may be empty and not be the last.
    """
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group,
        ModelApprovalStatus=status,
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 100},
    )
    return (summary for page in pages for summary in page["ModelPackageSummaryList"])


def decide(
    sagemaker: Client, arn: str, *, status: str | None, description: str, properties: Mapping[str, str]
) -> str:
    """Stamps `properties` on the version and sets `status` (None keeps it); returns the status.

    Doing it again changes nothing. Raises `ModelPackageNotFound`.
    """
    package = describe_package(sagemaker, arn)
    # An update always says everything: whether a field left out is kept is nowhere promised.
    wanted = status or package["ModelApprovalStatus"]
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus=wanted,
        ApprovalDescription=description[:LONGEST_DESCRIPTION],
        CustomerMetadataProperties=merge(package.get("CustomerMetadataProperties") or {}, properties, arn),
    )
    return str(wanted)


def withdraw_if_pending(sagemaker: Client, arn: str, reason: str) -> str | None:
    """Rejects a version whose run ended before judging it; returns its status, None where it is gone.

    Called by the recorders. A pending version that nobody judged could be approved by mistake.
    """
    try:
        status = str(describe_package(sagemaker, arn)["ModelApprovalStatus"])
    except ModelPackageNotFound:
        return None
    if status != "PendingManualApproval":
        return status
    return decide(sagemaker, arn, status="Rejected", description=reason, properties={})


def merge(existing: Mapping[str, str], ours: Mapping[str, str], arn: str) -> dict[str, str]:
    """The union, ours winning, within AWS's limits. Raises `InvalidInput` past 50 properties."""
    union = {**existing, **{key: clean(value) for key, value in ours.items() if clean(value)}}
    if len(union) > MOST_PROPERTIES:
        raise InvalidInput(
            f"Model package {arn} would carry {len(union)} metadata properties and SageMaker allows "
            f"{MOST_PROPERTIES}: remove some with update-model-package, then train again."
        )
    return union


def clean(value: str) -> str:
    """What SageMaker accepts as a property: letters, digits, blanks and `_.:/=+-@`, at most 256."""
    return _NOT_ALLOWED.sub("_", value)[:LONGEST_VALUE]


def run_properties(run: TrainingRun, evaluation: Evaluation) -> dict[str, str]:
    """What a version tells about the run that made it, as the registry's strings."""
    return {
        "run_id": run.run_id,
        "run_date": run.run_date,
        "execution_arn": run.execution_arn,
        "git_sha": git_sha(run.code_bundle_uri) or "",
        "code_bundle_uri": run.code_bundle_uri,
        "source_uri": run.source_uri,
        "evaluation_uri": evaluation.evaluation_uri,
        **{check.metric: f"{check.value:.6f}" for check in evaluation.checks},
        **{f"{check.metric}_threshold": str(check.threshold) for check in evaluation.checks},
    }


def evaluation_folder(package: Mapping[str, Any]) -> str | None:
    """Where the version's evaluation and its baselines lie; None for one registered without."""
    quality = (package.get("ModelMetrics") or {}).get("ModelQuality") or {}
    evaluation: str = (quality.get("Statistics") or {}).get("S3Uri") or ""
    return evaluation.rpartition("/")[0] or None
