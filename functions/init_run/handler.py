"""Task of state `InitRun`. Its named errors go to the recorder; none is retried."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.instants import parse_instant
from functions.common.observability import bind_run, stage
from functions.common.run_identity import identify
from functions.common.settings import read_settings
from functions.init_run.settings import InitRunSettings
from functions.init_run.start_run import InitRunEvent, start_run


@cache
def settings() -> InitRunSettings:
    return read_settings(InitRunSettings)


@stage("InitRun")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"kind", "input", "execution"}` -> the run that becomes `$.run`."""
    request = parse_input(event, InitRunEvent, "InitRun event")
    started_at = parse_instant(request.execution.start_time)
    bind_run(identify(request.execution.id, started_at, request.input).run_id)
    run = start_run(request, settings(), s3=client("s3"), states=client("stepfunctions"))
    return run.model_dump(mode="json")
