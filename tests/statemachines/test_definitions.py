"""The rules every state of every machine keeps. What they are for stands beside each.

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

from functions.common.promotion_run import Gate

Json = dict[str, Any]

MACHINE_KEYS = ["Comment", "StartAt", "TimeoutSeconds", "States"]
STATE_KEYS = [
    *("Comment", "Type", "Resource", "InputPath", "Parameters", "Result", "ResultSelector", "ResultPath"),
    *("Error", "ErrorPath", "Cause", "CausePath", "Seconds", "TimeoutSeconds", "Retry", "Catch"),
    *("Choices", "Default", "Next"),
]
RETRY_KEYS = [
    *("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy")
]
OUTCOMES = {
    "training": {"ModelRegistered", "ModelRejected", "RunFailed", "RunUnrecorded"},
    "batch_inference": {"PredictionsPublished", "NoApprovedModel", "RunFailed", "RunUnrecorded"},
    "promotion": {
        *("ModelPromoted", "AlreadyLive", "PromotionDeclined", "GateTimedOut", "PromotionRolledBack"),
        *("RunFailed", "RunUnrecorded"),
    },
}
CONDITIONS = {
    *("TrainingFailed", "TrainingTimedOut"),
    *("StagingFailed", "StagingTimedOut", "SmokeFailed", "ProdFailed", "ProdTimedOut", "ProdRolledBack"),
}  # Pass states that say what has happened
DOCUMENTED_CHOICE = "MetricCheck"  # its name in the requirements, where choices have no question mark

# Optimised integrations (lambda, glue, sns) report the names of the AWS SDK for Java 1, aws-sdk ones those
# of Java 2. An error without a class of its own, throttling above all, has the name of the service's base
# class. For SageMaker that includes access denied and bad requests; five short retries do no harm there.
BASE_ERRORS = {
    "lambda": {"AWSLambdaException", "SdkClientException", "ClientExecutionTimeoutException"},
    "glue": {"AWSGlueException", "SdkClientException"},
    "sagemaker": {"SageMakerException", "SdkClientException"},
    "sagemaker job": {"AmazonSageMakerException", "SdkClientException"},
    "sns": {"AmazonSNSException", "SdkClientException"},
}
PREFIXES = {
    "lambda": "Lambda",
    "glue": "Glue",
    "sagemaker": "SageMaker",
    "sagemaker job": "SageMaker",
    "sns": "SNS",
}

# Failures that do not go straight to the recorder, or not as `$.error`: where each is caught, in order.
CAUGHT_ELSEWHERE = {
    "training": {
        "StopTraining": [("States.ALL", "$.stop_error", "RecordFailure")],  # the error that led here is kept
    },
    "batch_inference": {
        "GetApprovedModel": [
            ("NoApprovedModel", "$.error", "RecordNoApprovedModel"),
            ("States.ALL", "$.error", "RecordFailure"),
        ],
        "NotifyDrift": [("States.ALL", "$.drift_notification_error", "PublishPredictions")],
    },
    "promotion": {
        "RequestApproval": [
            ("States.Timeout", "$.error", "CleanUpUnansweredStaging"),
            ("States.ALL", "$.error", "CleanUpFailedStaging"),
        ],
        # From here on prod may have been touched.
        **{
            name: [("States.ALL", "$.error", "BeginRollback")]
            for name in ("DeployProd", "DescribeProd", "VerifyProd")
        },
        "RollBackProd": [("States.ALL", "$.rollback_error", "CleanUpFailedStaging")],
        # Staging that is left over changes nothing about how the promotion ended.
        "CleanUpStaging": [("States.ALL", "$.clean_up_error", "RecordPromotion")],
        "CleanUpDeclinedStaging": [("States.ALL", "$.clean_up_error", "RecordDeclined")],
        "CleanUpUnansweredStaging": [("States.ALL", "$.clean_up_error", "RecordGateTimeout")],
        "CleanUpRolledBackStaging": [("States.ALL", "$.clean_up_error", "RecordRollback")],
        "CleanUpFailedStaging": [("States.ALL", "$.clean_up_error", "RecordFailure")],
    },
}
# Waiting for a person costs no event of a history; the polling has deadlines of its own.
WAITING_FOR_PEOPLE = {"promotion": "RequestApproval"}
CAUGHT_ON_THE_FAILURE_PATH = {
    "RecordFailure": [("States.ALL", "$.record_error", "NotifyUnrecorded")],
    "NotifyFailure": [("States.ALL", "$.notification_error", "RunFailed")],
    "NotifyUnrecorded": [("States.ALL", "$.notification_error", "RunUnrecorded")],
}


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
    # The job's own name is the token here: a job that was created once is not created again.
    "sagemaker job": policy(
        [
            "SageMaker.ResourceLimitExceededException",
            "SageMaker.AmazonSageMakerException",
            "SageMaker.SdkClientException",
        ],
        interval=10,
        attempts=6,
        longest=120,
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


def test_names_tell_work_from_questions_and_outcomes(states: dict[str, Json], machine_name: str) -> None:
    for name, state in states.items():
        words = re.findall(r"[A-Z][a-z]+", name)
        if state["Type"] == "Choice":
            assert name.endswith("?") or name == DOCUMENTED_CHOICE
        elif state["Type"] in ("Succeed", "Fail"):
            assert name in OUTCOMES[machine_name]
        elif name in CONDITIONS:
            assert state["Type"] == "Pass"
        else:
            assert len(words) >= 2, f"{name} should be a verb and a noun"
            assert not words[0].endswith("ed"), f"{name} should be a verb and a noun"


def test_every_state_can_be_reached(states: dict[str, Json], definition: Json) -> None:
    assert reachable(states, definition["StartAt"]) == states.keys()


def test_every_path_comes_to_an_end(states: dict[str, Json], machine_name: str) -> None:
    for name in states:
        assert reachable(states, name) & OUTCOMES[machine_name], name


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
        assert task["Retry"] == RETRY_POLICIES[policy_name(task)], name


def test_retries_only_errors_the_service_can_report(tasks: dict[str, Json]) -> None:
    for name in {policy_name(task) for task in tasks.values()}:
        using = [task for task in tasks.values() if policy_name(task) == name]
        modelled = {error for task in using for error in modelled_errors(task)}
        reported = {f"{PREFIXES[name]}.{error}" for error in BASE_ERRORS[name] | modelled}
        assert set(RETRY_POLICIES[name][0]["ErrorEquals"]) <= reported | {"States.Timeout"}, name


@pytest.mark.parametrize("service", RETRY_POLICIES)
def test_never_retries_what_the_work_itself_reports(service: str) -> None:
    [retrier] = RETRY_POLICIES[service]

    assert not {"States.ALL", "States.TaskFailed", "Lambda.Unknown"} & set(retrier["ErrorEquals"])
    assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"], "Step Functions refuses it otherwise"


def test_every_task_catches_everything_and_the_recorder_hears_of_it(
    states: dict[str, Json], tasks: dict[str, Json], machine_name: str
) -> None:
    for name in tasks.keys() - CAUGHT_ELSEWHERE[machine_name].keys() - CAUGHT_ON_THE_FAILURE_PATH.keys():
        [catcher] = tasks[name]["Catch"]
        assert (catcher["ErrorEquals"], catcher["ResultPath"]) == (["States.ALL"], "$.error"), name
        assert recorded_next(states, catcher["Next"]), name


def test_what_is_caught_elsewhere_is_listed_with_its_place(tasks: dict[str, Json], machine_name: str) -> None:
    listed = CAUGHT_ELSEWHERE[machine_name] | CAUGHT_ON_THE_FAILURE_PATH
    for name, expected in listed.items():
        caught = [(each["ErrorEquals"], each["ResultPath"], each["Next"]) for each in tasks[name]["Catch"]]
        assert caught == [([error], path, following) for error, path, following in expected], name


def test_polling_fits_into_an_execution_history(
    definition: Json, states: dict[str, Json], machine_name: str
) -> None:
    events_per_round = 9  # Wait 2, Task 5, Choice 2
    gate = WAITING_FOR_PEOPLE.get(machine_name)
    seconds = definition["TimeoutSeconds"] - (states[gate]["TimeoutSeconds"] if gate else 0)
    for wait in (state for state in states.values() if state["Type"] == "Wait"):
        rounds = seconds / wait["Seconds"]
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
            assert selected <= answer_fields(task), name


def test_mocked_answers_have_fields_the_services_answer_with(
    mock_config: Json, tasks: dict[str, Json], machine_name: str
) -> None:
    for case in mock_config["StateMachines"][machine_name]["TestCases"].values():
        for name, response in case.items():
            for answer in mock_config["MockedResponses"][response].values():
                assert answer.get("Return", {}).keys() <= answer_fields(tasks[name]), f"{response} for {name}"


def test_uses_jsonpath_alone_so_that_step_functions_local_can_run_it(definition_path: Path) -> None:
    text = definition_path.read_text(encoding="utf-8")

    assert not re.search(r"QueryLanguage|JSONata|\{%|Assign", text)


def test_placeholders_mean_the_same_to_terraform(definition_path: Path) -> None:
    # templatefile() takes "$${" and "%{" for its own.
    text = definition_path.read_text(encoding="utf-8")

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


def policy_name(task: Json) -> str:
    """The service's name; starting a job and waiting for it is judged by rules of its own."""
    service, _ = service_and_action(task)
    optimised = "aws-sdk" not in task["Resource"]
    return "sagemaker job" if service == "sagemaker" and optimised else service


