"""Step Functions tasks that wait for their token to come back, as AWS runs them.

- A call that fails fails its task at once. MiniStack forgets the error of a Lambda and waits for an answer
  that nobody was asked for.
- A token is worth one answer, and only while its execution runs. MiniStack takes a second one that comes
  before the engine has looked at the first, and those for an execution that was stopped.
- An answer that is no JSON is refused; MiniStack hands it to the next state as text.

Registration points: `stepfunctions._invoke_with_callback`, `_send_task_success`, `_send_task_failure`,
`_task_tokens`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from localcloud.plugins import step_functions_task

Response = tuple[int, dict[str, str], bytes]

SUFFIX = ".waitForTaskToken"
FOREVER = 99_999_999  # seconds that AWS gives a task without a limit


def invoke_and_wait(resource: str, parameters: dict[str, Any], token: str, state: dict[str, Any]) -> Any:
    """Stands in for `_invoke_with_callback`: asks, then waits until somebody answers for the token."""
    from ministack.services import stepfunctions

    waiting = {
        "event": threading.Event(),
        "result": None,
        "error": None,
        "heartbeat": None,
        "execution": step_functions_task.current.get().execution,
    }
    stepfunctions._task_tokens[token] = waiting  # before the call: the answer may come first
    try:
        stepfunctions._invoke_resource(resource.removesuffix(SUFFIX), parameters)
        return _answer(waiting, state.get("TimeoutSeconds", FOREVER))
    finally:
        stepfunctions._task_tokens.pop(token, None)


def send_task_success(original: Callable[..., Response]) -> Callable[..., Response]:
    def send(data: dict[str, Any]) -> Response:
        from ministack.core.responses import error_response_json

        try:
            json.loads(data.get("output", "{}"))
        except json.JSONDecodeError as error:
            message = f"Invalid Output: '{error}'"
            return error_response_json("InvalidOutput", message, 400)  # type: ignore[no-any-return]
        return _refusal(data) or original(data)

    return send


def send_task_failure(original: Callable[..., Response]) -> Callable[..., Response]:
    def send(data: dict[str, Any]) -> Response:
        return _refusal(data) or original(data)

    return send


def install() -> None:
    from ministack.services import stepfunctions

    stepfunctions._invoke_with_callback = invoke_and_wait
    stepfunctions._send_task_success = send_task_success(stepfunctions._send_task_success)
    stepfunctions._send_task_failure = send_task_failure(stepfunctions._send_task_failure)


def _answer(waiting: dict[str, Any], timeout: float) -> Any:
    from ministack.services.stepfunctions import _ExecutionError

    if not waiting["event"].wait(timeout):
        raise _ExecutionError("States.Timeout", "")
    if waiting["error"]:
        raise _ExecutionError(waiting["error"]["Error"], waiting["error"]["Cause"])
    return json.loads(waiting["result"])


def _refusal(data: dict[str, Any]) -> Response | None:
    """The answer to one who comes too late; None where the token still counts."""
    from ministack.core.responses import error_response_json
    from ministack.services import stepfunctions

    waiting = stepfunctions._task_tokens.get(data.get("taskToken"))
    if waiting is None or not (waiting["event"].is_set() or _has_ended(waiting)):
        return None  # MiniStack knows what to say of a token that is unknown
    message = "Task Timed Out: 'Provided task does not exist anymore'"
    return error_response_json("TaskTimedOut", message, 400)  # type: ignore[no-any-return]


def _has_ended(waiting: dict[str, Any]) -> bool:
    """An activity's token knows no execution; only the machines' own do."""
    return "execution" in waiting and waiting["execution"]["status"] != "RUNNING"
