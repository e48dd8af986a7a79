"""Task of states `RecordRegistered`, `RecordRejected`; `RecordPublished`, `RecordNoApprovedModel`;
`RecordPromotion`, `RecordAlreadyLive`, `RecordDeclined`, `RecordGateTimeout`, `RecordRollback`; and of
`RecordFailure` in every machine.

Has no named error of its own: whatever it raises sends the machine to `NotifyUnrecorded`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.recorder import Record
from functions.common.settings import read_settings
from functions.record_run.recording import RecordRunEvent, RecordRunSettings, record


@cache
def settings() -> RecordRunSettings:
    return read_settings(RecordRunSettings)


@stage("RecordRun")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"kind", "outcome", "state", "execution"}` -> what becomes `$.record`."""
    request = parse_input(event, RecordRunEvent, "RecordRun event")
    bind_run(request.execution.run.run_id)
    written = record(
        request,
        settings(),
        states=client("stepfunctions"),
        sagemaker=client("sagemaker"),
        s3=client("s3"),
    )
    return _as_state(written)


def _as_state(written: Record) -> dict[str, Any]:
    failure = written.manifest["failure"] or {}
    return {
        "manifest_uri": str(written.uri),
        "error": failure.get("error"),
        "cause": failure.get("cause"),
        "subject": written.notification.subject,
        "message": written.notification.message,
        "summary": written.summary,
    }
