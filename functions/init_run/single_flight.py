"""Which of several running executions of a machine may go on."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from functions.common.clients import Client
from functions.common.execution import Execution
from functions.common.instants import parse_instant


class Running(NamedTuple):
    """An execution that has not ended. Sorts by start, then by ARN."""

    started_at: datetime
    arn: str


def earlier_run(states: Client, execution: Execution) -> Running | None:
    """The running execution that has the right of way over this one; None where this one has it.

    Of several the earliest goes on; ties go by ARN, so exactly one does.
    """
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=execution.state_machine_id, statusFilter="RUNNING"
    )
    started = {found["executionArn"]: found["startDate"] for page in pages for found in page["executions"]}
    # The list lags behind: a fresh execution may not be in it yet.
    own = Running(started.pop(execution.id, None) or parse_instant(execution.start_time), execution.id)
    first = min([own, *(Running(date, arn) for arn, date in started.items())])
    return None if first == own else first
