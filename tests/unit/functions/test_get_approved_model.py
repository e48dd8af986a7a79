from __future__ import annotations

import json
from typing import Any

import pytest

from functions.common.errors import InvalidInput, NoApprovedModel
from functions.get_approved_model import handler as handler_module
from functions.get_approved_model.selection import ModelGroupSettings, baseline_uri, select

GROUP = "titanic-survival-xgboost"
ARN = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/{GROUP}"
SETTINGS = ModelGroupSettings(env="dev", data_bucket="bucket", model_package_group=GROUP)
EVALUATION = "s3://bucket/pipeline/runtime/abcdefghijkl/evaluation/evaluation.json"


@pytest.fixture
def versions(sagemaker: Any) -> Any:
    """Registers versions with these statuses, the first being version 1."""

    def register(*statuses: str, **more: Any) -> None:
        for status in statuses:
            sagemaker.create_model_package(ModelPackageGroupName=GROUP, ModelApprovalStatus=status, **more)

    return register


def test_the_newest_approved_version_is_chosen(sagemaker: Any, versions: Any) -> None:
    versions("Approved", "Approved", "Rejected", "PendingManualApproval")
    found = select(SETTINGS, sagemaker=sagemaker)
    assert (found.version, found.model_package_arn) == (2, f"{ARN}/2")


@pytest.mark.parametrize("position", [0, 104])
def test_it_is_found_among_more_versions_than_fit_on_a_page(
    sagemaker: Any, versions: Any, position: int
) -> None:
    statuses = ["Rejected"] * 230
    statuses[position] = "Approved"
    versions(*statuses)
    assert select(SETTINGS, sagemaker=sagemaker).version == position + 1


def test_an_empty_page_is_not_the_end(sagemaker: Any, versions: Any) -> None:
    versions("Approved")
    [summary] = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    pages = EmptyFirstPage(
        sagemaker, [{"ModelPackageSummaryList": []}, {"ModelPackageSummaryList": [summary]}]
    )
    assert select(SETTINGS, sagemaker=pages).version == 1
    assert pages.request["SortOrder"] == "Descending"
    assert pages.request["ModelApprovalStatus"] == "Approved"


@pytest.mark.parametrize("statuses", [(), ("PendingManualApproval", "Rejected")])
def test_without_an_approved_version_it_says_so(sagemaker: Any, versions: Any, statuses: Any) -> None:
    versions(*statuses)
    with pytest.raises(NoApprovedModel, match=f"No version of model group {GROUP} is approved: approve one"):
        select(SETTINGS, sagemaker=sagemaker)


def test_versions_of_another_group_do_not_count(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="somebody-elses")
    sagemaker.create_model_package(ModelPackageGroupName="somebody-elses", ModelApprovalStatus="Approved")
    with pytest.raises(NoApprovedModel):
        select(SETTINGS, sagemaker=sagemaker)


def test_it_tells_who_approved_what_was_trained_by_which_code(sagemaker: Any, versions: Any) -> None:
    properties = {"code_bundle_uri": "s3://bundle", "decided_by": "somebody", "decided_status": "Approved"}
    quality = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": EVALUATION}}}
    versions("Approved", CustomerMetadataProperties=properties, ModelMetrics=quality)
    found = select(SETTINGS, sagemaker=sagemaker)
    assert (found.code_bundle_uri, found.approved_by) == ("s3://bundle", "somebody")
    assert found.baseline_uri == EVALUATION.replace("evaluation.json", "baseline.json")


def test_whoever_rejected_a_version_did_not_approve_it(sagemaker: Any, versions: Any) -> None:
    properties = {"decided_by": "somebody", "decided_status": "Rejected"}
    versions("Approved", CustomerMetadataProperties=properties)
    assert select(SETTINGS, sagemaker=sagemaker).approved_by is None


@pytest.mark.parametrize(
    "metrics", [{}, {"ModelQuality": {}}, {"ModelQuality": {"Statistics": {"S3Uri": ""}}}]
)
def test_a_version_without_an_evaluation_has_no_baseline(metrics: Any) -> None:
    assert baseline_uri({"ModelMetrics": metrics}) is None
    assert baseline_uri({}) is None


def test_the_handler_answers_with_json(
    sagemaker: Any,
    versions: Any,
    batch_run: Any,
    lambda_context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions("Approved")
    for name, value in {"ENV": "dev", "DATA_BUCKET": "bucket", "MODEL_PACKAGE_GROUP": GROUP}.items():
        monkeypatch.setenv(name, value)
    handler_module.settings.cache_clear()
    monkeypatch.setattr(handler_module, "client", {"sagemaker": sagemaker}.__getitem__)
    answer = handler_module.handler({"run": batch_run}, lambda_context)
    assert json.loads(json.dumps(answer)) == {
        "model_package_arn": f"{ARN}/1",
        "version": 1,
        "baseline_uri": None,
        "code_bundle_uri": None,
        "approved_by": None,
    }


def test_a_payload_of_another_shape_is_refused(batch_run: Any, lambda_context: Any) -> None:
    with pytest.raises(InvalidInput, match=r"key 'run.kind' is a string \(\"training\"\)"):
        handler_module.handler({"run": batch_run | {"kind": "training"}}, lambda_context)


class EmptyFirstPage:
    """SageMaker filters after it has cut pages, so a page may hold nothing."""

    def __init__(self, registry: Any, pages: list[dict[str, Any]]) -> None:
        self.registry, self.pages, self.request = registry, pages, dict[str, Any]()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.registry, operation)

    def get_paginator(self, operation: str) -> EmptyFirstPage:
        assert operation == "list_model_packages"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        self.request = request
        return self.pages
