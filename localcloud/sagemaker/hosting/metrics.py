"""The `AWS/SageMaker` metrics of endpoints, so that alarms on them turn.

Requests are counted on the event loop and published from it in batches, because CloudWatch here is one more
service of this process. Each count goes out with and without the dimension `EndpointConfigName`, as on AWS:
with it an alarm can watch the new fleet of an update alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("localcloud.sagemaker")

NAMESPACE = "AWS/SageMaker"
FLUSH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0

Datum = dict[str, Any]
Put = Callable[[list[Datum]], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Whose requests they are."""

    endpoint: str
    variant: str
    config: str

    def dimensions(self) -> list[list[dict[str, str]]]:
        names = {
            "EndpointName": self.endpoint,
            "VariantName": self.variant,
            "EndpointConfigName": self.config,
        }
        every = [{"Name": name, "Value": value} for name, value in names.items()]
        return [every[:2], every]


@dataclass(frozen=True, slots=True)
class Measured:
    """One request: the container's HTTP status, and microseconds in the container and around it."""

    status: int
    model_latency: float
    overhead: float

    def values(self) -> Iterable[tuple[str, str, float]]:
        """Metric, unit and value. Errors count 0 where there is none, so that their average is a rate."""
        yield "Invocations", "Count", 1.0
        yield "Invocation4XXErrors", "Count", float(400 <= self.status < 500)
        yield "Invocation5XXErrors", "Count", float(self.status >= 500)
        yield "InvocationModelErrors", "Count", float(not 200 <= self.status < 300)
        yield "ModelLatency", "Microseconds", _three_digits(self.model_latency)
        yield "OverheadLatency", "Microseconds", _three_digits(self.overhead)


def put_metrics(data: list[Datum]) -> None:
    """PutMetricData from inside: its API refuses `AWS/` namespaces. Alarms are judged, too."""
    from ministack.services import cloudwatch

    cloudwatch._put_metric_data({}, {"Namespace": NAMESPACE, "MetricData": data}, False, is_json=True)


class Metrics:
    """Counts on the event loop; `flush` may be called from any other thread."""

    def __init__(self, put: Put = put_metrics) -> None:
        self._put = put
        self._pending: dict[Source, list[Measured]] = defaultdict(list)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled: asyncio.TimerHandle | None = None

    def record(self, source: Source, measured: Measured) -> None:
        self._pending[source].append(measured)
        if self._scheduled is None:
            self._loop = asyncio.get_running_loop()
            self._scheduled = self._loop.call_later(FLUSH_SECONDS, self._flush)

    def flush(self) -> None:
        """Returns when everything counted so far is published."""
        if self._loop and not self._loop.is_closed():
            flushed = asyncio.run_coroutine_threadsafe(self._flush_soon(), self._loop)
            with contextlib.suppress(FutureTimeout):  # a loop that ends flushes nothing more
                flushed.result(PATIENCE_SECONDS)

    def publish(self) -> None:
        """What was counted so far, at once. Called on the event loop."""
        self._flush()

    async def _flush_soon(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._scheduled:
            self._scheduled.cancel()
            self._scheduled = None
        pending, self._pending = self._pending, defaultdict(list)
        try:
            if pending:
                self._put(
                    [datum for source, measured in pending.items() for datum in _data(source, measured)]
                )
        except Exception:
            logger.exception("CloudWatch did not take the endpoints' metrics")


def _data(source: Source, requests: Iterable[Measured]) -> Iterable[Datum]:
    counted: dict[tuple[str, str], Counter[float]] = defaultdict(Counter)
    for request in requests:
        for name, unit, value in request.values():
            counted[name, unit][value] += 1
    for dimensions in source.dimensions():
        for (name, unit), values in counted.items():
            yield {
                "MetricName": name,
                "Unit": unit,
                "Dimensions": dimensions,
                "Values": list(values),
                "Counts": [float(count) for count in values.values()],
            }


def _three_digits(value: float) -> float:
    """So that a busy endpoint leaves hundreds of different values a minute, not tens of thousands."""
    return float(f"{value:.3g}")
