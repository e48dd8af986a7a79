from __future__ import annotations

import asyncio
from typing import Any

import pytest

from localcloud.sagemaker.hosting import metrics
from localcloud.sagemaker.hosting.metrics import Measured, Metrics, Source

SOURCE = Source("endpoint", "AllTraffic", "config-1")
SHORT = {"EndpointName": "endpoint", "VariantName": "AllTraffic"}
LONG = {**SHORT, "EndpointConfigName": "config-1"}


def published(*requests: Measured) -> list[dict[str, Any]]:
    """What goes to CloudWatch when the requests were counted and flushed from another thread."""
    data: list[dict[str, Any]] = []
    counted = Metrics(data.extend)

    async def count() -> None:
        for request in requests:
            counted.record(SOURCE, request)
        await asyncio.to_thread(counted.flush)

    asyncio.run(count())
    return data


def sums(data: list[dict[str, Any]], dimensions: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Sample count and sum of each metric with these dimensions."""
    return {
        datum["MetricName"]: (
            sum(datum["Counts"]),
            sum(value * count for value, count in zip(datum["Values"], datum["Counts"], strict=True)),
        )
        for datum in data
        if {dimension["Name"]: dimension["Value"] for dimension in datum["Dimensions"]} == dimensions
    }


@pytest.mark.parametrize("dimensions", [SHORT, LONG])
def test_errors_are_rates_over_all_requests(dimensions: dict[str, str]) -> None:
    data = published(
        Measured(200, 1000, 10), Measured(200, 3000, 30), Measured(415, 500, 5), Measured(500, 100, 1)
    )
    assert sums(data, dimensions) == {
        "Invocations": (4, 4),
        "Invocation4XXErrors": (4, 1),
        "Invocation5XXErrors": (4, 1),
        "InvocationModelErrors": (4, 2),
        "ModelLatency": (4, 4600),
        "OverheadLatency": (4, 46),
    }


def test_units_are_those_of_sagemaker() -> None:
    units = {datum["MetricName"]: datum["Unit"] for datum in published(Measured(200, 1, 1))}
    assert units["Invocations"] == units["Invocation5XXErrors"] == "Count"
    assert units["ModelLatency"] == units["OverheadLatency"] == "Microseconds"


def test_latencies_keep_three_digits() -> None:
    data = published(Measured(200, 1234.5, 0.123456))
    assert sums(data, SHORT)["ModelLatency"] == (1, 1230)
    assert sums(data, SHORT)["OverheadLatency"] == (1, 0.123)


def test_counts_go_out_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", 0.01)

    async def count() -> list[dict[str, Any]]:
        went_out: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
        Metrics(went_out.set_result).record(SOURCE, Measured(200, 1, 1))
        return await asyncio.wait_for(went_out, 5)

    assert len(asyncio.run(count())) == 12


def test_nothing_is_published_twice_or_without_cause() -> None:
    calls: list[int] = []
    counted = Metrics(lambda data: calls.append(len(data)))
    counted.flush()  # before any request

    async def count() -> None:
        counted.record(SOURCE, Measured(200, 1, 1))
        await asyncio.to_thread(counted.flush)
        await asyncio.to_thread(counted.flush)

    asyncio.run(count())
    counted.flush()  # after the loop
    assert calls == [12]


def test_cloudwatchs_trouble_is_not_the_endpoints(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_data: list[dict[str, Any]]) -> None:
        raise RuntimeError("no")

    counted = Metrics(refuse)

    async def count() -> None:
        counted.record(SOURCE, Measured(200, 1, 1))
        await asyncio.to_thread(counted.flush)

    asyncio.run(count())
    assert "CloudWatch did not take the endpoints' metrics" in caplog.text
