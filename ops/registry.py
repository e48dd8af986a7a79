"""Model versions in the registry: list, look up, approve, reject."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.aws_errors import error_code
from ops.errors import UsageError, VersionNotFound
from ops.runs import iso
from ops.target import Target

METRICS = ("accuracy", "f1", "auc")
APPROVED, REJECTED = "Approved", "Rejected"
_DESCRIPTION_LIMIT = 1024  # characters SageMaker takes for an ApprovalDescription


@dataclass(frozen=True)
class ModelVersion:
    """One version of the model package group, with what the run stamped on it."""

    version: int
    arn: str
    status: str
    created_at: datetime
    approval_description: str
    properties: Mapping[str, str]
    model_uri: str
    evaluation_uri: str

    @property
    def run_id(self) -> str | None:
        return self.properties.get("run_id")

    @property
    def metrics(self) -> dict[str, float]:
        """The stamped metrics that are numbers; a version registered by hand may have none."""
        found = {name: _number(self.properties.get(name)) for name in METRICS}
        return {name: value for name, value in found.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "arn": self.arn,
            "status": self.status,
            "approval_description": self.approval_description or None,
            "created_at": iso(self.created_at),
            "run_id": self.run_id,
            "metrics": self.metrics,
            "model_uri": self.model_uri or None,
            "evaluation_uri": self.evaluation_uri or None,
            "properties": dict(self.properties),
        }


def parse_version(answer: Mapping[str, Any]) -> ModelVersion:
    """A `DescribeModelPackage` answer as a version."""
    containers = (answer.get("InferenceSpecification") or {}).get("Containers") or [{}]
    quality = (answer.get("ModelMetrics") or {}).get("ModelQuality") or {}
    return ModelVersion(
        version=int(answer["ModelPackageVersion"]),
        arn=answer["ModelPackageArn"],
        status=answer.get("ModelApprovalStatus", ""),
        created_at=answer["CreationTime"],
        approval_description=answer.get("ApprovalDescription") or "",
        properties=answer.get("CustomerMetadataProperties") or {},
        model_uri=containers[0].get("ModelDataUrl") or "",
        evaluation_uri=(quality.get("Statistics") or {}).get("S3Uri") or "",
    )


def list_versions(target: Target, limit: int) -> tuple[list[ModelVersion], int]:
    """The newest `limit` versions (0: all), and how many there are. Pages: a group may hold thousands."""
    summaries = _summaries(target)
    arns = [summary["ModelPackageArn"] for summary in summaries[: limit or None]]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda arn: describe_version(target, arn), arns)), len(summaries)


def newest_approved(target: Target) -> str | None:
    """ARN of the version that the next batch run predicts with."""
    approved = [each for each in _summaries(target) if each["ModelApprovalStatus"] == APPROVED]
    newest = max(approved, key=lambda each: int(each["ModelPackageVersion"]), default=None)
    return str(newest["ModelPackageArn"]) if newest else None


def describe_version(target: Target, arn: str) -> ModelVersion:
    """The version with this ARN."""
    return parse_version(target.client("sagemaker").describe_model_package(ModelPackageName=arn))


def find_version(target: Target, version: int) -> ModelVersion:
    """The version with this number. Raises `VersionNotFound`, which names those there are."""
    from botocore.exceptions import ClientError

    group = target.names["model_package_group"]
    try:
        return describe_version(target, target.names.arn("sagemaker", f"model-package/{group}/{version}"))
    except ClientError as error:
        if error_code(error) not in ("ValidationException", "ResourceNotFound"):
            raise
    raise VersionNotFound(
        f"Model group {group} has no version {version}: {_those_there_are(target)}. "
        "`titanic models` shows them."
    )


@dataclass(frozen=True)
class Verdict:
    """What `approve` or `reject` did: `changed` is False when the version already had that status."""

    before: ModelVersion
    after: ModelVersion

    @property
    def changed(self) -> bool:
        return self.before.status != self.after.status


def decide(target: Target, version: int, status: str, reason: str | None) -> Verdict:
    """Sets a version Approved or Rejected, with who did it and why.

    Raises `VersionNotFound`, and `UsageError` when a version that was rejected is to be approved without
    a reason: somebody, or the metric gate, said no to it.
    """
    found = find_version(target, version)
    if found.status == status:
        return Verdict(found, found)
    if found.status == REJECTED and not reason:
        raise UsageError(
            f"Version {version} was rejected ({found.approval_description or 'no reason was given'}). To "
            f"approve it all the same, say why: titanic approve {version} --reason '…'."
        )
    who = target.identity["Arn"]
    said = " ".join((reason or "").split())  # the API takes one line
    description = f"{said} (by {who})" if said else f"{status} by {who}"
    target.client("sagemaker").update_model_package(
        ModelPackageArn=found.arn,
        ModelApprovalStatus=status,
        ApprovalDescription=description[:_DESCRIPTION_LIMIT],
        CustomerMetadataProperties={**found.properties, **_signature(status, who)},
    )
    return Verdict(found, describe_version(target, found.arn))


def _signature(status: str, who: str) -> dict[str, str]:
    """Who decided, where the manifest's readers look for it. Values are at most 256 characters."""
    return {"decided_by": who[:256], "decided_at": iso(datetime.now(UTC)), "decided_status": status}


def _summaries(target: Target) -> list[dict[str, Any]]:
    pages = (
        target.client("sagemaker")
        .get_paginator("list_model_packages")
        .paginate(
            ModelPackageGroupName=target.names["model_package_group"],
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"PageSize": 100},
        )
    )
    return [summary for page in pages for summary in page["ModelPackageSummaryList"]]


def _those_there_are(target: Target) -> str:
    versions = [str(summary["ModelPackageVersion"]) for summary in _summaries(target)]
    shown = ", ".join(versions[:10]) + (", …" if len(versions) > 10 else "")
    return f"it has {shown}" if versions else "no model has been registered yet"


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
