from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from functions.check_package.checking import CheckPackageEvent, check
from functions.common.errors import (
    DataReportNotFound,
    MetricsUnavailable,
    ModelNotApproved,
    ModelPackageNotFound,
    PackageNotTraceable,
)
from functions.common.inputs import parse_input
from functions.common.instants import parse_instant
from functions.common.promotion_run import CandidatePackage
from functions.common.run_identity import identify
from functions.common.settings import Settings

BUCKET = "titanic-sagemaker-dev-123456789012"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
TRAINING = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-training:weekly"
TRAINING_RUN = identify(TRAINING, parse_instant("2026-11-20T06:00:00Z"), {}).run_id
STAMPS = {
    "run_id": TRAINING_RUN,
    "run_date": "2026-11-20",
    "execution_arn": TRAINING,
    "data_sha256": "abc",
    "code_bundle_uri": f"s3://{BUCKET}/pipeline/code/0a1b2c3/pipeline_code.tar.gz",
    "accuracy": "0.82",
    "f1": "0.76",
    "auc": "0.87",
    "decided_by": "arn:aws:iam::123456789012:user/ana",
    "decided_status": "Approved",
}
PROD = "titanic-survival-prod"

Check = Callable[..., CandidatePackage]


@pytest.fixture
def check_with(hosting: Any, s3: Any, put: Any, promotion_run: Any) -> Check:
    put(f"runs/{TRAINING_RUN}/data_report.json", {"data_sha256": "abc"})

    def check_with(*without: str, **stamps: str) -> CandidatePackage:
        kept = {key: value for key, value in (STAMPS | stamps).items() if key not in without}
        hosting.packages[ARN]["CustomerMetadataProperties"] = kept
        event = parse_input({"run": promotion_run}, CheckPackageEvent, "CheckPackage event")
        settings = Settings(env="dev", data_bucket=BUCKET)
        return check(event.run, settings, sagemaker=hosting, s3=s3)

    return check_with


def test_an_approved_version_of_a_known_run_passes(check_with: Check) -> None:
    found = check_with()
    assert found.metrics == {"accuracy": 0.82, "f1": 0.76, "auc": 0.87}
    assert (found.version, found.training_run_id) == (7, TRAINING_RUN)
    assert found.approved_by == "arn:aws:iam::123456789012:user/ana"
    assert (found.live_model_package_arn, found.already_live) == (None, False)


def test_who_rejected_it_before_is_not_who_approved_it(check_with: Check) -> None:
    assert check_with(decided_status="Rejected").approved_by is None


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_version_that_is_not_approved_is_refused(check_with: Check, hosting: Any, status: str) -> None:
    hosting.packages[ARN]["ModelApprovalStatus"] = status
    with pytest.raises(ModelNotApproved, match=f"is {status}.*titanic approve 7"):
        check_with()


def test_a_version_that_is_gone_is_refused(check_with: Check, hosting: Any) -> None:
    hosting.refusals["DescribeModelPackage"] = "ModelPackage does not exist."
    with pytest.raises(ModelPackageNotFound):
        check_with()


@pytest.mark.parametrize("value", ["", "nan", "inf", "good"])
def test_a_version_without_its_metrics_is_refused(check_with: Check, value: str) -> None:
    with pytest.raises(MetricsUnavailable, match="has no auc, f1 in"):
        check_with("auc", f1=value)


@pytest.mark.parametrize("stamp", ["run_id", "run_date", "execution_arn", "data_sha256", "code_bundle_uri"])
def test_a_version_that_names_no_run_is_refused(check_with: Check, stamp: str) -> None:
    with pytest.raises(PackageNotTraceable, match=f"has no {stamp}"):
        check_with(stamp)


@pytest.mark.parametrize(
    "stamps", [{"run_id": "20261120-0000000000"}, {"run_date": "2026-11-19"}, {"run_date": "yesterday"}]
)
def test_a_run_that_does_not_compute_from_its_execution_is_refused(
    check_with: Check, stamps: dict[str, str]
) -> None:
    with pytest.raises(PackageNotTraceable, match="not the run of its execution"):
        check_with(**stamps)


def test_other_data_than_the_runs_is_refused(check_with: Check) -> None:
    with pytest.raises(PackageNotTraceable, match="names other data"):
        check_with(data_sha256="def")


def test_a_run_whose_report_is_gone_is_refused(check_with: Check, s3: Any) -> None:
    s3.delete_object(Bucket=BUCKET, Key=f"runs/{TRAINING_RUN}/data_report.json")
    with pytest.raises(DataReportNotFound):
        check_with()


def test_the_version_that_prod_serves_is_recognised(check_with: Check, hosting: Any) -> None:
    hosting.serve(PROD, "any-name", ARN)
    assert check_with().already_live


@pytest.mark.parametrize("status", ["Updating", "Failed"])
def test_a_version_on_an_endpoint_out_of_service_is_not_live(
    check_with: Check, hosting: Any, status: str
) -> None:
    hosting.serve(PROD, "any-name", ARN, status)
    assert not check_with().already_live


def test_a_model_from_elsewhere_is_no_version(check_with: Check, hosting: Any) -> None:
    hosting.serve(PROD, "by-hand", ARN)
    hosting.model["by-hand"]["PrimaryContainer"] = {"Image": "x", "ModelDataUrl": "s3://x/y"}
    found = check_with()
    assert (found.live_model_package_arn, found.already_live) == (None, False)