def modelled_errors(task: Json) -> set[str]:
    """The operation's errors under the names of a Java SDK, where each ends in Exception."""
    names = (shape.name for shape in operation(*service_and_action(task)).error_shapes)
    return {name if name.endswith("Exception") else f"{name}Exception" for name in names}


def service_and_action(task: Json) -> tuple[str, str]:
    resource = task["Resource"].removesuffix(".sync").removesuffix(".waitForTaskToken")
    service, action = resource.split(":")[-2:]
    return service, action[0].upper() + action[1:]


@cache
def operation(service: str, action: str) -> Any:
    return service_model(service).operation_model(action)


@cache
def service_model(service: str) -> Any:
    return get_session().get_service_model(service)


def answer_fields(task: Json) -> set[str]:
    """What a task answers with; the `.sync` form of a job with its description, a gate with what is sent."""
    if task["Resource"].endswith(".waitForTaskToken"):
        return {*Gate.model_fields, "verdict"}  # a word of somebody's own, which must not open the gate
    service, action = service_and_action(task)
    if service == "glue":
        return set(operation("glue", "GetJobRun").output_shape.members["JobRun"].members)
    if task["Resource"].endswith(".sync"):
        action = action.replace("Create", "Describe")
    return set(operation(service, action).output_shape.members)
