from __future__ import annotations

from typing import Any

import pytest

from ops.errors import UsageError, VersionNotFound
from ops.registry import APPROVED, REJECTED, decide, find_version, list_versions, parse_version
from ops.target import Target

GROUP = "titanic-survival-xgboost"


@pytest.fixture
def registry(aws: Target) -> Any:
    """A registry with the project's group; call it to register a version."""
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)

    def register(status: str = "PendingManualApproval", **properties: str) -> str:
        answer = sagemaker.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [{"Image": "xgboost", "ModelDataUrl": "s3://bucket/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            ModelMetrics={
                "ModelQuality": {
                    "Statistics": {"ContentType": "application/json", "S3Uri": "s3://bucket/evaluation.json"}
                }
            },
            CustomerMetadataProperties=properties
            or {"run_id": "20261121-0123456789", "accuracy": "0.829000"},
        )
        return str(answer["ModelPackageArn"])

    return register


def test_tells_metrics_run_and_places_of_a_version(aws: Target, registry: Any) -> None:
    registry(run_id="20261121-0123456789", accuracy="0.829000", f1="0.76", auc="not a number")

    version = find_version(aws, 1)

    assert version.run_id == "20261121-0123456789"
    assert version.metrics == {"accuracy": 0.829, "f1": 0.76}
    assert version.model_uri == "s3://bucket/model.tar.gz"
    assert version.evaluation_uri == "s3://bucket/evaluation.json"


def test_a_version_registered_by_hand_has_no_run_and_no_metrics() -> None:
    from datetime import UTC, datetime

    answer = {"ModelPackageVersion": 1, "ModelPackageArn": "arn", "CreationTime": datetime.now(UTC)}

    version = parse_version(answer)

    assert (version.run_id, version.metrics, version.model_uri) == (None, {}, "")


def test_lists_the_newest_first_and_says_how_many_there_are(aws: Target, registry: Any) -> None:
    for _ in range(103):
        registry()

    versions, total = list_versions(aws, limit=2)
    everything, _ = list_versions(aws, limit=0)

    assert ([version.version for version in versions], total) == ([103, 102], 103)
    assert len({version.version for version in everything}) == 103


def test_approves_with_reason_and_who_and_keeps_what_the_run_stamped(aws: Target, registry: Any) -> None:
    registry()

    verdict = decide(aws, 1, APPROVED, "better than\nversion 0")

    assert verdict.changed
    assert verdict.after.status == "Approved"
    assert verdict.after.properties["run_id"] == "20261121-0123456789"
    assert verdict.after.properties["decided_by"] == aws.identity["Arn"]
    sent = aws.client("sagemaker").describe_model_package(ModelPackageName=verdict.after.arn)
    assert sent["ModelApprovalStatus"] == "Approved"


def test_the_description_is_one_line_with_reason_and_who(
    aws: Target, registry: Any, monkeypatch: Any
) -> None:
    registry()
    requests: list[dict[str, Any]] = []
    monkeypatch.setattr(
        aws.client("sagemaker"), "update_model_package", lambda **request: requests.append(request)
    )

    decide(aws, 1, REJECTED, "too\nslow")

    assert requests[0]["ApprovalDescription"] == f"too slow (by {aws.identity['Arn']})"


def test_a_version_that_is_approved_already_is_left_alone(aws: Target, registry: Any) -> None:
    registry("Approved")

    verdict = decide(aws, 1, APPROVED, "again")

    assert not verdict.changed
    assert "decided_by" not in verdict.after.properties


def test_approving_a_rejected_version_needs_a_reason(aws: Target, registry: Any) -> None:
    registry("Rejected")

    with pytest.raises(UsageError, match="--reason"):
        decide(aws, 1, APPROVED, None)
    assert decide(aws, 1, APPROVED, "the threshold was wrong").after.status == "Approved"


def test_an_approved_version_can_be_withdrawn(aws: Target, registry: Any) -> None:
    registry("Approved")

    assert decide(aws, 1, REJECTED, None).after.status == "Rejected"


def test_an_unknown_version_is_told_which_there_are(aws: Target, registry: Any) -> None:
    registry()
    registry()

    with pytest.raises(VersionNotFound, match=r"no version 9: it has 2, 1\."):
        find_version(aws, 9)


def test_an_empty_registry_says_so(aws: Target, registry: Any) -> None:
    with pytest.raises(VersionNotFound, match="no model has been registered yet"):
        find_version(aws, 1)
