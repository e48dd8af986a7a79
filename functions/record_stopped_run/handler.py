"""Target of rule `stopped_runs_rule`: executions that were aborted or timed out.

What it raises, Lambda retries twice: every part of it can be done again. The last failure goes to the dead
letter queue.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.settings import read_settings
from functions.record_stopped_run.stopped_run import (
    Clients,
    StatusChangeEvent,
    StoppedRunSettings,
    record_stopped,
)


@cache
def settings() -> StoppedRunSettings:
    return read_settings(StoppedRunSettings)


@stage("RecordStoppedRun")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """The event -> the summary of the run, for the log."""
    request = parse_input(event, StatusChangeEvent, "Execution status event")
    clients = Clients(
        states=client("stepfunctions"),
        sagemaker=client("sagemaker"),
        s3=client("s3"),
        sns=client("sns"),
    )
    record = record_stopped(request, settings(), clients)
    bind_run(record.manifest["run_id"])
    return record.summary
