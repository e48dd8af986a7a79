"""Logs, metrics and traces of a stage: the one decorator every handler wears."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.errors import FunctionError

NAMESPACE = "TitanicSagemaker"

logger = Logger()
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer(patch_modules=("botocore",))

Handler = Callable[[Any, LambdaContext], dict[str, Any]]


def stage(name: str) -> Callable[[Handler], Handler]:
    """Counts success or failure and the duration of the stage `name`, and logs what it raised.

    The error itself goes on to the state machine unchanged.
    """

    def decorate(work: Handler) -> Handler:
        @logger.inject_lambda_context(clear_state=True)
        @metrics.log_metrics
        @tracer.capture_lambda_handler(capture_response=False)
        @wraps(work)
        def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
            metrics.add_dimension(name="stage", value=name)
            started = time.monotonic()
            outcome = "Failure"
            try:
                result = work(event, context)
                outcome = "Success"
                return result
            except FunctionError as error:
                logger.error(str(error), error=type(error).__name__)
                raise
            except Exception:
                logger.exception("%s failed", name)
                raise
            finally:
                elapsed = (time.monotonic() - started) * 1000
                metrics.add_metric(name=outcome, unit=MetricUnit.Count, value=1)
                metrics.add_metric(name="Duration", unit=MetricUnit.Milliseconds, value=elapsed)

        return handler

    return decorate


def count(name: str, value: int) -> None:
    """A number of the current stage."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def measure(name: str, value: float, **dimensions: str) -> None:
    """A metric without a unit and with dimensions of its own, sent at once."""
    with single_metric(name=name, unit=MetricUnit.NoUnit, value=value, namespace=NAMESPACE) as metric:
        for dimension, text in dimensions.items():
            metric.add_dimension(name=dimension, value=text)


def bind_run(run_id: str) -> None:
    """Every later log line and the trace carry `run_id`."""
    logger.append_keys(run_id=run_id)
    tracer.put_annotation("run_id", run_id)
