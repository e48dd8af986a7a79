from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.common.errors import VerificationFailed
from functions.common.inputs import parse_input
from functions.common.promotion_run import Verification
from functions.common.serving_history import ServingHistory
from functions.common.smoke import SmokeSettings
from functions.verify_endpoint.verification import Clients, VerifyEndpointEvent, verify

BUCKET = "titanic-sagemaker-dev-123456789012"
PROD = "titanic-survival-prod"
NAME, OLD = f"{PROD}-v7-a6fe0531ae", f"{PROD}-v6-0000000000"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
SETTINGS = SmokeSettings(env="dev", data_bucket=BUCKET, smoke_rows=100, smoke_latency_milliseconds=500)
CAPTURE = {"DataCaptureConfig": {"EnableCapture": True, "CaptureStatus": "Started"}}

Verify = Callable[[], Verification]


@pytest.fixture
def history(s3: Any, promotion_run: Any) -> ServingHistory:
    made = ServingHistory(s3, BUCKET, PROD)
    made.request({"run_id": promotion_run["run_id"], "endpoint_config_name": NAME})
    return made


@pytest.fixture
def verify_prod(
    *, hosting: Any, runtime: Any, s3: Any, history: Any, promotion_run: Any, candidate: Any
) -> Verify:
    hosting.serve(PROD, NAME, ARN, **CAPTURE)
    prod = {
        "endpoint_name": PROD,
        "endpoint_config_name": NAME,
        "model_name": NAME,
        "previous_endpoint_config_name": OLD,
        "deadline": "2026-11-21T08:00:00.000Z",
    }

    def verify_prod() -> Verification:
        event = {"run": promotion_run, "package": candidate, "prod": prod}
        request = parse_input(event, VerifyEndpointEvent, "VerifyEndpoint event")
        now = datetime(2026, 11, 21, 8, tzinfo=UTC)
        return verify(request, SETTINGS, Clients(hosting, runtime, s3), now=now)

    return verify_prod


def test_prod_that_serves_what_was_promoted_is_noted_as_live(verify_prod: Verify, history: Any) -> None:
    found = verify_prod()
    assert (found.endpoint_config_name, found.model_package_arn) == (NAME, ARN)
    assert found.smoke.passed
    [entry] = history.deployments()
    assert (entry["outcome"], entry["settled_at"]) == ("live", "2026-11-21T08:00:00.000Z")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hosting: hosting.serve(PROD, OLD, f"{ARN[:-1]}6", **CAPTURE), f"configuration is {OLD}"),
        (lambda hosting: hosting.serve(PROD, NAME, f"{ARN[:-1]}6", **CAPTURE), "version is .*/6"),
        (lambda hosting: hosting.serve(PROD, NAME, ARN, "Updating", **CAPTURE), "status is Updating"),
        (lambda hosting: hosting.serve(PROD, NAME, ARN), "data capture is Stopped"),
        (lambda hosting: hosting.endpoint.clear(), "status is the endpoint is gone"),
        (lambda hosting: hosting.model.clear(), "version is None"),
    ],
)
def test_prod_that_is_something_else_is_not_verified(
    *, verify_prod: Verify, hosting: Any, history: Any, change: Any, words: str
) -> None:
    change(hosting)
    with pytest.raises(VerificationFailed, match=words):
        verify_prod()
    assert history.deployments()[0]["outcome"] == "requested"


def test_prod_that_does_not_predict_is_not_verified(verify_prod: Verify, runtime: Any, history: Any) -> None:
    runtime.answer = lambda rows: "0.9\n" * len(rows)
    with pytest.raises(VerificationFailed, match="third-class man, 22"):
        verify_prod()
    assert history.deployments()[0]["outcome"] == "requested"
