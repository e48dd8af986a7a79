"""Task of state `PublishPredictions`. Its named errors go to the recorder; a retry does the same again."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, count, stage
from functions.common.settings import Settings, read_settings
from functions.publish_predictions.publishing import PublishPredictionsEvent, publish


@cache
def settings() -> Settings:
    return read_settings(Settings)


@stage("PublishPredictions")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "approved", "model", "predictions"}` -> what becomes `$.publication`."""
    request = parse_input(event, PublishPredictionsEvent, "PublishPredictions event")
    bind_run(request.run.run_id)
    published = publish(request, settings(), s3=client("s3"), now=datetime.now(UTC))
    count("PublishedRows", request.predictions.rows)
    return published.model_dump(mode="json")
