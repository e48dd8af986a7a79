from __future__ import annotations

from typing import Any

import pytest

from functions.common.message import pairs
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


def batch(outcome: str, **changes: Any) -> dict[str, Any]:
    return (
        manifest(outcome)
        | {
            "kind": "batch_inference",
            "data": {"rows_in": 421, "rows_quarantined": 3},
            "approval": {"status": "Approved", "mode": None, "by": None},
            "predictions": {"rows": 418, "predictions_uri": "s3://bucket/predictions/x/", "is_latest": True},
            "drift": drift(),
            "waiting_versions": [],
        }
        | changes
    )


def drift(reason: str | None = None, **indices: float) -> dict[str, Any]:
    shifts = {name: {"psi": psi, "noise": 0.15, "above": psi > 0.2} for name, psi in indices.items()}
    return {
        "threshold": 0.2,
        "above_threshold": any(shift["above"] for shift in shifts.values()),
        "reason": reason,
        "baseline_uri": None if reason else "s3://bucket/baseline.json",
        "baseline_rows": None if reason else 178,
        "score": None if reason else {"psi": 0.02, "noise": 0.15, "above": False},
        "features": shifts,
    }


def no_model(*waiting: int) -> dict[str, Any]:
    failed = failure(state="GetApprovedModel", error="NoApprovedModel", cause="No version is approved.")
    return batch(
        "no_approved_model",
        failure=failed,
        predictions=None,
        drift=None,
        waiting_versions=list(waiting),
        arns={"pipeline_execution": None, "model_package": None},
    )


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
        batch("published"),
        batch("published", drift=drift(**{f"feature_{number}": 1.5 for number in range(40)})),
        batch("published", drift=drift("there is no baseline")),
        batch("failed", failure=failure(), predictions=None, drift=None, data=None),
        batch("aborted", failure=failure(error="ExecutionAborted"), predictions=None, drift=None),
        no_model(),
        no_model(7),
        no_model(*range(140, 0, -1)),
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
    assert "docs/runbooks/retrain-failed.md" in told.message


def test_published_predictions_say_how_many_where_and_of_which_version() -> None:
    told = build_notification(batch("published", drift=drift(Age=0.05)), URI, "dev")
    assert told.subject == "[dev] 418 predictions published"
    for part in ("421 in, 3 quarantined, 418 predicted", "s3://bucket/predictions/x/", PACKAGE, "0.0500"):
        assert part in told.message
    assert "Runbook" not in told.message


def test_drift_is_in_the_subject_and_as_a_table_in_the_message() -> None:
    told = build_notification(batch("published", drift=drift(Age=0.41234, Fare=0.05)), URI, "dev")
    assert told.subject == "[dev] 418 predictions published, drift in Age 0.41"
    assert "drift       psi   noise   limit\nAge      0.4123  0.1500  0.2000  above\n" in told.message
    assert "Fare     0.0500  0.1500  0.2000  ok\n" in told.message


def test_the_subject_names_the_furthest_of_many_and_the_message_what_to_do() -> None:
    drifted = drift(Age=0.5, Fare=0.9, Parch=0.7, SibSp=0.6, Sex=0.3)
    told = build_notification(batch("published", drift=drifted), URI, "dev")
    assert told.subject.endswith("drift in Fare 0.90, Parch 0.70, SibSp 0.60 and 2 more")
    assert "docs/runbooks/drift-warning.md" in told.message


def test_a_small_batchs_large_index_is_called_chance() -> None:
    shifted = drift(Fare=0.05)
    shifted["features"]["Age"] = {"psi": 0.64, "noise": 2.7, "above": False}
    told = build_notification(batch("published", drift=shifted), URI, "dev")
    assert told.subject == "[dev] 418 predictions published"
    assert "Age      0.6400  2.7000  0.2000  chance\n" in told.message


def test_only_the_furthest_of_many_variables_are_shown() -> None:
    indices = {f"feature_{number:02d}": number / 100 for number in range(40)}
    told = build_notification(batch("published", drift=drift(**indices)), URI, "dev")
    assert "feature_39" in told.message
    assert "feature_20" not in told.message
    assert "and 29 more" in told.message


def test_drift_that_was_not_measured_says_why() -> None:
    told = build_notification(batch("published", drift=drift("the version has no baseline")), URI, "dev")
    assert "Drift was not measured: the version has no baseline." in told.message


def test_a_set_that_is_not_the_latest_says_so() -> None:
    predictions = {"rows": 418, "predictions_uri": "s3://bucket/predictions/x/", "is_latest": False}
    told = build_notification(batch("published", predictions=predictions), URI, "dev")
    assert "A later run's set stays the one in predictions/latest.json." in told.message


@pytest.mark.parametrize(
    ("waiting", "subject", "command"),
    [
        ((7,), "version 7 waiting", "titanic approve 7"),
        ((9, 8, 3), "versions 9, 8 and 3 waiting", "titanic approve 9"),
        ((9, 8, 7, 6, 5, 4, 3), "versions 9, 8, 7, 6, 5 and 2 more waiting", "titanic approve 9"),
        ((), "none is waiting", "titanic train"),
    ],
)
def test_without_an_approved_model_it_says_which_wait_and_what_to_type(
    waiting: tuple[int, ...], subject: str, command: str
) -> None:
    told = build_notification(no_model(*waiting), URI, "dev")
    assert told.subject == f"[dev] No predictions: no model is approved, {subject}"
    assert f"Next:\n  {command}\n  titanic predict\n" in told.message
    assert "docs/runbooks/no-predictions-today.md" in told.message


def test_a_failed_batch_is_not_called_training() -> None:
    told = build_notification(batch("failed", failure=failure(), predictions=None, drift=None), URI, "dev")
    assert told.subject == "[dev] Batch inference failed at PrepareData: MissingColumn"


def test_a_failed_training_names_its_runbook() -> None:
    told = build_notification(manifest("failed", failure=failure()), URI, "dev")
    assert "docs/runbooks/retrain-failed.md" in told.message


def test_a_blank_follows_every_name_and_values_line_up() -> None:
    written = pairs([("Run", "1"), ("Asked by", "somebody"), ("Training", "2"), ("Reason", None)])
    assert written == "Run:      1\nAsked by: somebody\nTraining: 2"
    assert pairs([("Run", "1")]) == "Run:     1"  # as wide as other blocks of a message
    assert pairs([]) == ""
