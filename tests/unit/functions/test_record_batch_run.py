from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.common.inputs import parse_input
from functions.common.instants import parse_instant
from functions.common.recorder import Record
from functions.common.run_identity import identify
from functions.record_run.recording import RecordRunEvent, RecordRunSettings, record

BUCKET = "titanic-sagemaker-dev-123456789012"
GROUP = "titanic-survival-xgboost"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-batch-inference:first"
STARTED = "2026-11-21T06:54:22.123Z"
RUN_ID = identify(ARN, parse_instant(STARTED), {}).run_id
MANIFEST, REPORT = f"runs/{RUN_ID}/manifest.json", f"runs/{RUN_ID}/data_report.json"

Recorder = Callable[..., Record]


@pytest.fixture
def record_as(states: Any, sagemaker: Any, s3: Any, execution: dict[str, Any]) -> Recorder:
    def record_as(outcome: str, state: dict[str, Any], **changes: Any) -> Record:
        event = {
            "kind": "batch_inference",
            "outcome": outcome,
            "state": state,
            "execution": execution | {"id": ARN} | changes,
        }
        request = parse_input(event, RecordRunEvent, "RecordRun event")
        settings = RecordRunSettings(env="dev", data_bucket=BUCKET, model_package_group=GROUP)
        return record(request, settings, states=states, sagemaker=sagemaker, s3=s3)

    return record_as


@pytest.fixture
def published_state(batch_run: Any, approved: Any, drift: Any) -> Callable[..., dict[str, Any]]:
    """The machine's document when RecordPublished gets it."""

    def published_state(**changes: Any) -> dict[str, Any]:
        folder = f"s3://{BUCKET}/predictions/run_date=2026-11-21/run_id={RUN_ID}/"
        return {
            "run": batch_run,
            "prepare": {"job_run_id": "jr_1"},
            "approved": approved,
            "model": {"model_name": f"{GROUP}-dev-v7"},
            "transform": {"job_name": f"batch-{RUN_ID}"},
            "predictions": {
                "rows": 418,
                "files": 1,
                "check_uri": f"s3://{BUCKET}/runs/{RUN_ID}/prediction_check.json",
                "drift": drift(),
                "warning": None,
            },
            "publication": {
                "predictions_uri": folder,
                "manifest_uri": f"{folder}manifest.json",
                "latest_uri": f"s3://{BUCKET}/predictions/latest.json",
                "is_latest": True,
            },
        } | changes

    return published_state


def test_a_published_run_leaves_the_whole_story(
    *, record_as: Recorder, published_state: Any, states: Any, put: Any, get: Any, approved: Any, drift: Any
) -> None:
    put(REPORT, {"rows_in": 421, "rows_out": 418, "rows_quarantined": 3, "data_sha256": "d", "columns": {}})
    states.visit("InitRun")
    states.visit("PublishPredictions")
    states.enter("RecordPublished")
    state = published_state()
    written = record_as("published", state)
    assert get(MANIFEST) == written.manifest
    assert written.manifest == {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "kind": "batch_inference",
        "outcome": "published",
        "decision": "published",
        "execution_arn": ARN,
        "started_at": STARTED,
        "finished_at": "2026-11-21T06:54:42.123Z",
        "git_sha": "0a1b2c3",
        "code_bundle_uri": approved["code_bundle_uri"],
        "source_uri": f"s3://{BUCKET}/raw/new_passengers/",
        "data": {"rows_in": 421, "rows_out": 418, "rows_quarantined": 3, "data_sha256": "d"},
        "parameters": {"input": {}, "thresholds": {"drift": 0.2}},
        "arns": {"pipeline_execution": None, "model_package": approved["model_package_arn"]},
        "metrics": {},
        "checks": [],
        "approval": {"status": "Approved", "mode": None, "by": approved["approved_by"]},
        "model_name": f"{GROUP}-dev-v7",
        "transform_job": f"batch-{RUN_ID}",
        "predictions": {
            "rows": 418,
            "files": 1,
            "check_uri": f"s3://{BUCKET}/runs/{RUN_ID}/prediction_check.json",
            "predictions_uri": state["publication"]["predictions_uri"],
            "manifest_uri": state["publication"]["manifest_uri"],
            "is_latest": True,
        },
        "drift": drift(),
        "waiting_versions": [],
        "failure": None,
        "states": [
            {"name": "InitRun", "entered_at": STARTED, "seconds": 10.0, "visits": 1},
            {
                "name": "PublishPredictions",
                "entered_at": "2026-11-21T06:54:32.123Z",
                "seconds": 10.0,
                "visits": 1,
            },
        ],
    }


