"""The main job: a table becomes a registered model, through the real machine, on the local cloud."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("e2e-training")


def test_ends_with_a_version_that_waits_for_approval(project: Any, registered: Any) -> None:
    assert registered.description["status"] == "SUCCEEDED"
    assert registered.output["decision"] == "registered"
    package = project.aws("sagemaker").describe_model_package(
        ModelPackageName=registered.manifest["arns"]["model_package"]
    )
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["CustomerMetadataProperties"]["run_id"] == registered.manifest["run_id"]
    assert package["CustomerMetadataProperties"]["code_bundle_uri"] == project.stack.values["code_bundle_uri"]


def test_leaves_a_manifest_that_traces_the_model_to_its_data_and_code(project: Any, registered: Any) -> None:
    manifest = registered.manifest
    report = json.loads(project.read(f"runs/{manifest['run_id']}/data_report.json"))
    assert manifest["data"]["data_sha256"] == report["data_sha256"]
    assert manifest["git_sha"] == project.stack.code_version
    assert report["rows_in"] == 891
    assert report["rows_in"] == report["rows_out"] + report["rows_quarantined"]
    assert [state["name"] for state in manifest["states"]][:3] == ["SetInputAside", "InitRun", "PrepareData"]
    assert all(check["passed"] for check in manifest["checks"])


def test_sends_one_message_that_says_how_to_approve(registered: Any) -> None:
    [alert] = registered.alerts
    assert len(alert["Subject"]) < 100
    assert "titanic approve 1" in alert["Message"]
    assert registered.manifest["run_id"] in alert["Message"]


def test_publishes_the_fixed_curated_files_from_its_own(project: Any, registered: Any) -> None:
    run = f"curated/runs/{registered.manifest['run_id']}"
    for name in ("train.csv", "validation.csv"):
        assert project.read(f"curated/{name}") == project.read(f"{run}/{name}")
    rows = list(csv.DictReader(io.StringIO(project.read("curated/train.csv").decode())))
    assert rows
    assert set(rows[0]) == {
        "PassengerId", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"
    }  # fmt: skip


def test_the_model_archive_holds_the_model_alone(project: Any, registered: Any) -> None:
    package = project.aws("sagemaker").describe_model_package(
        ModelPackageName=registered.manifest["arns"]["model_package"]
    )
    uri = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    with tarfile.open(fileobj=io.BytesIO(project.read(uri.split("/", 3)[3]))) as archive:
        assert archive.getnames() == ["xgboost-model"]


def test_the_same_data_and_code_give_a_byte_identical_model(project: Any, registered: Any) -> None:
    again = project.run()
    archives = []
    for manifest in (registered.manifest, again.manifest):
        package = project.aws("sagemaker").describe_model_package(
            ModelPackageName=manifest["arns"]["model_package"]
        )
        uri = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        archives.append(project.read(uri.split("/", 3)[3]))
    assert archives[0] == archives[1]
    assert again.manifest["metrics"] == registered.manifest["metrics"]


def test_approval_auto_approves_a_passing_model(project: Any, registered: Any) -> None:
    run = project.run(project.event("training-auto-approve"))
    package = project.aws("sagemaker").describe_model_package(
        ModelPackageName=run.manifest["arns"]["model_package"]
    )
    assert package["ModelApprovalStatus"] == "Approved"
    assert run.manifest["approval"]["status"] == "Approved"
    assert run.manifest["approval"]["by"] == run.description["executionArn"]


def test_the_evaluation_has_what_a_reviewer_asks_for(project: Any, registered: Any) -> None:
    package = project.aws("sagemaker").describe_model_package(
        ModelPackageName=registered.manifest["arns"]["model_package"]
    )
    uri = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    evaluation = json.loads(project.read(uri.split("/", 3)[3]))
    metrics = evaluation["binary_classification_metrics"]
    for name in ("accuracy", "f1", "auc", "precision", "recall"):
        assert 0 <= metrics[name]["value"] <= 1
    assert metrics["accuracy"]["value"] == registered.manifest["metrics"]["accuracy"]
    assert set(metrics["confusion_matrix"]) == {"0", "1"}


def test_a_late_scheduled_run_bears_its_own_date(project: Any, registered: Any) -> None:
    arn = project.start(project.event("training-scheduled"))
    project.aws("stepfunctions").stop_execution(executionArn=arn)
    project.wait(project.aws("stepfunctions"), arn)
    history = project.aws("stepfunctions").get_execution_history(executionArn=arn)["events"]
    assert history[-1]["type"] == "ExecutionAborted"
