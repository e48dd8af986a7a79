"""A task that waits for its token: what it does with an error, an answer, a second answer and a late one."""

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

KEEP_TOKEN = "import json\ndef handler(event, context): print('token ' + event['token'])"
FAIL = (
    "class NobodyToAsk(Exception): pass\ndef handler(event, context): raise NobodyToAsk('the topic is gone')"
)
CATCH = {"Catch": [{"ErrorEquals": ["NobodyToAsk"], "ResultPath": "$.error", "Next": "Caught"}]}
A_DAY = 86400


@pytest.fixture
def ask(aws: Aws, deploy_machine: Deploy) -> Callable[..., str]:
    """Starts an execution whose one task asks a function and waits for a day; its ARN."""

    def start(function: str, **more: Any) -> str:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {"FunctionName": function, "Payload": {"token.$": "$$.Task.Token"}},
            "TimeoutSeconds": A_DAY,
            "End": True,
            **more,
        }
        definition = {"StartAt": "Ask", "States": {"Ask": task, "Caught": {"Type": "Succeed"}}}
        machine = deploy_machine(json.dumps(definition))
        arn: str = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
        return arn

    return start


@pytest.fixture
def asked(aws: Aws, deploy_function: Deploy, ask: Callable[..., str]) -> tuple[str, str]:
    """An execution that waits, and its token."""
    function = deploy_function(KEEP_TOKEN)
    return ask(function), token_of(aws, function)


def token_of(aws: Aws, function: str) -> str:
    """The token that the function has printed."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in log_lines(aws, function):
            if line.startswith("token "):
                return line.split()[1]
        time.sleep(0.02)
    raise AssertionError(f"{function} was never asked")


def log_lines(aws: Aws, function: str) -> list[str]:
    try:
        events = aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except ClientError:  # no group before its first line
        return []
    return [event["message"] for event in events]


def refusal(call: Callable[..., object], **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


def test_a_function_that_fails_fails_its_task_at_once_with_its_own_error(
    aws: Aws, deploy_function: Deploy, ask: Callable[..., str], finish: Finish
) -> None:
    ended = finish(aws("stepfunctions"), ask(deploy_function(FAIL)))
    assert (ended["status"], ended["error"]) == ("FAILED", "NobodyToAsk")
    assert json.loads(ended["cause"])["errorMessage"] == "the topic is gone"


def test_the_error_of_a_function_reaches_the_catch(
    aws: Aws, deploy_function: Deploy, ask: Callable[..., str], finish: Finish
) -> None:
    ended = finish(aws("stepfunctions"), ask(deploy_function(FAIL), **CATCH))
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["error"]["Error"] == "NobodyToAsk"


def test_a_function_that_is_not_there_fails_its_task(
    aws: Aws, ask: Callable[..., str], finish: Finish
) -> None:
    ended = finish(aws("stepfunctions"), ask("no-such-function"))
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.ResourceNotFoundException")


def test_a_task_goes_on_with_what_its_token_came_back_with(
    aws: Aws, asked: tuple[str, str], finish: Finish
) -> None:
    execution, token = asked
    aws("stepfunctions").send_task_success(taskToken=token, output='{"decision": "approved"}')
    ended = finish(aws("stepfunctions"), execution)
    assert json.loads(ended["output"]) == {"decision": "approved"}


def test_a_task_fails_with_the_error_its_token_came_back_with(
    aws: Aws, asked: tuple[str, str], finish: Finish
) -> None:
    execution, token = asked
    aws("stepfunctions").send_task_failure(taskToken=token, error="NotToday", cause="come back")
    ended = finish(aws("stepfunctions"), execution)
    assert (ended["error"], ended["cause"]) == ("NotToday", "come back")


def test_a_token_is_worth_one_answer(aws: Aws, asked: tuple[str, str], finish: Finish) -> None:
    execution, token = asked
    states = aws("stepfunctions")
    states.send_task_success(taskToken=token, output='"first"')
    assert refusal(states.send_task_success, taskToken=token, output='"second"') in {
        "TaskTimedOut",
        "TaskDoesNotExist",
    }
    assert finish(states, execution)["output"] == '"first"'


def test_a_token_is_worth_nothing_once_its_execution_was_stopped(aws: Aws, asked: tuple[str, str]) -> None:
    execution, token = asked
    states = aws("stepfunctions")
    states.stop_execution(executionArn=execution)
    assert refusal(states.send_task_success, taskToken=token, output="{}") == "TaskTimedOut"
    assert refusal(states.send_task_failure, taskToken=token) == "TaskTimedOut"


def test_an_answer_that_is_no_json_is_refused_and_leaves_the_token_as_it_was(
    aws: Aws, asked: tuple[str, str], finish: Finish
) -> None:
    execution, token = asked
    states = aws("stepfunctions")
    assert refusal(states.send_task_success, taskToken=token, output="{approved") == "InvalidOutput"
    states.send_task_success(taskToken=token, output="{}")
    assert finish(states, execution)["status"] == "SUCCEEDED"


def test_a_token_that_nobody_gave_out_is_unknown(aws: Aws) -> None:
    refused = refusal(aws("stepfunctions").send_task_success, taskToken="made-up", output="{}")
    assert refused in {"TaskDoesNotExist", "InvalidToken"}


def test_nobody_answering_ends_the_task_when_its_time_is_over(
    aws: Aws, deploy_function: Deploy, ask: Callable[..., str], finish: Finish
) -> None:
    ended = finish(aws("stepfunctions"), ask(deploy_function(KEEP_TOKEN), TimeoutSeconds=1))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
