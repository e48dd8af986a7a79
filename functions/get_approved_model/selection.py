"""Which version predicts: the newest one that somebody approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.common.batch_run import ApprovedModel, BatchRun
from functions.common.clients import Client
from functions.common.errors import NoApprovedModel
from functions.common.inputs import StrictModel
from functions.common.registry import describe_package, evaluation_folder, versions_with_status
from functions.common.settings import Settings

BASELINE = "baseline.json"  # which the evaluation job writes beside its report


class ModelGroupSettings(Settings):
    """Whose versions there are to choose from."""

    model_package_group: str


class GetApprovedModelEvent(StrictModel):
    """The task's payload."""

    run: BatchRun


def select(settings: ModelGroupSettings, *, sagemaker: Client) -> ApprovedModel:
    """The newest approved version. Raises `NoApprovedModel`, `ModelPackageNotFound`."""
    group = settings.model_package_group
    newest = next(versions_with_status(sagemaker, group, "Approved"), None)
    if newest is None:
        raise NoApprovedModel(
            f"No version of model group {group} is approved: approve one that waits, or train a new one."
        )
    package = describe_package(sagemaker, newest["ModelPackageArn"])
    properties = package.get("CustomerMetadataProperties") or {}
    return ApprovedModel(
        model_package_arn=package["ModelPackageArn"],
        version=package["ModelPackageVersion"],
        baseline_uri=baseline_uri(package),
        code_bundle_uri=properties.get("code_bundle_uri"),
        approved_by=properties.get("decided_by") if _decided_so(properties) else None,
    )


def baseline_uri(package: Mapping[str, Any]) -> str | None:
    """Beside the evaluation that the version was registered with; None for one registered without."""
    folder = evaluation_folder(package)
    return f"{folder}/{BASELINE}" if folder else None


def _decided_so(properties: Mapping[str, str]) -> bool:
    """Whoever was stamped as deciding may have rejected it, and another approved it without a stamp."""
    return properties.get("decided_status") == "Approved"
