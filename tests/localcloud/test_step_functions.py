from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[[str], Any]
Deploy = Callable[..., str]
Finish = Callable[..., dict[str, Any]]

SLEEPING = "import time; print('started', flush=True); time.sleep(60)"


def one_task(job: str, **more: Any) -> str:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::glue:startJobRun.sync",
        "Parameters": {"JobName": job},
        "TimeoutSeconds": more.pop("task_timeout", 60),
        "End": True,
    }
    return json.dumps({"StartAt": "Work", "States": {"Work": task}, **more})


def runs(aws: Aws, job: str) -> list[str]:
    return [run["JobRunState"] for run in aws("glue").get_job_runs(JobName=job)["JobRuns"]]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def test_a_sync_task_waits_for_its_job(
    aws: Aws, deploy_job: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    machine = deploy_machine(one_task(deploy_job("pass")))
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    ended = finish(aws("stepfunctions"), execution)
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["JobRunState"] == "SUCCEEDED"


def test_a_failed_job_fails_its_task_with_the_job_run_as_cause(
    aws: Aws, deploy_job: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    job = deploy_job("import sys; sys.exit('NoValidRows: every row was quarantined')")
    machine = deploy_machine(one_task(job))
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    ended = finish(aws("stepfunctions"), execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["ErrorMessage"] == "NoValidRows: every row was quarantined"


def test_stopping_an_execution_stops_its_job_and_stays_aborted(
    aws: Aws, deploy_job: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    job = deploy_job(SLEEPING)
    machine = deploy_machine(one_task(job))
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    until(lambda: runs(aws, job) == ["RUNNING"], "the job runs")
    aws("stepfunctions").stop_execution(executionArn=execution)
    until(lambda: runs(aws, job) == ["STOPPED"], "the job is stopped")
    assert finish(aws("stepfunctions"), execution)["status"] == "ABORTED"


def test_a_task_that_times_out_stops_its_job(
    aws: Aws, deploy_job: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    job = deploy_job(SLEEPING)
    machine = deploy_machine(one_task(job, task_timeout=1))
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    assert finish(aws("stepfunctions"), execution)["error"] == "States.Timeout"
    until(lambda: runs(aws, job) == ["STOPPED"], "the job is stopped")


def test_an_execution_ends_when_the_machines_time_is_over(
    aws: Aws, deploy_job: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    job = deploy_job(SLEEPING)
    machine = deploy_machine(one_task(job, TimeoutSeconds=1))
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    assert finish(aws("stepfunctions"), execution)["status"] == "TIMED_OUT"
    until(lambda: runs(aws, job) == ["STOPPED"], "the job is stopped")
    history = aws("stepfunctions").get_execution_history(executionArn=execution)["events"]
    assert history[-1]["type"] == "ExecutionTimedOut"


def test_a_lambda_error_reaches_the_catch_under_its_own_name(
    aws: Aws, deploy_function: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    name = deploy_function("class NotToday(Exception): pass\ndef handler(e, c): raise NotToday('come back')")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": name},
        "Catch": [{"ErrorEquals": ["NotToday"], "Next": "Caught"}],
        "End": True,
    }
    machine = deploy_machine(
        json.dumps({"StartAt": "Try", "States": {"Try": task, "Caught": {"Type": "Succeed"}}})
    )
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    ended = finish(aws("stepfunctions"), execution)
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["Error"] == "NotToday"


def test_refuses_input_that_is_no_json(aws: Aws, deploy_machine: Deploy) -> None:
    machine = deploy_machine(json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}))
    with pytest.raises(ClientError, match="InvalidExecutionInput"):
        aws("stepfunctions").start_execution(stateMachineArn=machine, input="{not json")


def test_starting_the_same_execution_twice_starts_one(
    aws: Aws, deploy_job: Deploy, deploy_machine: Deploy, finish: Finish
) -> None:
    job = deploy_job(SLEEPING)
    machine = deploy_machine(one_task(job))
    states = aws("stepfunctions")
    first, second = (
        states.start_execution(stateMachineArn=machine, name="same", input="{}")["executionArn"]
        for _ in range(2)
    )
    assert first == second
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(stateMachineArn=machine, name="same", input='{"other": 1}')
    states.stop_execution(executionArn=first)
    finish(states, first)
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(stateMachineArn=machine, name="same", input="{}")


def test_a_choice_compares_timestamps_of_its_data(aws: Aws, deploy_machine: Deploy, finish: Finish) -> None:
    late = {"Variable": "$$.State.EnteredTime", "TimestampGreaterThanPath": "$.deadline", "Next": "Late"}
    states = {
        "Late?": {"Type": "Choice", "Choices": [late], "Default": "InTime"},
        "Late": {"Type": "Pass", "Result": "late", "End": True},
        "InTime": {"Type": "Pass", "Result": "in time", "End": True},
    }
    machine = deploy_machine(json.dumps({"StartAt": "Late?", "States": states}))
    outputs = []
    for deadline in ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"):
        run_input = json.dumps({"deadline": deadline})
        execution = aws("stepfunctions").start_execution(stateMachineArn=machine, input=run_input)
        outputs.append(finish(aws("stepfunctions"), execution["executionArn"])["output"])
    assert outputs == ['"late"', '"in time"']


def test_a_path_that_selects_nothing_ends_the_execution(
    aws: Aws, deploy_machine: Deploy, finish: Finish
) -> None:
    state = {"Type": "Pass", "Parameters": {"copy.$": "$.no_such_field"}, "End": True}
    machine = deploy_machine(json.dumps({"StartAt": "Copy", "States": {"Copy": state}}))
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    ended = finish(aws("stepfunctions"), execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    assert "$.no_such_field" in ended["cause"]


def test_a_machine_that_is_gone_can_be_deleted_again(aws: Aws, deploy_machine: Deploy) -> None:
    machine = deploy_machine(json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}))
    states = aws("stepfunctions")
    for _ in range(2):
        states.delete_state_machine(stateMachineArn=machine)
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        states.describe_state_machine(stateMachineArn=machine)
    with pytest.raises(ClientError):
        states.delete_state_machine(stateMachineArn="no ARN")


def test_a_machine_says_how_it_is_traced(aws: Aws, deploy_machine: Deploy) -> None:
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    states, machine = aws("stepfunctions"), deploy_machine(definition)

    def tracing() -> Any:
        return states.describe_state_machine(stateMachineArn=machine)["tracingConfiguration"]

    assert tracing() == {"enabled": False}
    states.update_state_machine(stateMachineArn=machine, tracingConfiguration={"enabled": True})
    states.update_state_machine(stateMachineArn=machine, definition=definition)
    assert tracing() == {"enabled": True}
