from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.common.inputs import parse_input
from functions.request_approval.request import (
    RequestApprovalEvent,
    RequestApprovalSettings,
    request_approval,
)

BUCKET = "titanic-sagemaker-dev-123456789012"
RUN_ID = "20261121-a6fe0531ae"
KEY = f"serving/approvals/{RUN_ID}.json"
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
SETTINGS = RequestApprovalSettings(
    env="dev", data_bucket=BUCKET, alerts_topic_arn="arn:aws:sns:eu-west-1:1:t", gate_seconds=86400
)


class FakeTopic:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []

    def publish(self, **message: str) -> None:
        self.sent.append(message)


@pytest.fixture
def topic() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
def event(promotion_run: Any, candidate: Any) -> dict[str, Any]:
    name = "titanic-survival-staging"
    return {
        "run": promotion_run,
        "package": candidate,
        "staging": {
            "endpoint_name": name,
            "endpoint_config_name": f"{name}-v7-a6fe0531ae",
            "model_name": f"{name}-v7-a6fe0531ae",
            "previous_endpoint_config_name": None,
            "deadline": "2026-11-21T07:40:00.000Z",
        },
        "smoke": {
            "passed": True,
            "reason": None,
            "rows": 100,
            "latency": {"p50": 4.0, "p95": 6.0, "max": 9.0},
            "checks": [{"name": "row count", "passed": True, "detail": "100 for 100"}],
        },
        "task_token": "secret-token",
    }


def ask(event: dict[str, Any], s3: Any, topic: Any, env: str = "dev") -> None:
    request = parse_input(event, RequestApprovalEvent, "RequestApproval event")
    settings = SETTINGS.model_copy(update={"env": env})
    request_approval(request, settings, s3=s3, sns=topic, now=NOW)


def test_the_token_is_kept_encrypted_under_the_runs_id(event: Any, s3: Any, topic: Any, get: Any) -> None:
    ask(event, s3, topic)
    kept = get(KEY)
    assert (kept["task_token"], kept["version"]) == ("secret-token", 7)
    assert kept["expires_at"] == "2026-11-22T08:00:00.000Z"
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["ServerSideEncryption"] == "AES256"


def test_the_message_says_what_to_type_and_not_the_token(event: Any, s3: Any, topic: Any) -> None:
    ask(event, s3, topic)
    [sent] = topic.sent
    assert sent["Subject"] == "[dev] Model version 7 passed in staging, awaits your word for prod"
    for words in (
        f"titanic confirm {RUN_ID}",
        f"titanic decline {RUN_ID}",
        "now version 6",
        "2026-11-22T08:00:00.000Z",
        "accuracy    0.8200",
        "1 checks on 100 rows",
        "ana",
    ):
        assert words in sent["Message"]
    assert "secret-token" not in sent["Message"]


def test_in_another_environment_the_commands_name_it(event: Any, s3: Any, topic: Any) -> None:
    ask(event, s3, topic, env="prod")
    assert f"titanic confirm {RUN_ID} --env prod" in topic.sent[0]["Message"]


def test_a_first_deployment_says_that_prod_has_no_version(event: Any, s3: Any, topic: Any) -> None:
    event["package"]["live_model_package_arn"] = None
    ask(event, s3, topic)
    assert "now without a version" in topic.sent[0]["Message"]


def test_asking_again_takes_the_old_tokens_place(event: Any, s3: Any, topic: Any, get: Any) -> None:
    ask(event, s3, topic)
    ask(event | {"task_token": "second-token"}, s3, topic)
    assert get(KEY)["task_token"] == "second-token"


def test_nobody_is_asked_when_the_token_cannot_be_kept(event: Any, aws: Any, topic: Any) -> None:
    s3 = aws("s3")  # without the bucket
    with pytest.raises(s3.exceptions.NoSuchBucket):
        ask(event, s3, topic)
    assert topic.sent == []
