"""Functions that rules and schedules call. Nobody waits for them, so their last failed try is set aside.

The target's own dead letter queue is for events that Lambda would not take. What it took and could not do, it
tries twice more and then sends here, with the event and the error.
"""

from __future__ import annotations

from ops.stack.base import Stack
from ops.stack.rules import RULES
from ops.stack.schedules import SCHEDULES


def set_failures_aside(stack: Stack) -> None:
    for name in called_functions(stack):
        stack.client("lambda").put_function_event_invoke_config(
            FunctionName=stack.names.function(name),
            DestinationConfig={"OnFailure": {"Destination": stack.values["dead_letter_queue_arn"]}},
        )


def called_functions(stack: Stack) -> list[str]:
    callers = [*stack.read(RULES).values(), *stack.read(SCHEDULES).values()]
    return sorted({caller["function"] for caller in callers if "function" in caller})
