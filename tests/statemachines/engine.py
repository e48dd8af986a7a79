"""The engine of the scenario tests: MiniStack's Step Functions, with every task mocked.

`conftest.py` starts it as a child process; it prints its port and serves until its standard input is
closed, so it cannot outlive the tests. It is the local cloud's engine plus what makes a mock test tell
the truth. As on AWS and in Step Functions Local, but not in MiniStack:

- a mock answers one invocation, a retry being another (MiniStack counts visits to the state, so a
  `Throw` would last through all retries, and it leaves a mocked task's `Parameters` unread);
- a task's parameters are in its `TaskScheduled` event;
- a path that selects nothing ends the execution with `States.Runtime`, which no `Catch` catches
  (MiniStack goes on with null, so a mistyped path would pass);
- a Choice may compare a timestamp with another one in its data (`TimestampGreaterThanPath` …).
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

# The execution and the name of the state whose task is being run.
current_task: contextvars.ContextVar[tuple[Json, str]] = contextvars.ContextVar("current_task")


class UnexpectedCall(Exception):
    """The mock configuration says nothing about this invocation."""


class PathSelectsNothing(Exception):
    """A reference path names a field that is not there."""


def remember_task(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_execute_task`, which knows the state, for `invoke`, which needs it."""

    def execute_task(state: Json, raw_input: Any, execution: Json, ctx: Json) -> Any:
        current_task.set((execution, ctx["State"]["Name"]))
        return execute(state, raw_input, execution, ctx)

    return execute_task


def mocked_invocation(mock_response: Callable[..., Json | None]) -> Callable[..., Any]:
    """Replaces `_invoke_resource_with_timeout`: every task of ours has a timeout, so all come here."""
    from ministack.services.stepfunctions import _ExecutionError

    def invoke(_resource: str, parameters: Any, _timeout: float) -> Any:
        execution, state = current_task.get()
        execution["events"][-1]["taskScheduledEventDetails"]["parameters"] = json.dumps(parameters)
        invocation = execution["mockAttempts"].get(state, 0)
        execution["mockAttempts"][state] = invocation + 1
        machine = execution["stateMachineArn"].rsplit(":", 1)[1]
        mock = mock_response(machine, execution["testCase"], state, invocation)
        if mock is None:
            raise UnexpectedCall(f"{execution['testCase']} has no response for call {invocation} of {state}")
        if "Throw" in mock:
            raise _ExecutionError(mock["Throw"]["Error"], mock["Throw"]["Cause"])
        return mock["Return"]

    return invoke


def strict_paths(resolve: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Wraps `_resolve_path`."""

    def resolve_path(path: str, data: Any) -> Any:
        if selects_nothing(path, data):
            raise PathSelectsNothing(f"the path {path} selects nothing in {json.dumps(data, default=str)}")
        return resolve(path, data)

    return resolve_path


def selects_nothing(path: str, data: Any) -> bool:
    from ministack.services.stepfunctions import _parse_jsonpath_tokens

    if not path.startswith("$") or path == "$":
        return False
    for kind, key in _parse_jsonpath_tokens(path) or []:
        if kind != "field":
            return False
        if not isinstance(data, dict) or key not in data:
            return True
        data = data[key]
    return False


def choice_rules(evaluate: Callable[..., bool]) -> Callable[..., bool]:
    """Wraps `_evaluate_rule`: adds `Timestamp…Path`; `IsPresent` may ask for a field that is missing."""

    def evaluate_rule(rule: Json, data: Any, ctx: Json | None = None) -> bool:
        from ministack.services.stepfunctions import _resolve_path_or_ctx

        if "IsPresent" in rule:
            return bool(selects_nothing(rule["Variable"], data) is not rule["IsPresent"])
        for operator in [key for key in rule if key.startswith("Timestamp") and key.endswith("Path")]:
            value = _resolve_path_or_ctx(rule[operator], data, ctx)
            rule = {"Variable": rule["Variable"], operator.removesuffix("Path"): value}
        return evaluate(rule, data, ctx)

    return evaluate_rule


def install() -> None:
    from ministack.services import stepfunctions

    from localcloud.plugins import step_functions as local_cloud

    local_cloud.install()
    mock_response = stepfunctions._get_mock_response
    stepfunctions._get_mock_response = lambda *_arguments: None  # MiniStack's own mocking, see above
    stepfunctions._invoke_resource_with_timeout = mocked_invocation(mock_response)
    stepfunctions._execute_task = remember_task(stepfunctions._execute_task)
    stepfunctions._resolve_path = strict_paths(stepfunctions._resolve_path)
    stepfunctions._evaluate_rule = choice_rules(stepfunctions._evaluate_rule)


def end_with_standard_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    install()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()
