"""Step Functions: what MiniStack's engine lacks to run a real workflow as AWS does.

- the integrations of `step_functions_sync`, which start a job and wait for it;
- a task that times out, or whose execution is stopped, takes its job with it;
- the machine's own `TimeoutSeconds` ends an execution as `TIMED_OUT`;
- an execution that was stopped stays `ABORTED`, whatever its last task does afterwards: no retry, no event;
- `StartExecution` refuses input that is no JSON and is idempotent for a running execution's name;
- `DeleteStateMachine` has nothing against a machine that is gone: whoever repeats a deletion, because the
  answer to the first was lost, must not hear that it failed;
- `DescribeStateMachine` says how the machine is traced.

Registration points: `stepfunctions._SERVICE_DISPATCH`, `_execute_task`, `_invoke_resource`,
`_invoke_resource_with_timeout`, `_run_execution`, `_fail_execution`, `_add_event`, `_start_execution`,
`_create_state_machine`, `_update_state_machine`, `_delete_state_machine`.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from typing import Any

from localcloud.plugins import step_functions_task
from localcloud.plugins.step_functions_sync import INTEGRATIONS
from localcloud.plugins.step_functions_task import Task

Response = tuple[int, dict[str, str], bytes]

LAST_EVENTS = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionSucceeded", "ExecutionTimedOut"})


def execute_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """Lets whatever runs inside a task know its execution and its time."""

    def execute(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        step_functions_task.current.set(Task(execution, state.get("TimeoutSeconds")))
        return original(state, raw_input, execution, ctx)

    return execute


def invoke_with_timeout(original: Callable[..., Any]) -> Callable[..., Any]:
    """A task that timed out is cancelled, not left running behind a state that has moved on."""

    def invoke(resource: str, parameters: dict[str, Any], timeout: float) -> Any:
        from ministack.services.stepfunctions import _ExecutionError

        # Each attempt has its own time.
        task = Task(step_functions_task.current.get().execution, timeout)
        step_functions_task.current.set(task)
        try:
            return original(resource, parameters, timeout)
        except _ExecutionError as error:
            if error.error == "States.Timeout":
                task.cancelled.set()
            raise

    return invoke


def invoke(original: Callable[..., Any]) -> Callable[..., Any]:
    """A retry of a task whose execution has ended starts nothing."""

    def call(resource: str, parameters: dict[str, Any]) -> Any:
        from ministack.services.stepfunctions import _ExecutionError

        task = step_functions_task.current.get(None)  # TestState has no execution
        if task and task.execution["status"] != "RUNNING":
            raise _ExecutionError("States.Runtime", "the execution has ended")
        return original(resource, parameters)

    return call


def add_event(original: Callable[..., None]) -> Callable[..., None]:
    """The history of an execution that has ended does not grow."""

    def add(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> None:
        if execution["status"] == "RUNNING" or event_type in LAST_EVENTS:
            original(execution, event_type, details)

    return add


def run_execution(original: Callable[[str], None]) -> Callable[[str], None]:
    """Ends an execution that outlives its machine's `TimeoutSeconds`."""

    def run(execution_arn: str) -> None:
        from ministack.services import stepfunctions

        execution = stepfunctions._executions.get(execution_arn)
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
        limit = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
        if not limit:
            original(execution_arn)
            return
        context = contextvars.copy_context()
        timer = threading.Timer(limit, context.run, args=(_time_out, execution))
        timer.daemon = True
        timer.start()
        try:
            original(execution_arn)
        finally:
            timer.cancel()

    return run


