"""Task of state `RequestApproval`, which then waits until somebody sends the task token back, or nobody does.

What the state answers is not what this returns but what `titanic confirm` or `titanic decline` sends.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.common.settings import read_settings
from functions.request_approval.request import (
    RequestApprovalEvent,
    RequestApprovalSettings,
    request_approval,
)


@cache
def settings() -> RequestApprovalSettings:
    return read_settings(RequestApprovalSettings)


@stage("RequestApproval")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "package", "staging", "smoke", "task_token"}` -> where the token is kept, for the log."""
    request = parse_input(event, RequestApprovalEvent, "RequestApproval event")
    bind_run(request.run.run_id)
    uri = request_approval(request, settings(), s3=client("s3"), sns=client("sns"), now=datetime.now(tz=UTC))
    return {"approval_uri": str(uri)}
