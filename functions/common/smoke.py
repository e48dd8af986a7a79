"""Does an endpoint predict? The contract's golden passengers, random ones, and how long it takes.

Callers: SmokeTest on staging, VerifyProd on prod. Whatever is wrong with the answers is a failed check and
not an error: the machine needs the whole list, to tell a person once.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.common.causes import one_line
from functions.common.clients import Client
from functions.common.promotion_run import Check, Latency, SmokeTest
from functions.common.settings import Settings

CONTRACT = Path(__file__).resolve().parents[2] / "contracts" / "titanic.json"  # as in the function's zip
INFERENCE_ID = "smoke-test"  # by which monitoring leaves these questions out
TIMED_REQUESTS = 20
MISSING_ONE_IN = 10  # nullable values that random rows leave blank
SEED = 1912

Row = Sequence[float | int | None]
Contract = Mapping[str, Any]
Invoke = Callable[[bytes], str]


class SmokeSettings(Settings):
    """How many rows are asked for at once, and how long one row may take (95th percentile)."""

    smoke_rows: int
    smoke_latency_milliseconds: float


class NoAnswer(Exception):
    """The endpoint refused the request or did not answer in time."""


@dataclass(frozen=True)
class Probe:
    """What is asked: the golden rows first, then random ones."""

    golden: Sequence[Mapping[str, Any]]
    rows: Sequence[Row]


@cache
def read_contract() -> Contract:
    loaded: Contract = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return loaded


def run_smoke_test(runtime: Client, endpoint: str, settings: SmokeSettings) -> SmokeTest:
    """Asks the endpoint and judges what it says. Never raises for an answer."""
    probe = make_probe(read_contract(), settings.smoke_rows)
    invoke = _invoker(runtime, endpoint)
    try:
        answer = invoke(as_csv(probe.rows))
        latency = _time(invoke, probe)
    except NoAnswer as error:
        return _summed_up(len(probe.rows), None, [Check(name="answers", passed=False, detail=str(error))])
    checks = [*judge(probe, answer), _judge_latency(latency, settings.smoke_latency_milliseconds)]
    return _summed_up(len(probe.rows), latency, checks)


def make_probe(contract: Contract, rows: int) -> Probe:
    """The same rows each time, so that two versions and two endpoints can be compared."""
    random = Random(SEED)  # noqa: S311  # nosec B311 - passengers, not secrets
    columns = {column["name"]: column for column in contract["columns"]}
    golden = contract["golden_rows"]
    features = [columns[name] for name in contract["features"]]
    made = [[_random_value(random, column) for column in features] for _ in range(rows - len(golden))]
    return Probe(golden, [*(row["features"] for row in golden), *made])


def as_csv(rows: Iterable[Row]) -> bytes:
    """No header, which the image would refuse; a missing value is blank."""
    return "\n".join(",".join("" if v is None else str(v) for v in row) for row in rows).encode()


def judge(probe: Probe, answer: str) -> list[Check]:
    """One probability for each row, and the golden passengers on the side where they belong."""
    texts = [text for text in re.split(r"[\s,]+", answer) if text]
    count = Check(
        name="row count",
        passed=len(texts) == len(probe.rows),
        detail=f"{len(texts)} predictions for {len(probe.rows)} rows",
    )
    values = [_number(text) for text in texts]
    wrong = [
        text
        for text, value in zip(texts, values, strict=True)
        if not 0 <= value <= 1  # NaN is neither
    ]
    found = f"not a probability: {one_line(', '.join(wrong[:3]))}" if wrong else "all from 0 to 1"
    probabilities = Check(name="probabilities", passed=not wrong, detail=found)
    sides = [_side(golden, value) for golden, value in zip(probe.golden, values, strict=False)]
    return [count, probabilities, *(sides if count.passed else [])]


def _side(golden: Mapping[str, Any], value: float) -> Check:
    threshold, expected = golden["threshold"], golden["expect"]
    passed = value >= threshold if expected == "above" else value < threshold
    return Check(name=golden["name"], passed=passed, detail=f"{value:.4f}, expected {expected} {threshold}")


def _judge_latency(latency: Latency, most: float) -> Check:
    detail = f"95th percentile {latency.p95:.0f} ms, at most {most:.0f} ms"
    return Check(name="latency", passed=latency.p95 <= most, detail=detail)


def _time(invoke: Invoke, probe: Probe) -> Latency:
    """One row a request, after the first request has warmed everything up."""
    took = []
    for number in range(TIMED_REQUESTS):
        body = as_csv([probe.rows[number % len(probe.rows)]])
        started = time.perf_counter()
        invoke(body)
        took.append((time.perf_counter() - started) * 1000)
    ordered = sorted(took)
    p50, p95, most = (round(ordered[math.ceil(share * len(ordered)) - 1], 2) for share in (0.5, 0.95, 1))
    return Latency(p50=p50, p95=p95, max=most)


def _invoker(runtime: Client, endpoint: str) -> Invoke:
    def invoke(body: bytes) -> str:
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=endpoint,
                ContentType="text/csv",
                Accept="text/csv",
                Body=body,
                InferenceId=INFERENCE_ID,
            )
            text: str = answer["Body"].read().decode("utf-8", "replace")
        except (ClientError, BotoCoreError) as error:
            raise NoAnswer(one_line(str(error))) from error
        return text

    return invoke


def _summed_up(rows: int, latency: Latency | None, checks: list[Check]) -> SmokeTest:
    failed = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    return SmokeTest(
        passed=not failed, reason="; ".join(failed) or None, rows=rows, latency=latency, checks=checks
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _random_value(random: Random, column: Mapping[str, Any]) -> float | int | None:
    if column["nullable"] and random.randrange(MISSING_ONE_IN) == 0:
        return None
    if "encoding" in column:
        allowed: list[int] = sorted(column["encoding"].values())
        return random.choice(allowed)
    if "allowed" in column:
        allowed = column["allowed"]
        return random.choice(allowed)
    if column["type"] == "integer":
        return random.randint(column["minimum"], column["maximum"])
    return round(random.uniform(column["minimum"], column["maximum"]), 2)
