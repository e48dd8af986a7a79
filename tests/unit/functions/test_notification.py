from __future__ import annotations

from typing import Any

import pytest

from functions.common.notification import build_notification

ARN = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-training:first"
LINK = f"https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{ARN}"
URI = "s3://bucket/runs/20261121-a6fe0531ae/manifest.json"
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
PASSED = [{"metric": "accuracy", "value": 0.8201, "threshold": 0.78, "passed": True}]
MISSED = [*PASSED, {"metric": "f1", "value": 0.62, "threshold": 0.7, "passed": False}]


def manifest(outcome: str, **changes: Any) -> dict[str, Any]:
    return {
        "run_id": "20261121-a6fe0531ae",
        "kind": "training",
        "outcome": outcome,
        "execution_arn": ARN,
        "source_uri": "s3://bucket/raw/titanic.csv",
        "arns": {"pipeline_execution": None, "model_package": PACKAGE},
        "data": None,
        "checks": [],
        "approval": {"status": None, "mode": "manual", "by": None},
        "failure": None,
    } | changes


def failure(**changes: Any) -> dict[str, Any]:
    return {
        "state": "PrepareData",
        "error": "MissingColumn",
        "cause": "no column 'Sex'",
        "step": None,
    } | changes


def everything() -> list[dict[str, Any]]:
    return [
        manifest("registered", checks=PASSED, approval={"status": "PendingManualApproval"}),
        manifest("registered", checks=PASSED, approval={"status": "Approved"}),
        manifest("rejected", checks=MISSED),
        manifest("failed", failure=failure()),
        manifest("failed", failure=failure(state=None, error="É" * 200, cause="x\ny")),
        manifest("failed", failure=failure(state="TrainingFailed", step="TrainModel")),
        manifest("aborted", failure=failure(error="ExecutionAborted")),
        manifest("timed_out", failure=failure(error="ExecutionTimedOut"), source_uri=None),
    ]


@pytest.mark.parametrize("told", everything())
def test_every_subject_is_one_that_sns_takes(told: dict[str, Any]) -> None:
    subject = build_notification(told, URI, "dev").subject
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) < 100
    assert subject.startswith("[dev] ")


@pytest.mark.parametrize("told", everything())
def test_every_message_says_where_to_look_and_what_to_type(told: dict[str, Any]) -> None:
    message = build_notification(told, URI, "dev").message
    for part in ("20261121-a6fe0531ae", LINK, URI, "Next:\n  titanic "):
        assert part in message
    assert "None" not in message


def test_a_failure_says_state_error_and_cause() -> None:
    told = build_notification(manifest("failed", failure=failure()), URI, "dev")
    assert told.subject == "[dev] Training failed at PrepareData: MissingColumn"
    for part in ("PrepareData", "MissingColumn", "no column 'Sex'", "titanic runs show 20261121-a6fe0531ae"):
        assert part in told.message


def test_a_failed_pipeline_names_its_step() -> None:
    told = build_notification(
        manifest("failed", failure=failure(state="TrainingFailed", step="TrainModel")), URI, "dev"
    )
    assert told.subject == "[dev] Training failed at TrainModel: MissingColumn"
    assert "TrainingFailed" in told.message


def test_a_stopped_run_says_so() -> None:
    aborted = manifest("aborted", failure=failure(state="WaitForTraining"))
    timed_out = manifest("timed_out", failure=failure(state="WaitForTraining"))
    assert build_notification(aborted, URI, "dev").subject == "[dev] Training was stopped at WaitForTraining"
    assert (
        build_notification(timed_out, URI, "prod").subject == "[prod] Training timed out at WaitForTraining"
    )


def test_a_rejection_shows_each_metric_beside_its_threshold() -> None:
    told = build_notification(manifest("rejected", checks=MISSED), URI, "dev")
    assert told.subject == "[dev] Model rejected: f1 0.6200 is below 0.7000"
    assert "accuracy    0.8201    0.7800  passed" in told.message
    assert "f1          0.6200    0.7000  below" in told.message


def test_a_pending_version_comes_with_the_command_that_approves_it() -> None:
    told = build_notification(
        manifest("registered", checks=PASSED, approval={"status": "PendingManualApproval"}), URI, "dev"
    )
    assert told.subject == "[dev] Model version 7 registered, awaits your approval"
    assert "Next:\n  titanic approve 7\n" in told.message
    assert PACKAGE in told.message


def test_an_approved_version_needs_no_command_but_a_look() -> None:
    told = build_notification(
        manifest("registered", checks=PASSED, approval={"status": "Approved"}), URI, "dev"
    )
    assert told.subject == "[dev] Model version 7 registered, approved"
    assert "titanic approve" not in told.message
    assert "titanic runs show 20261121-a6fe0531ae" in told.message


def test_commands_for_another_environment_name_it() -> None:
    told = build_notification(manifest("failed", failure=failure()), URI, "prod")
    assert "titanic runs show 20261121-a6fe0531ae --env prod" in told.message


def test_a_value_just_below_its_threshold_does_not_read_as_the_threshold() -> None:
    missed = [{"metric": "f1", "value": 0.69999, "threshold": 0.7, "passed": False}]
    told = build_notification(manifest("rejected", checks=missed), URI, "dev")
    assert told.subject == "[dev] Model rejected: f1 0.6999 is below 0.7000"