def test_the_summary_says_where_the_predictions_are(
    record_as: Recorder, published_state: Any, put: Any
) -> None:
    put(REPORT, {"rows_in": 421, "rows_quarantined": 3})
    summary = record_as("published", published_state()).summary
    assert summary["predictions"]["rows"] == 418
    assert summary["predictions"]["predictions_uri"].startswith(f"s3://{BUCKET}/predictions/")
    assert (summary["outcome"], summary["decision"]) == ("published", "published")
    assert summary["next_command"] == f"titanic runs show {RUN_ID}"


def test_without_an_approved_model_the_record_names_those_that_wait(
    record_as: Recorder, states: Any, sagemaker: Any, batch_run: Any, put: Any
) -> None:
    for status in ("PendingManualApproval", "Rejected", "PendingManualApproval"):
        sagemaker.create_model_package(ModelPackageGroupName=GROUP, ModelApprovalStatus=status)
    put(REPORT, {"rows_in": 421})
    states.visit("GetApprovedModel", failed=True)
    states.enter("RecordNoApprovedModel")
    cause = json.dumps({"errorType": "NoApprovedModel", "errorMessage": "No version is approved."})
    state = {"run": batch_run, "error": {"Error": "NoApprovedModel", "Cause": cause}}
    written = record_as("no_approved_model", state)
    assert written.manifest["waiting_versions"] == [3, 1]
    assert written.manifest["decision"] == "no_approved_model"
    assert written.manifest["failure"] == {
        "state": "GetApprovedModel",
        "step": None,
        "error": "NoApprovedModel",
        "cause": "No version is approved.",
    }
    assert written.notification.subject == (
        "[dev] No predictions: no model is approved, versions 3 and 1 waiting"
    )
    assert "titanic approve 3\n  titanic predict\n" in written.notification.message
    assert written.summary["next_command"] == "titanic approve 3"


def test_a_failed_transform_is_told_in_its_own_words(
    record_as: Recorder, states: Any, batch_run: Any, approved: Any
) -> None:
    states.visit("CreateTransformJob", failed=True)
    states.enter("RecordFailure")
    job = {
        "TransformJobName": f"batch-{RUN_ID}",
        "TransformJobStatus": "Failed",
        "FailureReason": "AlgorithmError: See job logs for more information",
    }
    error = {"Error": "States.TaskFailed", "Cause": json.dumps(job)}
    written = record_as("failed", {"run": batch_run, "approved": approved, "error": error})
    assert written.manifest["failure"]["state"] == "CreateTransformJob"
    assert written.manifest["failure"]["cause"].startswith(f"Transform job batch-{RUN_ID} ended Failed: ")
    assert written.manifest["arns"]["model_package"] == approved["model_package_arn"]
    assert written.manifest["predictions"] is None
    assert written.manifest["decision"] is None


def test_an_approved_version_stays_approved_when_its_batch_fails(
    record_as: Recorder, sagemaker: Any, register_package: Any, batch_run: Any, approved: Any
) -> None:
    arn = register_package()
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    state = {"run": batch_run, "approved": approved | {"model_package_arn": arn}}
    record_as("failed", state | {"error": {"Error": "PredictionsIncomplete", "Cause": "417 of 418"}})
    assert sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "Approved"


def test_a_run_that_failed_after_publishing_says_that_it_published(
    record_as: Recorder, states: Any, published_state: Any
) -> None:
    states.visit("NotifyPredictions", failed=True)
    error = {"error": {"Error": "SNS.AmazonSNSException", "Cause": "down"}}
    written = record_as("failed", published_state() | error)
    assert (written.manifest["outcome"], written.manifest["decision"]) == ("failed", "published")
    assert "Results: s3://" in written.notification.message


def test_a_set_that_was_checked_and_not_published_has_no_place(
    record_as: Recorder, published_state: Any
) -> None:
    state = published_state() | {"error": {"Error": "PredictionsIncomplete", "Cause": "changed"}}
    del state["publication"]
    predictions = record_as("failed", state).manifest["predictions"]
    assert (predictions["rows"], predictions["predictions_uri"], predictions["is_latest"]) == (
        418,
        None,
        None,
    )


def test_a_failed_init_is_recorded_without_a_run(record_as: Recorder, states: Any) -> None:
    states.visit("InitRun", failed=True)
    written = record_as("failed", {"error": {"Error": "InvalidInput", "Cause": "a list"}}, input=[1])
    assert written.manifest["source_uri"] is None
    assert written.manifest["parameters"] == {"input": [1], "thresholds": None}
    assert written.notification.subject == "[dev] Batch inference failed at InitRun: InvalidInput"
    assert "docs/runbooks/no-predictions-today.md" in written.notification.message


def test_recording_again_writes_the_same_bytes(
    record_as: Recorder, published_state: Any, put: Any, s3: Any
) -> None:
    put(REPORT, {"rows_in": 421, "rows_quarantined": 3})

    def written() -> tuple[Record, bytes]:
        made = record_as("published", published_state())
        return made, s3.get_object(Bucket=BUCKET, Key=MANIFEST)["Body"].read()

    assert written() == written()
