"""The shapes the promotion machine passes between its states."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from functions.common.inputs import StrictModel

Stage = Literal["staging", "prod"]


class PromotionRun(StrictModel):
    """`$.run`: what InitRun decides and every later state reads."""

    run_id: str
    run_date: str
    kind: Literal["promotion"]
    execution_arn: str
    started_at: str
    model_package_arn: str
    requested_by: str | None
    staging_endpoint: str
    prod_endpoint: str
    instance_type: str
    instance_count: int
    canary_percent: int = Field(description="share of prod's capacity that gets the new version first")
    bake_seconds: int = Field(description="how long the alarms are watched after each shift of traffic")

    def endpoint_name(self, stage: Stage) -> str:
        return self.staging_endpoint if stage == "staging" else self.prod_endpoint


class CandidatePackage(StrictModel):
    """`$.package`: the version to promote, and the one that prod serves now (null without any)."""

    model_package_arn: str
    version: int
    metrics: dict[str, float]
    training_run_id: str
    code_bundle_uri: str | None
    approved_by: str | None
    live_model_package_arn: str | None
    already_live: bool


class Deployment(StrictModel):
    """`$.staging` and `$.prod`: what was asked of an endpoint. At `deadline` the machine stops waiting."""

    endpoint_name: str
    endpoint_config_name: str
    model_name: str
    previous_endpoint_config_name: str | None
    deadline: str


class Check(StrictModel):
    """One thing that was looked at; `detail` says what was found."""

    name: str
    passed: bool
    detail: str


class Latency(StrictModel):
    """Milliseconds of the requests with one row."""

    p50: float
    p95: float
    max: float


class SmokeTest(StrictModel):
    """`$.smoke`: `reason` says which checks failed; `latency` is null where the endpoint did not answer."""

    passed: bool
    reason: str | None
    rows: int
    latency: Latency | None
    checks: list[Check]


class Verification(StrictModel):
    """`$.verification`: every check passed, or VerifyProd would have raised."""

    endpoint_config_name: str
    model_package_arn: str
    checks: list[Check]
    smoke: SmokeTest


class Gate(StrictModel):
    """`$.gate`: what `titanic confirm` and `titanic decline` send with the task token. `at` is UTC."""

    decision: Literal["approved", "declined"]
    by: str
    at: str
    reason: str | None


class Rollback(StrictModel):
    """`$.rollback`: `status` is what the machine branches on, `prod` what has become of the endpoint.

    prod            status
    restoring       rolling_back            on its way to the previous configuration; look again
    restored        rolled_back             in service on the previous configuration
    removed         rolled_back             there was no configuration before, so the endpoint went
    untouched       nothing_to_roll_back    the update was never accepted
    gone            nothing_to_roll_back    somebody deleted the endpoint meanwhile
    overtaken       nothing_to_roll_back    somebody else gave it another configuration meanwhile
    """

    status: Literal["rolling_back", "rolled_back", "nothing_to_roll_back"]
    prod: Literal["restoring", "restored", "removed", "untouched", "gone", "overtaken"]
    endpoint_config_name: str | None
    started_at: str


class CleanUp(StrictModel):
    """`$.clean_up`: names of what was deleted."""

    endpoint_name: str
    deleted: list[str]


def version_of(model_package_arn: str) -> int:
    """`arn:…:model-package/group/7` -> 7."""
    return int(model_package_arn.rsplit("/", 1)[-1])


def deployment_name(endpoint: str, model_package_arn: str, run_id: str) -> str:
    """Name of a deployment's model and configuration, at most 63 characters.

    `titanic-survival-prod-v7-1a2b3c4d5e`: the run's digits make it the run's own, and the same in a retry.
    """
    ending = f"-v{version_of(model_package_arn)}-{run_id.rsplit('-', 1)[-1]}"
    return f"{endpoint[: 63 - len(ending)].rstrip('-')}{ending}"
