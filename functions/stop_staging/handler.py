"""Target of schedule `nightly_staging_shutdown`: staging costs money every hour it stands.

What it raises, Lambda retries twice, and an alarm tells people: it can be done again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import logger, stage
from functions.common.settings import read_settings
from functions.stop_staging.stop import StopStagingEvent, StopStagingSettings, stop_staging


@cache
def settings() -> StopStagingSettings:
    return read_settings(StopStagingSettings)


@stage("StopStaging")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"scheduled_time"}` -> the outcome, for the log."""
    parse_input(event, StopStagingEvent, "StopStaging event")
    stopped = stop_staging(settings(), sagemaker=client("sagemaker"), states=client("stepfunctions"))
    summary = stopped.model_dump(mode="json")
    logger.info(stopped.reason, outcome=stopped.outcome, deleted=stopped.deleted)
    return summary
