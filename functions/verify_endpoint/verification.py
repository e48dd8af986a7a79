"""Proof that prod serves what was promoted.

`InService` proves nothing: an update that was rolled back ends so as well, on the old configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from functions.common.clients import Client
from functions.common.endpoints import Description, find_endpoint, package_of_config
from functions.common.errors import VerificationFailed
from functions.common.inputs import StrictModel
from functions.common.instants import format_instant
from functions.common.promotion_run import CandidatePackage, Check, Deployment, PromotionRun, Verification
from functions.common.serving_history import ServingHistory
from functions.common.smoke import SmokeSettings, run_smoke_test


@dataclass(frozen=True)
class Clients:
    """The boto3 clients this needs."""

    sagemaker: Client
    runtime: Client
    s3: Client


class VerifyEndpointEvent(StrictModel):
    """The task's payload."""

    run: PromotionRun
    package: CandidatePackage
    prod: Deployment


def verify(
    event: VerifyEndpointEvent, settings: SmokeSettings, clients: Clients, *, now: datetime
) -> Verification:
    """Checks what is there, then that it predicts, and notes it as live. Raises `VerificationFailed`."""
    wanted, package_arn = event.prod.endpoint_config_name, event.package.model_package_arn
    checks = check_endpoint(event, clients.sagemaker)
    _require(checks, event)
    smoke = run_smoke_test(clients.runtime, event.prod.endpoint_name, settings)
    if not smoke.passed:
        raise VerificationFailed(
            f"Endpoint {event.prod.endpoint_name} fails the smoke test that staging passed: {smoke.reason}."
        )
    history = ServingHistory(clients.s3, settings.data_bucket, event.prod.endpoint_name)
    history.settle(event.run.run_id, "live", format_instant(now))
    return Verification(
        endpoint_config_name=wanted, model_package_arn=package_arn, checks=checks, smoke=smoke
    )


def check_endpoint(event: VerifyEndpointEvent, sagemaker: Client) -> list[Check]:
    """Status, configuration, version and data capture, as the endpoint itself says now."""
    endpoint = find_endpoint(sagemaker, event.prod.endpoint_name)
    if endpoint is None:
        return [Check(name="status", passed=False, detail="the endpoint is gone")]
    config, status = endpoint["EndpointConfigName"], endpoint["EndpointStatus"]
    served = package_of_config(sagemaker, config)
    return [
        Check(name="status", passed=status == "InService", detail=status),
        Check(name="configuration", passed=config == event.prod.endpoint_config_name, detail=config),
        Check(name="version", passed=served == event.package.model_package_arn, detail=str(served)),
        _data_capture(endpoint),
    ]


def _data_capture(endpoint: Description) -> Check:
    capture = endpoint.get("DataCaptureConfig") or {}
    status = capture.get("CaptureStatus", "Stopped")
    return Check(name="data capture", passed=status == "Started", detail=status)


def _require(checks: list[Check], event: VerifyEndpointEvent) -> None:
    wrong = "; ".join(f"{check.name} is {check.detail}" for check in checks if not check.passed)
    if wrong:
        raise VerificationFailed(
            f"Endpoint {event.prod.endpoint_name} is not what run {event.run.run_id} deployed "
            f"({event.prod.endpoint_config_name} with {event.package.model_package_arn}): {wrong}."
        )
