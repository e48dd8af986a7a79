"""Drives the training machine through its cases, on a real engine with mocked tasks.

`mock_config.json` says what each task answers in each case; here stands where the machine must go.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("statemachines")  # one engine, one run of all cases

START = "SetInputAside InitRun"
TO_TRAINING = f"{START} PrepareData StartTraining"
LOOK = "WaitForTraining DescribeTraining"
TO_VERDICT = f"{TO_TRAINING} {LOOK} TrainingFinished? EvalMetrics"
REGISTER = "MetricCheck RegisterModel RecordRegistered NotifyRegistered"
REJECT = "MetricCheck RejectModel RecordRejected NotifyRejected"
FAILURE = "RecordFailure NotifyFailure RunFailed"
UNRECORDED = "RecordFailure NotifyUnrecorded RunUnrecorded"

REGISTERED = {
    "ModelIsRegistered": f"{TO_VERDICT} {REGISTER} ModelRegistered",
    "TrainingNeedsTwoLooks": (
        f"{TO_TRAINING} {LOOK} TrainingFinished? {LOOK} TrainingFinished? EvalMetrics"
        f" {REGISTER} ModelRegistered"
    ),
    "TrainingEndsJustPastDeadline": f"{TO_VERDICT} {REGISTER} ModelRegistered",
    "ServicesAreBusyOnTheWayToRegistration": f"{TO_VERDICT} {REGISTER} ModelRegistered",
}
REJECTED = {
    "ModelIsRejected": f"{TO_VERDICT} {REJECT} ModelRejected",
    "PipelineRegistersNothing": f"{TO_VERDICT} {REJECT} ModelRejected",
    "ModelHasNoVerdict": f"{TO_VERDICT} {REJECT} ModelRejected",
    "ServicesAreBusyOnTheWayToRejection": f"{TO_VERDICT} {REJECT} ModelRejected",
}
STOPPED_LATE = f"{TO_TRAINING} {LOOK} TrainingFinished? TrainingTimedOut StopTraining {FAILURE}"
FAILED = {
    "InputIsRefused": f"{START} {FAILURE}",
    "AnotherRunIsInProgress": f"{START} {FAILURE}",
    "ServiceStaysBusy": f"{START} {FAILURE}",
    "FailureCannotBeAnnounced": f"{START} {FAILURE}",
    "TableLacksColumn": f"{START} PrepareData {FAILURE}",
    "PreparingTakesTooLong": f"{START} PrepareData {FAILURE}",
    "PipelineCannotStart": f"{TO_TRAINING} {FAILURE}",
    "PipelineCannotBeDescribed": f"{TO_TRAINING} {LOOK} StopTraining {FAILURE}",
    "PipelineFails": f"{TO_TRAINING} {LOOK} TrainingFinished? TrainingFailed {FAILURE}",
    "PipelineIsStopped": (
        f"{TO_TRAINING} {LOOK} TrainingFinished? {LOOK} TrainingFinished? TrainingFailed {FAILURE}"
    ),
    "TrainingMissesDeadline": STOPPED_LATE,
    "TrainingMissesDeadlineAndCannotBeStopped": STOPPED_LATE,
    "ServicesAreBusyOnTheWayToFailure": STOPPED_LATE,
    "MetricsAreUnavailable": f"{TO_VERDICT} {FAILURE}",
    "VersionCannotBeRegistered": f"{TO_VERDICT} MetricCheck RegisterModel {FAILURE}",
    "VersionCannotBeRejected": f"{TO_VERDICT} MetricCheck RejectModel {FAILURE}",
    "RegistrationCannotBeRecorded": f"{TO_VERDICT} MetricCheck RegisterModel RecordRegistered {FAILURE}",
    "RejectionCannotBeRecorded": f"{TO_VERDICT} MetricCheck RejectModel RecordRejected {FAILURE}",
    "RegistrationCannotBeAnnounced": f"{TO_VERDICT} {REGISTER} {FAILURE}",
    "RejectionCannotBeAnnounced": f"{TO_VERDICT} {REJECT} {FAILURE}",
}
LOST = {
    "FailureCannotBeRecorded": f"{START} {UNRECORDED}",
    "FailureCannotBeRecordedNorAnnounced": f"{START} {UNRECORDED}",
    "ServicesAreBusyAndFailureCannotBeRecorded": f"{START} {UNRECORDED}",
}
PATHS = REGISTERED | REJECTED | FAILED | LOST

Outcomes = dict[str, Any]


@pytest.fixture(scope="module")
def machine_name() -> str:
    return "training"


@pytest.mark.parametrize("case", PATHS)
def test_takes_the_expected_path(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]

    assert outcome.path == PATHS[case], f"ended {outcome.status}: {outcome.error}: {outcome.cause}"
    assert outcome.status == ("SUCCEEDED" if case in REGISTERED | REJECTED else "FAILED")


def test_every_case_of_the_mock_configuration_has_an_expected_path(outcomes: Outcomes) -> None:
    assert outcomes.keys() == PATHS.keys()


def test_a_registered_run_ends_with_the_recorders_summary_alone(outcomes: Outcomes, mock_config: Any) -> None:
    recorded = mock_config["MockedResponses"]["RegistrationRecorded"]["0"]["Return"]["Payload"]

    assert outcomes["ModelIsRegistered"].output == recorded["summary"]


def test_a_rejected_run_succeeds_and_says_rejected(outcomes: Outcomes) -> None:
    assert outcomes["PipelineRegistersNothing"].output["decision"] == "rejected"


@pytest.mark.parametrize(
    ("case", "state", "error"),
    [
        ("InputIsRefused", "InitRun", "InvalidInput"),
        ("TableLacksColumn", "PrepareData", "States.TaskFailed"),
        ("PreparingTakesTooLong", "PrepareData", "States.Timeout"),
        ("MetricsAreUnavailable", "EvalMetrics", "MetricsUnavailable"),
        ("VersionCannotBeRegistered", "RegisterModel", "ModelPackageNotFound"),
    ],
)
def test_a_failure_that_would_repeat_is_tried_once_and_handed_to_the_recorder(
    outcomes: Outcomes, case: str, state: str, error: str
) -> None:
    assert outcomes[case].tries(state) == 1
    recorded = outcomes[case].last_call("RecordFailure")["Payload"]

    assert recorded["outcome"] == "failed"
    assert recorded["state"]["error"]["Error"] == error


@pytest.mark.parametrize(
    ("case", "error", "words"),
    [
        ("PipelineFails", "TrainingFailed", "ended as Failed"),
        ("PipelineIsStopped", "TrainingFailed", "ended as Stopped"),
        ("TrainingMissesDeadline", "TrainingTimedOut", "still Executing at its deadline 2000-01-01"),
        ("TrainingMissesDeadlineAndCannotBeStopped", "TrainingTimedOut", "still Executing"),
        ("PipelineCannotBeDescribed", "SageMaker.ResourceNotFoundException", "does not exist"),
    ],
)
def test_the_recorder_gets_the_first_error_in_words(
    outcomes: Outcomes, case: str, error: str, words: str
) -> None:
    recorded = outcomes[case].last_call("RecordFailure")["Payload"]["state"]["error"]

    assert recorded["Error"] == error
    assert words in recorded["Cause"]


def test_the_recorder_of_a_registered_run_sees_all_that_was_found_out(outcomes: Outcomes) -> None:
    state = outcomes["ModelIsRegistered"].last_call("RecordRegistered")["Payload"]["state"]

    assert state.keys() == {"run", "prepare", "training", "evaluation", "registration"}


def test_the_job_and_the_pipeline_get_what_init_run_decided(outcomes: Outcomes, mock_config: Any) -> None:
    run = mock_config["MockedResponses"]["RunDescribed"]["0"]["Return"]["Payload"]
    job, pipeline = (
        outcomes["ModelIsRegistered"].last_call(name) for name in ("PrepareData", "StartTraining")
    )
    parameters = {entry["Name"]: entry["Value"] for entry in pipeline["PipelineParameters"]}

    assert job["Arguments"] == {
        "--mode": "training",
        "--run_id": run["run_id"],
        "--source_uri": run["source_uri"],
        "--bucket": "titanic-sagemaker-dev-123456789012",
    }
    assert parameters == {
        "CodeBundleUri": run["code_bundle_uri"],
        "InputTrainUri": run["train_uri"],
        "InputValidationUri": run["validation_uri"],
        "AccuracyThreshold": "0.78",
    }
    assert pipeline["PipelineExecutionDisplayName"] == run["run_id"]


def test_retries_of_start_training_carry_one_token(outcomes: Outcomes) -> None:
    [visit] = [
        visit
        for visit in outcomes["ServicesAreBusyOnTheWayToRegistration"].visits
        if visit.state == "StartTraining"
    ]

    assert visit.errors == ["SageMaker.SageMakerException", "States.Timeout"]
    assert len({parameters["ClientRequestToken"] for parameters in visit.calls}) == 1