def fail_execution(original: Callable[..., None]) -> Callable[..., None]:
    """What an abandoned task reports changes nothing any more."""

    def fail(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            original(execution, error, cause)

    return fail


def start_execution(original: Callable[..., Response]) -> Callable[..., Response]:
    """Refuses input that is no JSON; the same name and input again answers with the running execution."""

    def start(data: dict[str, Any]) -> Response:
        from ministack.core.responses import error_response_json, json_response
        from ministack.services import stepfunctions

        try:
            json.loads(data.get("input", "{}"))
        except json.JSONDecodeError as error:
            message = f"Invalid State Machine Execution Input: '{error}'"
            return error_response_json("InvalidExecutionInput", message, 400)  # type: ignore[no-any-return]
        existing = _running_twin(stepfunctions, data)
        if existing:
            answer = {"executionArn": existing["executionArn"], "startDate": existing["startDate"]}
            return json_response(answer)  # type: ignore[no-any-return]
        return original(data)

    return start


def put_state_machine(original: Callable[..., Response]) -> Callable[..., Response]:
    """Creates or updates, and keeps `tracingConfiguration` with the machine's other settings."""

    def put(data: dict[str, Any]) -> Response:
        from ministack.services import stepfunctions

        answer = original(data)
        arn = data.get("stateMachineArn") or json.loads(answer[2]).get("stateMachineArn")
        if answer[0] == 200 and arn in stepfunctions._state_machines:
            machine = stepfunctions._state_machines[arn]
            known = machine.get("tracingConfiguration", {"enabled": False})
            machine["tracingConfiguration"] = data.get("tracingConfiguration", known)
        return answer

    return put


def delete_state_machine(original: Callable[..., Response]) -> Callable[..., Response]:
    """Deletes what is there, and answers the same where nothing is."""

    def delete(data: dict[str, Any]) -> Response:
        from ministack.core.responses import json_response
        from ministack.services import stepfunctions

        arn = data.get("stateMachineArn", "")
        gone = ":stateMachine:" in arn and arn not in stepfunctions._state_machines
        return json_response({}) if gone else original(data)

    return delete


def abort_running() -> None:
    """Ends what still runs: the server is going down, and an execution cannot go on in another process."""
    from ministack.services import stepfunctions

    for execution in list(stepfunctions._executions._data.values()):
        if execution["status"] == "RUNNING":
            _end(
                execution, "ABORTED", {"error": "LocalCloud.Stopped", "cause": "the local cloud was stopped"}
            )


def install() -> None:
    from ministack.services import stepfunctions

    stepfunctions._SERVICE_DISPATCH.update(INTEGRATIONS)
    wrappers: dict[str, Callable[[Any], Any]] = {
        "_execute_task": execute_task,
        "_invoke_resource": invoke,
        "_invoke_resource_with_timeout": invoke_with_timeout,
        "_add_event": add_event,
        "_run_execution": run_execution,
        "_fail_execution": fail_execution,
        "_start_execution": start_execution,
        "_create_state_machine": put_state_machine,
        "_update_state_machine": put_state_machine,
        "_delete_state_machine": delete_state_machine,
    }
    for name, wrap in wrappers.items():
        setattr(stepfunctions, name, wrap(getattr(stepfunctions, name)))


def _time_out(execution: dict[str, Any]) -> None:
    if execution["status"] == "RUNNING":
        _end(execution, "TIMED_OUT", {"error": "States.Timeout", "cause": None})


def _end(execution: dict[str, Any], status: str, reason: dict[str, Any]) -> None:
    from ministack.core.responses import now_iso
    from ministack.services import stepfunctions

    event = {"ABORTED": "ExecutionAborted", "TIMED_OUT": "ExecutionTimedOut"}[status]
    execution.update(status=status, stopDate=now_iso(), **reason)
    key = event[0].lower() + event[1:] + "EventDetails"
    stepfunctions._add_event(execution, event, {key: {k: v for k, v in reason.items() if v}})
    stepfunctions._emit_execution_status_event(execution)


def _running_twin(stepfunctions: Any, data: dict[str, Any]) -> dict[str, Any] | None:
    machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
    if not (machine and data.get("name")):
        return None
    name = stepfunctions._state_machines[machine]["name"]
    prefix = machine.rsplit(":stateMachine:", 1)[0]
    twin: dict[str, Any] | None = stepfunctions._executions.get(f"{prefix}:execution:{name}:{data['name']}")
    same = (
        twin
        and twin["status"] == "RUNNING"
        and json.loads(twin["input"]) == json.loads(data.get("input", "{}"))
    )
    return twin if same else None
