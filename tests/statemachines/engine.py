"""The engine of the scenario tests: MiniStack's Step Functions, with every task mocked.

`conftest.py` starts it as a child process; it prints its port and serves until its standard input is
closed, so it cannot outlive the tests. It is the local cloud's engine plus what makes a mock test tell
the truth. As on AWS and in Step Functions Local, but not in MiniStack:

- a mock answers one invocation, a retry being another (MiniStack counts visits to the state, so a
  `Throw` would last through all retries, and it leaves a mocked task's `Parameters` unread);
- a task's parameters are in its `TaskScheduled` event.
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


def mocked_callback(invoke: Callable[..., Any]) -> Callable[..., Any]:
    """Replaces `_invoke_with_callback`: a mock stands for what is sent back with the task token."""

    def invoke_with_callback(resource: str, parameters: Any, _token: str, state: Json) -> Any:
        return invoke(resource, parameters, state["TimeoutSeconds"])

    return invoke_with_callback


def install() -> None:
    from ministack.services import stepfunctions

    from localcloud.plugins import paths
    from localcloud.plugins import step_functions as local_cloud

    local_cloud.install()
    paths.install()
    mock_response = stepfunctions._get_mock_response
    stepfunctions._get_mock_response = lambda *_arguments: None  # MiniStack's own mocking, see above
    invoke = mocked_invocation(mock_response)
    stepfunctions._invoke_resource_with_timeout = invoke
    stepfunctions._invoke_with_callback = mocked_callback(invoke)
    stepfunctions._execute_task = remember_task(stepfunctions._execute_task)


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
