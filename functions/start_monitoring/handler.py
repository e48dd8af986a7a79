"""Target of schedule `daily_monitoring`: has a day's requests to prod compared with what its model knows.

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
from functions.start_monitoring.monitoring import (
    StartMonitoringEvent,
    StartMonitoringSettings,
    start_monitoring,
)


@cache
def settings() -> StartMonitoringSettings:
    return read_settings(StartMonitoringSettings)


@stage("StartMonitoring")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"scheduled_time"}` or `{"day"}` -> the outcome, for the log and for who asked."""
    request = parse_input(event, StartMonitoringEvent, "StartMonitoring event")
    started = start_monitoring(request, settings(), sagemaker=client("sagemaker"), s3=client("s3"))
    summary = started.model_dump(mode="json")
    logger.info(started.reason, **summary)
    return summary
