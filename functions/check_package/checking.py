"""May this version be served? Approved, with its metrics, and from a run whose data can be named."""

from __future__ import annotations

import math
from collections.abc import Mapping

from functions.common.clients import Client
from functions.common.data_report import require_data_report
from functions.common.endpoints import find_endpoint, package_of_config
from functions.common.errors import MetricsUnavailable, PackageNotTraceable
from functions.common.inputs import StrictModel
from functions.common.instants import parse_instant
from functions.common.promotion_run import CandidatePackage, PromotionRun, version_of
from functions.common.registry import describe_package, require_approved
from functions.common.run_identity import identify
from functions.common.settings import Settings
from functions.common.training_run import METRICS

STAMPS = ("run_id", "run_date", "execution_arn", "data_sha256", "code_bundle_uri")

Properties = Mapping[str, str]


class CheckPackageEvent(StrictModel):
    """The task's payload."""

    run: PromotionRun


def check(run: PromotionRun, settings: Settings, *, sagemaker: Client, s3: Client) -> CandidatePackage:
    """Raises `ModelPackageNotFound`, `ModelNotApproved`, `MetricsUnavailable`, `PackageNotTraceable`,
    `DataReportNotFound`."""
    arn = run.model_package_arn
    package = describe_package(sagemaker, arn)
    require_approved(package)
    properties = package.get("CustomerMetadataProperties") or {}
    _require_trace(properties, arn, settings.data_bucket, s3)
    live = live_package(sagemaker, run.prod_endpoint)
    return CandidatePackage(
        model_package_arn=arn,
        version=version_of(arn),
        metrics=_metrics(properties, arn),
        training_run_id=properties["run_id"],
        code_bundle_uri=properties["code_bundle_uri"],
        approved_by=properties.get("decided_by") if properties.get("decided_status") == "Approved" else None,
        live_model_package_arn=live,
        already_live=live == arn,
    )


def live_package(sagemaker: Client, endpoint: str) -> str | None:
    """ARN of the version that an endpoint in service serves."""
    found = find_endpoint(sagemaker, endpoint)
    if found is None or found["EndpointStatus"] != "InService":
        return None
    return package_of_config(sagemaker, found["EndpointConfigName"])


def _metrics(properties: Properties, arn: str) -> dict[str, float]:
    """Those that the training run stamped on the version when it judged it."""
    found = {name: _finite(properties.get(name)) for name in METRICS}
    present = {name: value for name, value in found.items() if value is not None}
    if len(present) < len(METRICS):
        missing = ", ".join(sorted(found.keys() - present.keys()))
        raise MetricsUnavailable(
            f"Model package {arn} has no {missing} in its metadata: promote a version that a training run "
            "has judged (`titanic train`)."
        )
    return present


def _finite(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _require_trace(properties: Properties, arn: str, bucket: str, s3: Client) -> None:
    """The version's run computes to the id it bears, and that run's own report has the data it names."""
    missing = [stamp for stamp in STAMPS if not properties.get(stamp)]
    if missing:
        raise PackageNotTraceable(
            f"Model package {arn} has no {', '.join(missing)} in its metadata, so nobody can say which run "
            "made it of which data: promote a version that `titanic train` made."
        )
    execution, run_id = properties["execution_arn"], properties["run_id"]
    if run_id != _run_id(execution, properties["run_date"]):
        raise PackageNotTraceable(
            f"Model package {arn} says it is of run {run_id}, which is not the run of its execution "
            f"{execution}: find out who changed its metadata, and train again."
        )
    report = require_data_report(s3, f"s3://{bucket}/runs/{run_id}/data_report.json")
    if report.get("data_sha256") != properties["data_sha256"]:
        raise PackageNotTraceable(
            f"Model package {arn} names other data than the report of its run {run_id}: find out who "
            "changed either, and train again."
        )


def _run_id(execution_arn: str, run_date: str) -> str | None:
    try:
        return identify(execution_arn, parse_instant(f"{run_date}T00:00:00Z"), {}).run_id
    except ValueError:
        return None
