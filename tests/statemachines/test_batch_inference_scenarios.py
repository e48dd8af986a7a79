"""Drives the batch inference machine through its cases, on a real engine with mocked tasks.

`mock_config.json` says what each task answers in each case; here stands where the machine must go.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("statemachines")  # one engine, one run of all cases

START = "SetInputAside InitRun"
TO_MODEL = f"{START} PrepareData GetApprovedModel"
TO_TRANSFORM = f"{TO_MODEL} CreateModel CreateTransformJob"
TO_VERDICT = f"{TO_TRANSFORM} CheckPredictions"
PUBLISH = "PublishPredictions RecordPublished NotifyPredictions"
NO_MODEL = "RecordNoApprovedModel NotifyNoApprovedModel"
FAILURE = "RecordFailure NotifyFailure RunFailed"
UNRECORDED = "RecordFailure NotifyUnrecorded RunUnrecorded"

WARNED = f"{TO_VERDICT} DataDrifted? NotifyDrift {PUBLISH} PredictionsPublished"
PUBLISHED = {
    "PredictionsArePublished": f"{TO_VERDICT} DataDrifted? {PUBLISH} PredictionsPublished",
    "ThereIsNoBaseline": f"{TO_VERDICT} DataDrifted? {PUBLISH} PredictionsPublished",
    "BatchHasDrifted": WARNED,
    "DriftCannotBeAnnounced": WARNED,
    "ServicesAreBusyOnTheWayToPredictions": WARNED,
}
WITHOUT_MODEL = {
    "NobodyApprovedAModel": f"{TO_MODEL} {NO_MODEL} NoApprovedModel",
    "ServicesAreBusyOnTheWayToNoApprovedModel": f"{TO_MODEL} {NO_MODEL} NoApprovedModel",
}
FAILED = {
    "InputIsRefused": f"{START} {FAILURE}",
    "ServiceStaysBusy": f"{START} {FAILURE}",
    "FailureCannotBeAnnounced": f"{START} {FAILURE}",
    "ServicesAreBusyOnTheWayToFailure": f"{START} {FAILURE}",
    "TableLacksColumn": f"{START} PrepareData {FAILURE}",
    "BatchIsEmpty": f"{START} PrepareData {FAILURE}",
    "PreparingTakesTooLong": f"{START} PrepareData {FAILURE}",
    "RegistryCannotBeRead": f"{TO_MODEL} {FAILURE}",
    "NoApprovedModelCannotBeRecorded": f"{TO_MODEL} RecordNoApprovedModel {FAILURE}",
    "NoApprovedModelCannotBeAnnounced": f"{TO_MODEL} {NO_MODEL} {FAILURE}",
    "VersionIsGoneMeanwhile": f"{TO_MODEL} CreateModel {FAILURE}",
    "TransformCannotStart": f"{TO_TRANSFORM} {FAILURE}",
    "TransformFails": f"{TO_TRANSFORM} {FAILURE}",
    "TransformTakesTooLong": f"{TO_TRANSFORM} {FAILURE}",
    "PredictionsAreIncomplete": f"{TO_VERDICT} {FAILURE}",
    "PredictionsAreOutOfRange": f"{TO_VERDICT} {FAILURE}",
    "PredictionsCannotBePublished": f"{TO_VERDICT} DataDrifted? PublishPredictions {FAILURE}",
    "PublicationCannotBeRecorded": f"{TO_VERDICT} DataDrifted? PublishPredictions RecordPublished {FAILURE}",
    "PublicationCannotBeAnnounced": f"{TO_VERDICT} DataDrifted? {PUBLISH} {FAILURE}",
}
LOST = {
    "FailureCannotBeRecorded": f"{START} {UNRECORDED}",
    "FailureCannotBeRecordedNorAnnounced": f"{START} {UNRECORDED}",
    "ServicesAreBusyAndFailureCannotBeRecorded": f"{START} {UNRECORDED}",
}
PATHS = PUBLISHED | WITHOUT_MODEL | FAILED | LOST

BUCKET = "s3://titanic-sagemaker-dev-123456789012"
RUN_ID = "20261121-1a2b3c4d5e"

Outcomes = dict[str, Any]


@pytest.fixture(scope="module")
def machine_name() -> str:
    return "batch_inference"


@pytest.mark.parametrize("case", PATHS)
def test_takes_the_expected_path(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]

    assert outcome.path == PATHS[case], f"ended {outcome.status}: {outcome.error}: {outcome.cause}"
    assert outcome.status == ("SUCCEEDED" if case in PUBLISHED else "FAILED")


def test_every_case_of_the_mock_configuration_has_an_expected_path(outcomes: Outcomes) -> None:
    assert outcomes.keys() == PATHS.keys()


def test_a_published_run_says_where_the_predictions_are(outcomes: Outcomes) -> None:
    output = outcomes["PredictionsArePublished"].output

    assert output["decision"] == "published"
    assert output["predictions"]["predictions_uri"].startswith(f"{BUCKET}/predictions/run_date=2026-11-21/")


@pytest.mark.parametrize("case", WITHOUT_MODEL)
def test_a_run_without_an_approved_model_ends_under_a_name_of_its_own(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]
    recorded = outcome.last_call("RecordNoApprovedModel")["Payload"]

    assert outcome.error == "NoApprovedModel"
    assert "approve one that waits" in outcome.cause
    assert recorded["outcome"] == "no_approved_model"
    assert recorded["state"]["error"]["Error"] == "NoApprovedModel"


@pytest.mark.parametrize(
    ("case", "state", "error"),
    [
        ("InputIsRefused", "InitRun", "InvalidInput"),
        ("BatchIsEmpty", "PrepareData", "States.TaskFailed"),
        ("RegistryCannotBeRead", "GetApprovedModel", "AccessDeniedException"),
        ("VersionIsGoneMeanwhile", "CreateModel", "ModelPackageNotFound"),
        ("TransformFails", "CreateTransformJob", "States.TaskFailed"),
        ("TransformTakesTooLong", "CreateTransformJob", "States.Timeout"),
        ("PredictionsAreIncomplete", "CheckPredictions", "PredictionsIncomplete"),
        ("PredictionsAreOutOfRange", "CheckPredictions", "PredictionsOutOfRange"),
        ("PredictionsCannotBePublished", "PublishPredictions", "PredictionsIncomplete"),
    ],
)
def test_a_failure_that_would_repeat_is_tried_once_and_handed_to_the_recorder(
    outcomes: Outcomes, case: str, state: str, error: str
) -> None:
    assert outcomes[case].tries(state) == 1
    assert outcomes[case].last_call("RecordFailure")["Payload"]["state"]["error"]["Error"] == error


def test_a_transform_that_finds_no_instance_is_tried_seven_times(outcomes: Outcomes) -> None:
    recorded = outcomes["TransformCannotStart"].last_call("RecordFailure")["Payload"]["state"]

    assert outcomes["TransformCannotStart"].tries("CreateTransformJob") == 7
    assert recorded["error"]["Error"] == "SageMaker.ResourceLimitExceededException"


def test_retries_of_the_transform_carry_one_name(outcomes: Outcomes) -> None:
    [visit] = [
        visit
        for visit in outcomes["ServicesAreBusyOnTheWayToPredictions"].visits
        if visit.state == "CreateTransformJob"
    ]

    assert visit.errors == ["SageMaker.ResourceLimitExceededException", "SageMaker.AmazonSageMakerException"]
    assert {parameters["TransformJobName"] for parameters in visit.calls} == {f"batch-{RUN_ID}"}


def test_the_recorder_gets_the_failed_transforms_description(outcomes: Outcomes) -> None:
    error = outcomes["TransformFails"].last_call("RecordFailure")["Payload"]["state"]["error"]

    assert json.loads(error["Cause"])["FailureReason"].startswith("AlgorithmError")


def test_the_jobs_get_what_init_run_decided(outcomes: Outcomes) -> None:
    job, transform = (
        outcomes["PredictionsArePublished"].last_call(name) for name in ("PrepareData", "CreateTransformJob")
    )

    assert job["Arguments"] == {
        "--mode": "inference",
        "--run_id": RUN_ID,
        "--source_uri": f"{BUCKET}/raw/new_passengers/",
        "--bucket": "titanic-sagemaker-dev-123456789012",
    }
    assert transform["ModelName"] == "titanic-survival-xgboost-dev-v7"
    source = transform["TransformInput"]["DataSource"]["S3DataSource"]
    assert source == {"S3DataType": "S3Prefix", "S3Uri": f"{BUCKET}/curated/runs/{RUN_ID}/inference/"}
    assert transform["TransformOutput"]["S3OutputPath"] == f"{BUCKET}/runs/{RUN_ID}/transform/"


def test_every_line_of_the_transform_is_an_id_and_a_score(outcomes: Outcomes) -> None:
    transform = outcomes["PredictionsArePublished"].last_call("CreateTransformJob")

    assert transform["DataProcessing"] == {
        "InputFilter": "$[1:]",  # the model never sees the id
        "JoinSource": "Input",
        "OutputFilter": "$[0,-1]",
    }
    assert (transform["TransformInput"]["SplitType"], transform["TransformOutput"]["AssembleWith"]) == (
        "Line",
        "Line",
    )


def test_drift_warns_in_the_words_of_the_check_before_anything_is_published(outcomes: Outcomes) -> None:
    warning = outcomes["BatchHasDrifted"].last_call("NotifyDrift")

    assert warning["Subject"] == "[dev] Drift: Age 0.62 above 0.20"
    assert outcomes["PredictionsArePublished"].tries("NotifyDrift") == 0


def test_a_warning_that_could_not_be_sent_is_kept_beside_the_run(outcomes: Outcomes) -> None:
    state = outcomes["DriftCannotBeAnnounced"].last_call("RecordPublished")["Payload"]["state"]

    assert state["drift_notification_error"]["Error"] == "SNS.NotFoundException"
    assert state["predictions"]["drift"]["above_threshold"] is True


def test_the_recorder_of_a_published_run_sees_all_that_was_found_out(outcomes: Outcomes) -> None:
    state = outcomes["PredictionsArePublished"].last_call("RecordPublished")["Payload"]["state"]

    assert state.keys() == {
        *("run", "prepare", "approved", "model", "transform", "predictions", "publication"),
    }
