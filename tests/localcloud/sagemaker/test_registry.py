from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.sagemaker.errors import ApiError, Conflict, ResourceNotFound, ValidationError
from localcloud.sagemaker.plane import ControlPlane

GROUP = {"ModelPackageGroupName": "models"}
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/models"


@pytest.fixture
def registered(plane: ControlPlane) -> str:
    """A package that waits for approval, with one property."""
    plane.call("CreateModelPackageGroup", GROUP)
    return register(plane, CustomerMetadataProperties={"git_sha": "abc"})


def register(plane: ControlPlane, **more: Any) -> str:
    request = {
        **GROUP,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        **more,
    }
    arn: str = plane.call("CreateModelPackage", request)["ModelPackageArn"]
    return arn


def test_versions_count_up_within_a_group(plane: ControlPlane, registered: str) -> None:
    assert [registered, register(plane)] == [f"{ARN}/1", f"{ARN}/2"]


def test_a_version_waits_for_approval_unless_it_says_otherwise(plane: ControlPlane, registered: str) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package-group/models"
    package = register(plane, ModelPackageGroupName=arn, ModelApprovalStatus=None)
    described = plane.call("DescribeModelPackage", {"ModelPackageName": package})
    assert (described["ModelPackageVersion"], described["ModelApprovalStatus"]) == (
        2,
        "PendingManualApproval",
    )


def test_an_update_merges_metadata_and_keeps_the_rest(plane: ControlPlane, registered: str) -> None:
    plane.call(
        "UpdateModelPackage",
        {"ModelPackageArn": registered, "ModelApprovalStatus": "Approved", "ApprovalDescription": "good"},
    )
    plane.call(
        "UpdateModelPackage", {"ModelPackageArn": registered, "CustomerMetadataProperties": {"run": "7"}}
    )
    package = plane.call("DescribeModelPackage", {"ModelPackageName": registered})
    assert package["CustomerMetadataProperties"] == {"git_sha": "abc", "run": "7"}
    assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == ("Approved", "good")


def test_an_update_can_take_properties_away(plane: ControlPlane, registered: str) -> None:
    change = {"ModelPackageArn": registered, "CustomerMetadataPropertiesToRemove": ["git_sha"]}
    plane.call("UpdateModelPackage", change)
    package = plane.call("DescribeModelPackage", {"ModelPackageName": registered})
    assert package.get("CustomerMetadataProperties", {}) == {}


def test_lists_approved_versions_newest_first(plane: ControlPlane, registered: str) -> None:
    for arn in (registered, register(plane), register(plane)):
        plane.call("UpdateModelPackage", {"ModelPackageArn": arn, "ModelApprovalStatus": "Approved"})
    register(plane)
    query = {**GROUP, "ModelApprovalStatus": "Approved", "SortOrder": "Descending", "MaxResults": 2}
    first = plane.call("ListModelPackages", query)
    second = plane.call("ListModelPackages", {**query, "NextToken": first["NextToken"]})
    found = first["ModelPackageSummaryList"] + second["ModelPackageSummaryList"]
    assert [package["ModelPackageVersion"] for package in found] == [3, 2, 1]


def test_a_group_is_created_once_and_keeps_its_versions(plane: ControlPlane, registered: str) -> None:
    with pytest.raises(ValidationError, match="Model Package Group already exists"):
        plane.call("CreateModelPackageGroup", GROUP)
    assert plane.call("DescribeModelPackage", {"ModelPackageName": registered})


def test_a_group_is_deleted_only_when_it_is_empty(plane: ControlPlane) -> None:
    plane.call("CreateModelPackageGroup", {"ModelPackageGroupName": "empty"})
    plane.call("DeleteModelPackageGroup", {"ModelPackageGroupName": "empty"})
    with pytest.raises(ApiError, match="does not exist"):
        plane.call("DescribeModelPackageGroup", {"ModelPackageGroupName": "empty"})


def test_a_group_with_versions_is_not_deleted(plane: ControlPlane, registered: str) -> None:
    with pytest.raises(Conflict, match="still contains Model Packages"):
        plane.call("DeleteModelPackageGroup", GROUP)


def test_a_group_is_found_by_its_arn_too(plane: ControlPlane, registered: str) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package-group/models"
    described = plane.call("DescribeModelPackageGroup", {"ModelPackageGroupName": arn})
    assert described["ModelPackageGroupArn"] == arn
    assert described["CreatedBy"] == {}


def test_a_package_of_no_group_is_refused_without_the_sdks_preamble(plane: ControlPlane) -> None:
    with pytest.raises(ApiError) as refused:
        register(plane)
    assert refused.value.code == "ValidationException"
    assert refused.value.message == "Model Package Group does not exist."


@pytest.mark.parametrize("operation", ["DescribePipeline", "DeletePipeline"])
def test_a_pipeline_that_is_not_there_is_not_found(plane: ControlPlane, operation: str) -> None:
    request = {
        "PipelineName": "none",
        **({"ClientRequestToken": "t" * 32} if operation[0:3] == "Del" else {}),
    }
    with pytest.raises(ResourceNotFound, match="pipeline/none' does not exist"):
        plane.call(operation, request)


def test_work_that_nobody_does_is_refused_instead_of_faked(plane: ControlPlane) -> None:
    request = {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "v", "DesiredWeight": 1}]}
    with pytest.raises(ValidationError, match="Capacities is not implemented by the local cloud"):
        plane.call("UpdateEndpointWeightsAndCapacities", request)


def test_tags_are_kept(plane: ControlPlane) -> None:
    tags = [{"Key": "env", "Value": "dev"}]
    arn = plane.call("CreateModelPackageGroup", {**GROUP, "Tags": tags})["ModelPackageGroupArn"]
    assert plane.call("ListTags", {"ResourceArn": arn})["Tags"] == tags


def test_tags_of_jobs_are_those_they_were_created_with(plane: ControlPlane, processing_request: Any) -> None:
    tags = [{"Key": "env", "Value": "dev"}]
    arn = plane.call("CreateProcessingJob", processing_request("", Tags=tags))["ProcessingJobArn"]
    assert plane.call("ListTags", {"ResourceArn": arn}) == {"Tags": tags}


def test_tells_of_new_and_of_changed_packages(plane: ControlPlane, registered: str, events: Any) -> None:
    plane.call("UpdateModelPackage", {"ModelPackageArn": registered, "ModelApprovalStatus": "Approved"})
    created, approved = [json.loads(entry["Detail"]) for entry in events.entries]
    assert {entry["DetailType"] for entry in events.entries} == {"SageMaker Model Package State Change"}
    assert events.entries[0]["Resources"] == [registered]
    assert created["ModelApprovalStatus"] == "PendingManualApproval"
    assert "UpdatedModelPackageFields" not in created
    assert (approved["ModelPackageGroupName"], approved["ModelPackageVersion"]) == ("models", 1)
    assert approved["ModelApprovalStatus"] == "Approved"
    assert approved["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
    assert approved["CreationTime"].endswith("Z")
