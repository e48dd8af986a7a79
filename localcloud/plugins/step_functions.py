"""Step Functions: what MiniStack's engine lacks to run a real workflow as AWS does.

- `.sync` tasks: `glue:startJobRun.sync` starts the run, waits, and fails with AWS's error and cause;
- a task that times out, or whose execution is stopped, takes its job with it;
- the machine's own `TimeoutSeconds` ends an execution as `TIMED_OUT`;
- an execution that was stopped stays `ABORTED`, whatever its last task does afterwards: no retry, no event;
- `StartExecution` refuses input that is no JSON and is idempotent for a running execution's name.

Registration points: `stepfunctions._SERVICE_DISPATCH`, `_execute_task`, `_invoke_resource`,
`_invoke_resource_with_timeout`, `_run_execution`, `_fail_execution`, `_add_event`, `_start_execution`.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.plugins import glue

Response = tuple[int, dict[str, str], bytes]

POLL_SECONDS = 0.02
LAST_EVENTS = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionSucceeded", "ExecutionTimedOut"})


@dataclass
class Task:
    """The task state that is being executed. `cancelled` is set when its time is over."""

    execution: dict[str, Any]
    timeout_seconds: float | None
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def abandoned(self) -> bool:
        return self.cancelled.is_set() or self.execution["status"] != "RUNNING"


_task: contextvars.ContextVar[Task] = contextvars.ContextVar("localcloud_task")


def start_job_run(resource: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """`arn:aws:states:::glue:startJobRun` and its `.sync` form."""
    from ministack.services.stepfunctions import _ExecutionError

    status, _headers, body = glue.start_job_run(parameters)
    answer: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise _ExecutionError(f"Glue.{answer['__type']}", answer.get("message", ""))
    if not resource.endswith(".sync"):
        return answer
    run = glue.find_run(answer["JobRunId"])
    _wait_for(run.finished, run.stop)
    if run.state != "SUCCEEDED":
        raise _ExecutionError("States.TaskFailed", glue.describe(run))
    return {key: value for key, value in run.record.items() if value is not None}


def execute_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """Lets whatever runs inside a task know its execution and its time."""

    def execute(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        _task.set(Task(execution, state.get("TimeoutSeconds")))
        return original(state, raw_input, execution, ctx)

    return execute


def invoke_with_timeout(original: Callable[..., Any]) -> Callable[..., Any]:
    """A task that timed out is cancelled, not left running behind a state that has moved on."""

    def invoke(resource: str, parameters: dict[str, Any], timeout: float) -> Any:
        from ministack.services.stepfunctions import _ExecutionError

        task = Task(_task.get().execution, timeout)  # each attempt has its own time
        _task.set(task)
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

        task = _task.get(None)  # TestState has no execution
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

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::glue:startJobRun"] = start_job_run
    wrappers: dict[str, Callable[[Any], Any]] = {
        "_execute_task": execute_task,
        "_invoke_resource": invoke,
        "_invoke_resource_with_timeout": invoke_with_timeout,
        "_add_event": add_event,
        "_run_execution": run_execution,
        "_fail_execution": fail_execution,
        "_start_execution": start_execution,
    }
    for name, wrap in wrappers.items():
        setattr(stepfunctions, name, wrap(getattr(stepfunctions, name)))


def _wait_for(finished: threading.Event, stop: Callable[[], None]) -> None:
    """Waits for a job; one whose task was abandoned is stopped first, as Step Functions does."""
    task = _task.get()
    while not finished.wait(POLL_SECONDS):
        if task.abandoned:
            stop()
            finished.wait()


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
