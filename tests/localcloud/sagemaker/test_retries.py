from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker import retries
from localcloud.sagemaker.retries import INTERNAL_ERROR, SERVICE_FAULT, THROTTLING, Retries

SERVICE = {
    "ExceptionType": [SERVICE_FAULT, THROTTLING],
    "IntervalSeconds": 2,
    "BackoffRate": 3.0,
    "MaxAttempts": 2,
}


def test_waits_longer_each_time_and_then_gives_up() -> None:
    policy = Retries([SERVICE], scale=1)
    assert [policy.next_wait(SERVICE_FAULT) for _ in range(3)] == [2.0, 6.0, None]


def test_scales_every_wait() -> None:
    assert Retries([SERVICE], scale=0.5).next_wait(THROTTLING) == 1.0


def test_does_not_repeat_what_no_policy_names() -> None:
    policy = Retries([SERVICE], scale=1)
    assert policy.next_wait(INTERNAL_ERROR) is None
    assert policy.next_wait(None) is None


def test_stops_when_the_policy_has_expired() -> None:
    times = iter([0.0, 59.0, 61.0])
    policy = Retries([{"ExceptionType": [INTERNAL_ERROR], "ExpireAfterMin": 1}], 1, lambda: next(times))
    assert [policy.next_wait(INTERNAL_ERROR) for _ in range(2)] == [1.0, None]


def test_counts_each_policy_by_itself() -> None:
    other = {"ExceptionType": [INTERNAL_ERROR], "MaxAttempts": 1}
    policy = Retries([SERVICE, other], scale=1)
    assert policy.next_wait(INTERNAL_ERROR) == 1.0
    assert policy.next_wait(SERVICE_FAULT) == 2.0
    assert policy.next_wait(INTERNAL_ERROR) is None


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, THROTTLING),
        ("ResourceLimitExceeded", 400, retries.RESOURCE_LIMIT),
        ("InternalFailure", 500, SERVICE_FAULT),
        ("ValidationException", 400, None),
    ],
)
def test_sorts_refused_requests(code: str, status: int, kind: str | None) -> None:
    assert retries.of_api_error(code, status) == kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("InternalServerError: We encountered", INTERNAL_ERROR),
        ("CapacityError: none left", retries.CAPACITY_ERROR),
        ("AlgorithmError: InternalServerError", None),
    ],
)
def test_sorts_failed_jobs(reason: str, kind: str | None) -> None:
    assert retries.of_job_failure(reason) == kind


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({}, "needs ExceptionType"),
        ({"ExceptionType": ["Bad.LUCK"]}, "unknown ExceptionType 'Bad.LUCK'"),
        ({"ExceptionType": [THROTTLING], "MaxAttempts": 1, "ExpireAfterMin": 1}, "not both"),
        ({"ExceptionType": [THROTTLING], "MaxAttempts": 0}, "MaxAttempts must be between 1 and 20"),
    ],
)
def test_names_what_is_wrong_with_a_policy(policy: dict[str, Any], words: str) -> None:
    assert words in "; ".join(retries.problems(policy))
