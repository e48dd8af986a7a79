"""CloudWatch metrics that services publish about themselves: `AWS/States`, so that alarms can watch machines.

MiniStack publishes those of Lambda only. Registration point: `stepfunctions._emit_execution_status_event`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

Execution = dict[str, Any]

COUNTED_AS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "ABORTED": "ExecutionsAborted",
    "TIMED_OUT": "ExecutionsTimedOut",
}


def count_executions(original: Callable[[Execution], None]) -> Callable[[Execution], None]:
    """Each change of status counts once, and what has ended took some time."""

    def emit(execution: Execution) -> None:
        from ministack.services import cloudwatch

        machine = {"StateMachineArn": execution["stateMachineArn"]}
        cloudwatch.record_metric("AWS/States", COUNTED_AS[execution["status"]], 1, "Count", machine)
        if execution.get("stopDate"):
            took = _instant(execution["stopDate"]) - _instant(execution["startDate"])
            cloudwatch.record_metric("AWS/States", "ExecutionTime", took * 1000, "Milliseconds", machine)
        cloudwatch._evaluate_all_alarms()
        original(execution)

    return emit


def install() -> None:
    from ministack.services import stepfunctions

    stepfunctions._emit_execution_status_event = count_executions(stepfunctions._emit_execution_status_event)


def _instant(date: str) -> float:
    return datetime.fromisoformat(date).timestamp()
