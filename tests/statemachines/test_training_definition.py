"""The rules every state of the training machine keeps. What they are for stands beside each.

Service errors that are worth a retry are listed here once, by policy; the definition has to repeat them
in each task because the states language has no way to share them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent
TRAINING = ROOT / "statemachines" / "training.asl.json"

MACHINE_KEYS = ["Comment", "StartAt", "TimeoutSeconds", "States"]
STATE_KEYS = [
    *("Comment", "Type", "Resource", "InputPath", "Parameters", "Result", "ResultSelector", "ResultPath"),
    *("Error", "ErrorPath", "Cause", "CausePath", "Seconds", "TimeoutSeconds", "Retry", "Catch"),
    *("Choices", "Default", "Next"),
]
RETRY_KEYS = [
    *("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy")
]
OUTCOMES = {"ModelRegistered", "ModelRejected", "RunFailed", "RunUnrecorded"}
CONDITIONS = {"TrainingFailed", "TrainingTimedOut"}  # Pass states that say what has happened
DOCUMENTED_CHOICE = "MetricCheck"  # its name in the requirements, where choices have no question mark

# Optimised integrations (lambda, glue, sns) report the names of the AWS SDK for Java 1, aws-sdk ones those
# of Java 2. An error without a class of its own, throttling above all, has the name of the service's base
# class. For SageMaker that includes access denied and bad requests; five short retries do no harm there.
BASE_ERRORS = {
    "lambda": {"AWSLambdaException", "SdkClientException", "ClientExecutionTimeoutException"},
    "glue": {"AWSGlueException", "SdkClientException"},
    "sagemaker": {"SageMakerException", "SdkClientException"},
    "sns": {"AmazonSNSException", "SdkClientException"},
}
PREFIXES = {"lambda": "Lambda", "glue": "Glue", "sagemaker": "SageMaker", "sns": "SNS"}


def policy(errors: list[str], interval: int, attempts: int, longest: int) -> list[Json]:
    return [
        {
            "ErrorEquals": errors,
            "IntervalSeconds": interval,
            "MaxAttempts": attempts,
            "BackoffRate": 2,
            "MaxDelaySeconds": longest,
            "JitterStrategy": "FULL",  # runs that were refused together must not come back together
        }
    ]


RETRY_POLICIES = {
    "lambda": policy(
        [
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.TooManyRequestsException",
        ],
        interval=2,
        attempts=5,
        longest=30,
    ),
    # Somebody else's job run ends in minutes, not seconds.
    "glue": policy(
        [
            "Glue.ConcurrentRunsExceededException",
            "Glue.ResourceNumberLimitExceededException",
            "Glue.AWSGlueException",
            "Glue.InternalServiceException",
            "Glue.OperationTimeoutException",
            "Glue.SdkClientException",
        ],
        interval=60,
        attempts=6,
        longest=600,
    ),
    # States.Timeout too: starting carries a token, describing reads, stopping twice is stopping once.
    "sagemaker": policy(
        ["SageMaker.SageMakerException", "SageMaker.SdkClientException", "States.Timeout"],
        interval=3,
        attempts=5,
        longest=60,
    ),
    "sns": policy(
        [
            "SNS.AmazonSNSException",
            "SNS.InternalErrorException",
            "SNS.KMSThrottlingException",
            "SNS.SdkClientException",
        ],
        interval=2,
        attempts=5,
        longest=30,
    ),
}


@pytest.fixture(scope="module")
def states(definition: Json) -> dict[str, Json]:
    found: dict[str, Json] = definition["States"]
    return found


@pytest.fixture(scope="module")
def tasks(states: dict[str, Json]) -> dict[str, Json]:
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


def test_keys_stand_in_one_order(definition: Json, states: dict[str, Json]) -> None:
    assert list(definition) == MACHINE_KEYS
    for name, state in states.items():
        assert list(state) == [key for key in STATE_KEYS if key in state], name
        for retrier in state.get("Retry", []):
            assert list(retrier) == RETRY_KEYS, name
        for catcher in state.get("Catch", []):
            assert list(catcher) == ["ErrorEquals", "ResultPath", "Next"], name


def test_every_state_says_why_it_is_as_it_is(states: dict[str, Json]) -> None:
    assert not [name for name, state in states.items() if len(state.get("Comment", "").split()) < 8]


def test_names_tell_work_from_questions_and_outcomes(states: dict[str, Json]) -> None:
    for name, state in states.items():
        words = re.findall(r"[A-Z][a-z]+", name)
        if state["Type"] == "Choice":
            assert name.endswith("?") or name == DOCUMENTED_CHOICE
        elif state["Type"] in ("Succeed", "Fail"):
            assert name in OUTCOMES
        elif name in CONDITIONS:
            assert state["Type"] == "Pass"
        else:
            assert len(words) >= 2, f"{name} should be a verb and a noun"
            assert not words[0].endswith("ed"), f"{name} should be a verb and a noun"


def test_every_state_can_be_reached(states: dict[str, Json], definition: Json) -> None:
    assert reachable(states, definition["StartAt"]) == states.keys()


def test_every_path_comes_to_an_end(states: dict[str, Json]) -> None:
    for name in states:
        assert reachable(states, name) & OUTCOMES, name


def test_every_target_is_a_state(states: dict[str, Json]) -> None:
    for name, state in states.items():
        assert successors(state) <= states.keys(), name


def test_choices_have_a_default(states: dict[str, Json]) -> None:
    assert not [
        name for name, state in states.items() if state["Type"] == "Choice" and "Default" not in state
    ]


def test_transitions_can_be_told_apart_in_a_history(defined_transitions: list[Any]) -> None:
    # Two rules of one Choice with one target would be counted as covered when only one of them was taken.
    assert len(set(defined_transitions)) == len(defined_transitions)


def test_every_task_ends_within_the_machines_time(tasks: dict[str, Json], definition: Json) -> None:
    for name, task in tasks.items():
        assert 0 < task["TimeoutSeconds"] < definition["TimeoutSeconds"], name


def test_every_task_has_the_retry_policy_of_its_service(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        assert task["Retry"] == RETRY_POLICIES[service_and_action(task)[0]], name


@pytest.mark.parametrize("service", RETRY_POLICIES)
def test_retries_only_errors_the_service_can_report(service: str, tasks: dict[str, Json]) -> None:
    reported = {f"{PREFIXES[service]}.{error}" for error in BASE_ERRORS[service]} | {"States.Timeout"}
    for name, action in map(service_and_action, tasks.values()):
        if name == service:
            modelled = operation(service, action).error_shapes
            reported |= {f"{PREFIXES[service]}.{error.name}" for error in modelled}

    assert set(RETRY_POLICIES[service][0]["ErrorEquals"]) <= reported


@pytest.mark.parametrize("service", RETRY_POLICIES)
def test_never_retries_what_the_work_itself_reports(service: str) -> None:
    [retrier] = RETRY_POLICIES[service]

    assert not {"States.ALL", "States.TaskFailed", "Lambda.Unknown"} & set(retrier["ErrorEquals"])
    assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"], "Step Functions refuses it otherwise"


def test_every_task_catches_everything_and_the_recorder_hears_of_it(
    states: dict[str, Json], tasks: dict[str, Json]
) -> None:
    for name in tasks.keys() - {"RecordFailure", "NotifyFailure", "NotifyUnrecorded"}:
        [catcher] = tasks[name]["Catch"]
        assert catcher["ErrorEquals"] == ["States.ALL"], name
        assert recorded_next(states, catcher["Next"]), name


def test_failures_of_the_failure_path_end_the_run_and_keep_its_error(tasks: dict[str, Json]) -> None:
    caught = {
        name: (tasks[name]["Catch"][0]["ResultPath"], tasks[name]["Catch"][0]["Next"])
        for name in ("StopTraining", "RecordFailure", "NotifyFailure", "NotifyUnrecorded")
    }

    assert caught == {
        "StopTraining": ("$.stop_error", "RecordFailure"),
        "RecordFailure": ("$.record_error", "NotifyUnrecorded"),
        "NotifyFailure": ("$.notification_error", "RunFailed"),
        "NotifyUnrecorded": ("$.notification_error", "RunUnrecorded"),
    }


def test_polling_fits_into_an_execution_history(definition: Json, states: dict[str, Json]) -> None:
    events_per_round = 9  # Wait 2, Task 5, Choice 2
    rounds = definition["TimeoutSeconds"] / states["WaitForTraining"]["Seconds"]

    assert rounds * events_per_round < 25_000 / 2


def test_parameters_and_results_exist_in_the_service_model(tasks: dict[str, Json]) -> None:
    for name, task in tasks.items():
        service, action = service_and_action(task)
        model = operation(service, action)
        given = {key.removesuffix(".$") for key in task["Parameters"]}
        assert given <= model.input_shape.members.keys(), name
        assert set(model.input_shape.required_members) <= given, name
        if service == "sagemaker":
            selected = {path.split(".")[1] for path in task.get("ResultSelector", {}).values()}
            assert selected <= model.output_shape.members.keys(), name


def test_mocked_answers_have_fields_the_services_answer_with(
    mock_config: Json, tasks: dict[str, Json]
) -> None:
    for case in mock_config["StateMachines"]["training"]["TestCases"].values():
        for name, response in case.items():
            for answer in mock_config["MockedResponses"][response].values():
                assert answer.get("Return", {}).keys() <= answer_fields(tasks[name]), f"{response} for {name}"


def test_uses_jsonpath_alone_so_that_step_functions_local_can_run_it() -> None:
    text = TRAINING.read_text(encoding="utf-8")

    assert not re.search(r"QueryLanguage|JSONata|\{%|Assign", text)


def test_placeholders_mean_the_same_to_terraform() -> None:
    # templatefile() takes "$${" and "%{" for its own.
    text = TRAINING.read_text(encoding="utf-8")

    assert "$${" not in text
    assert "%{" not in text


def successors(state: Json) -> set[str]:
    found = {state[key] for key in ("Next", "Default") if key in state}
    return found | {option["Next"] for key in ("Choices", "Catch") for option in state.get(key, [])}


def reachable(states: dict[str, Json], start: str) -> set[str]:
    found, ahead = set(), [start]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += successors(states[name])
    return found


def recorded_next(states: dict[str, Json], name: str) -> bool:
    """The state is the recorder, or every way out of it leads straight there."""
    return name == "RecordFailure" or successors(states[name]) == {"RecordFailure"}


def service_and_action(task: Json) -> tuple[str, str]:
    service, action = task["Resource"].removesuffix(".sync").split(":")[-2:]
    return service, action[0].upper() + action[1:]


@cache
def operation(service: str, action: str) -> Any:
    return service_model(service).operation_model(action)


@cache
def service_model(service: str) -> Any:
    return get_session().get_service_model(service)


def answer_fields(task: Json) -> set[str]:
    service, action = service_and_action(task)
    if service == "glue":  # .sync answers with the finished job run
        return set(operation("glue", "GetJobRun").output_shape.members["JobRun"].members)
    return set(operation(service, action).output_shape.members)
