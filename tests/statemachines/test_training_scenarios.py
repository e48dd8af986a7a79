"""Drives the training machine through every state, transition and retry, on a real engine with mocked tasks.

`mock_config.json` says what each task answers in each case; here stands where the machine must go.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

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
Definition = dict[str, Any]


@pytest.mark.parametrize("case", PATHS)
def test_takes_the_expected_path(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]

    assert outcome.path == PATHS[case], f"ended {outcome.status}: {outcome.error}: {outcome.cause}"
    assert outcome.status == ("SUCCEEDED" if case in REGISTERED | REJECTED else "FAILED")


def test_every_case_of_the_mock_configuration_has_an_expected_path(outcomes: Outcomes) -> None:
    assert outcomes.keys() == PATHS.keys()


def test_goes_through_every_state_and_transition_and_retry(
    outcomes: Outcomes,
    definition: Definition,
    defined_transitions: list[Any],
    engine: Any,
    record_property: Callable[[str, object], None],
) -> None:
    states = definition["States"]
    tasks = {name for name, state in states.items() if state["Type"] == "Task"}
    visited = {visit.state for outcome in outcomes.values() for visit in outcome.visits}
    taken = {step for outcome in outcomes.values() for step in outcome.transitions(states)}
    retried = {name for outcome in outcomes.values() for name in outcome.retried()}
    record_property(
        "terminal_summary",
        f"training.asl.json: {len(visited & states.keys())} of {len(states)} states, "
        f"{len(taken & set(defined_transitions))} of {len(defined_transitions)} transitions, "
        f"{len(retried)} of {len(tasks)} tasks retried, by {len(outcomes)} cases on {engine.name}",
    )

    assert not states.keys() - visited, "states never entered"
    assert not [str(step) for step in sorted(set(defined_transitions) - taken)], "transitions never taken"
    assert not [str(step) for step in sorted(taken - set(defined_transitions))], "transitions nobody defined"
    assert not tasks - retried, "tasks whose retry was never seen to work"


def test_a_registered_run_ends_with_the_recorders_summary_alone(outcomes: Outcomes, mock_config: Any) -> None:
    recorded = mock_config["MockedResponses"]["RegistrationRecorded"]["0"]["Return"]["Payload"]

    assert outcomes["ModelIsRegistered"].output == recorded["summary"]


def test_a_rejected_run_succeeds_and_says_rejected(outcomes: Outcomes) -> None:
    assert outcomes["PipelineRegistersNothing"].output["decision"] == "rejected"


@pytest.mark.parametrize("case", FAILED)
def test_a_failed_run_ends_with_the_recorders_error_and_cause(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]

    assert (outcome.error, outcome.cause) == ("MissingColumn", "raw/titanic.csv has no column Sex")


@pytest.mark.parametrize("case", LOST)
def test_a_run_without_a_record_ends_under_a_name_of_its_own(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]

    assert outcome.error == "RunUnrecorded"
    assert "InvalidInput" in outcome.cause
    assert "AccessDenied" in outcome.cause


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
    assert calls(outcomes[case], state) == 1
    recorded = call(outcomes[case], "RecordFailure")["Payload"]

    assert recorded["outcome"] == "failed"
    assert recorded["state"]["error"]["Error"] == error


def test_a_service_that_stays_busy_is_tried_six_times(outcomes: Outcomes) -> None:
    assert calls(outcomes["ServiceStaysBusy"], "InitRun") == 6


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
    recorded = call(outcomes[case], "RecordFailure")["Payload"]["state"]["error"]

    assert recorded["Error"] == error
    assert words in recorded["Cause"]


def test_the_recorder_is_told_who_it_records_even_when_init_run_failed(outcomes: Outcomes) -> None:
    payload = call(outcomes["InputIsRefused"], "RecordFailure")["Payload"]

    assert payload["execution"].keys() == {"id", "name", "start_time", "state_machine_id", "input"}
    assert payload["execution"]["id"].endswith(payload["execution"]["name"])
    assert payload["execution"]["input"] == {}
    assert payload["state"].keys() == {"error"}


def test_the_recorder_of_a_registered_run_sees_all_that_was_found_out(outcomes: Outcomes) -> None:
    state = call(outcomes["ModelIsRegistered"], "RecordRegistered")["Payload"]["state"]

    assert state.keys() == {"run", "prepare", "training", "evaluation", "registration"}


def test_the_job_and_the_pipeline_get_what_init_run_decided(outcomes: Outcomes, mock_config: Any) -> None:
    run = mock_config["MockedResponses"]["RunDescribed"]["0"]["Return"]["Payload"]
    job, pipeline = (call(outcomes["ModelIsRegistered"], name) for name in ("PrepareData", "StartTraining"))
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


def test_the_message_about_an_unrecorded_run_fits_sns_and_names_both_errors(outcomes: Outcomes) -> None:
    message = call(outcomes["FailureCannotBeRecorded"], "NotifyUnrecorded")

    assert message["Subject"] == "training: a run failed and left no record"
    assert "InvalidInput" in message["Message"]
    assert "AccessDenied" in message["Message"]
    assert "execution:training:" in message["Message"]


def test_every_request_to_aws_satisfies_the_service_model(outcomes: Outcomes, definition: Definition) -> None:
    problems = {
        f"{outcome.case}: {visit.state}: {problem}"
        for outcome in outcomes.values()
        for visit in outcome.visits
        for parameters in visit.calls
        if (problem := refusal(definition["States"][visit.state]["Resource"], parameters))
    }

    assert not problems


def refusal(resource: str, parameters: dict[str, Any]) -> str:
    """Why the service would refuse the request that the task makes; empty when it would not."""
    service, action = resource.removesuffix(".sync").split(":")[-2:]
    model = service_model(service).operation_model(action[0].upper() + action[1:])
    if service == "lambda":  # the optimised integration takes the payload as JSON
        parameters = parameters | {"Payload": json.dumps(parameters["Payload"])}
    return str(ParamValidator().validate(parameters, model.input_shape).generate_report())


@cache
def service_model(service: str) -> Any:
    return get_session().get_service_model(service)


def calls(outcome: Any, state: str) -> int:
    return sum(len(visit.calls) for visit in outcome.visits if visit.state == state)


def call(outcome: Any, state: str) -> dict[str, Any]:
    """Parameters of the last call that the state made."""
    made: list[dict[str, Any]] = [
        parameters for visit in outcome.visits if visit.state == state for parameters in visit.calls
    ]
    return made[-1]
