"""Which failures of a step are worth repeating, and after how long.

A policy counts its own attempts. Its interval grows with each of them and is scaled like every wait of
the local cloud, so a minute's pause does not hold up a laptop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

SERVICE_FAULT, THROTTLING = "Step.SERVICE_FAULT", "Step.THROTTLING"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"
INTERNAL_ERROR, CAPACITY_ERROR = "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR"

EXCEPTION_TYPES = frozenset({SERVICE_FAULT, THROTTLING, RESOURCE_LIMIT, INTERNAL_ERROR, CAPACITY_ERROR})

MOST_ATTEMPTS, MOST_MINUTES = 20, 14400


def of_api_error(code: str, status: int) -> str | None:
    """The exception type of a refused request; None when repeating it cannot help."""
    if "Throttling" in code:
        return THROTTLING
    if code.startswith("ResourceLimitExceeded"):
        return RESOURCE_LIMIT
    return SERVICE_FAULT if status >= 500 else None


def of_job_failure(reason: str) -> str | None:
    """The exception type of a failed job, by the first word of its FailureReason."""
    for word, kind in (("InternalServerError", INTERNAL_ERROR), ("CapacityError", CAPACITY_ERROR)):
        if reason.startswith(word):
            return kind
    return None


class Retries:
    """The retry policies of one step while it runs."""

    def __init__(
        self, policies: Sequence[Mapping[str, Any]], scale: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policies, self._scale, self._clock = policies, scale, clock
        self._used = [0] * len(policies)
        self._began = clock()

    def next_wait(self, kind: str | None) -> float | None:
        """Seconds to wait before the next attempt; None when there shall be none."""
        for number, policy in enumerate(self._policies):
            if kind in policy["ExceptionType"]:
                return self._wait(number, policy)
        return None

    def _wait(self, number: int, policy: Mapping[str, Any]) -> float | None:
        minutes = policy.get("ExpireAfterMin")
        most = policy.get("MaxAttempts", 5 if minutes is None else MOST_ATTEMPTS)
        expired = minutes is not None and self._clock() - self._began > minutes * 60 * max(self._scale, 0.001)
        if self._used[number] >= most or expired:
            return None
        pause = policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** self._used[number]
        self._used[number] += 1
        return float(pause * self._scale)


def problems(policy: Any) -> list[str]:
    """What is wrong with a retry policy as written."""
    if not isinstance(policy, dict) or not policy.get("ExceptionType"):
        return ["a retry policy needs ExceptionType"]
    found = [
        f"unknown ExceptionType {kind!r}" for kind in policy["ExceptionType"] if kind not in EXCEPTION_TYPES
    ]
    if "MaxAttempts" in policy and "ExpireAfterMin" in policy:
        found.append("a retry policy has MaxAttempts or ExpireAfterMin, not both")
    for member, most in (("MaxAttempts", MOST_ATTEMPTS), ("ExpireAfterMin", MOST_MINUTES)):
        if not 1 <= policy.get(member, 1) <= most:
            found.append(f"{member} must be between 1 and {most}")
    return found
