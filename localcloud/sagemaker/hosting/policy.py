"""How an update moves an endpoint's traffic: its DeploymentConfig, checked and read.

A new fleet stands beside the old one (blue/green) and gets traffic in steps; after each step the endpoint
waits ("bakes") while CloudWatch alarms are watched, and one that goes off brings all traffic back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.errors import ValidationError, not_here

Config = Mapping[str, Any]

MOST_CANARY_PERCENT = 50
STEP_PERCENT = (10, 50)
INTERVAL, TERMINATION = "WaitIntervalInSeconds", "TerminationWaitInSeconds"


@dataclass(frozen=True)
class Step:
    """One shift of traffic, and the wait after it. `share` is what the new fleet gets, 1 being all."""

    share: float
    capacity: str  # "canary" or "full", for the status message
    wait_seconds: int
    wait_name: str


@dataclass(frozen=True)
class Policy:
    steps: Sequence[Step]
    alarms: Sequence[str] = ()


ALL_AT_ONCE = Policy((Step(1.0, "full", 0, TERMINATION),))


def read_policy(config: Config | None, instances: int) -> Policy:
    """The policy of an update to a fleet of so many instances. Raises `ValidationError`."""
    if not config:
        return ALL_AT_ONCE
    if "RollingUpdatePolicy" in config:
        raise not_here("A rolling update (RollingUpdatePolicy)")
    blue_green = config.get("BlueGreenUpdatePolicy", {})
    alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    policy = Policy(
        tuple(_steps(blue_green, instances)),
        tuple(alarm["AlarmName"] for alarm in alarms if "AlarmName" in alarm),
    )
    _check_time(policy, blue_green.get("MaximumExecutionTimeoutInSeconds"))
    return policy


def _steps(blue_green: Config, instances: int) -> list[Step]:
    routing = blue_green.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    interval, final = routing.get(INTERVAL, 0), blue_green.get("TerminationWaitInSeconds", 0)
    shares = _SHARES[routing["Type"]](routing, instances)
    partial = [Step(share, "canary", interval, INTERVAL) for share in shares]
    return [*partial, Step(1.0, "full", final, TERMINATION)]


def _canary(routing: Config, instances: int) -> list[float]:
    share = _size(routing, "CanarySize", "LinearStepSize", instances)
    if share > MOST_CANARY_PERCENT / 100:
        raise ValidationError(
            f"CanarySize must be less than or equal to {MOST_CANARY_PERCENT}% of the variant's total instance"
            f" count, which is {instances}: give a CAPACITY_PERCENT for a fleet so small"
        )
    return [share]


def _linear(routing: Config, instances: int) -> list[float]:
    step = _size(routing, "LinearStepSize", "CanarySize", instances)
    least, most = STEP_PERCENT
    if not least / 100 <= step <= most / 100:
        raise ValidationError(
            f"LinearStepSize must be {least}-{most}% of the variant's total instance count, here {instances}"
        )
    return [step * number for number in range(1, int(1 / step) + 1) if step * number < 1]


def _all_at_once(routing: Config, _instances: int) -> list[float]:
    for member in ("CanarySize", "LinearStepSize"):
        if member in routing:
            raise ValidationError(f"{member} is not allowed with traffic routing type ALL_AT_ONCE")
    return []


_SHARES = {"ALL_AT_ONCE": _all_at_once, "CANARY": _canary, "LINEAR": _linear}


def _size(routing: Config, wanted: str, other: str, instances: int) -> float:
    """A size as a share of the new fleet."""
    if wanted not in routing or other in routing:
        raise ValidationError(f"Traffic routing type {routing['Type']} needs {wanted}, and no {other}")
    size = routing[wanted]
    whole = 100 if size["Type"] == "CAPACITY_PERCENT" else instances
    return float(size["Value"]) / whole


def _check_time(policy: Policy, most: int | None) -> None:
    waits = sum(step.wait_seconds for step in policy.steps)
    if most is not None and most <= waits:
        raise ValidationError(
            f"MaximumExecutionTimeoutInSeconds ({most}) must be larger than all waiting times ({waits})"
        )
