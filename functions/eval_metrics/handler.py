"""Task of state `EvalMetrics`. Raises `MetricsUnavailable`, which the machine catches and records."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, stage
from functions.eval_metrics.gate import EvalMetricsEvent, evaluate


@stage("EvalMetrics")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "pipeline_execution_arn"}` -> what becomes `$.evaluation`."""
    request = parse_input(event, EvalMetricsEvent, "EvalMetrics event")
    bind_run(request.run.run_id)
    return evaluate(request, sagemaker=client("sagemaker"), s3=client("s3")).model_dump(mode="json")
