"""Puts a version on an endpoint: its model, its configuration, and the endpoint made or updated.

Everything bears the deployment's name, which is the run's own, so that a retry finds what it made before. The
model is made of a model package and of nothing else: what is not in the registry cannot be served.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from functions.common.clients import Client
from functions.common.endpoints import (
    VARIANT,
    Description,
    find_config,
    find_endpoint,
    find_model,
    package_of_model,
    wanted_config,
)
from functions.common.errors import EndpointUnavailable, ModelNameTaken
from functions.common.inputs import StrictModel
from functions.common.instants import format_instant
from functions.common.own_tags import Tags
from functions.common.promotion_run import (
    CandidatePackage,
    Deployment,
    PromotionRun,
    Stage,
    deployment_name,
)
from functions.common.registry import describe_package, require_approved
from functions.common.serving_history import ServingHistory
from functions.common.settings import Settings

STAGING_SECONDS = 2400  # a container that is not healthy by then will not be
UPDATE_SECONDS = 1800  # SageMaker gives up a prod update, and goes back, after this and the baking
ROLLBACK_SECONDS = 1800  # and takes up to this for going back
CAPTURE_PERCENT = 100


class DeployEndpointSettings(Settings):
    """The role the model runs under, and the alarms that take a prod update back, by commas."""

    model_role_arn: str
    prod_alarms: str


class DeployEndpointEvent(StrictModel):
    """The task's payload."""

    run: PromotionRun
    package: CandidatePackage
    stage: Stage


@dataclass(frozen=True)
class Clients:
    """The services a deployment reaches."""

    sagemaker: Client
    s3: Client


@dataclass(frozen=True)
class Work:
    """One deployment, and what it is done with."""

    event: DeployEndpointEvent
    settings: DeployEndpointSettings
    tags: Tags
    sagemaker: Client
    history: ServingHistory
    now: datetime

    @property
    def endpoint(self) -> str:
        return self.event.run.endpoint_name(self.event.stage)

    @property
    def name(self) -> str:
        """Of the model and of the configuration."""
        return deployment_name(self.endpoint, self.package_arn, self.event.run.run_id)

    @property
    def package_arn(self) -> str:
        return self.event.package.model_package_arn

    @property
    def of_prod(self) -> bool:
        return self.event.stage == "prod"


def deploy(
    event: DeployEndpointEvent, settings: DeployEndpointSettings, clients: Clients, tags: Tags, now: datetime
) -> Deployment:
    """What it makes bears `tags`.

    Raises `ModelPackageNotFound`, `ModelNotApproved`, `ModelNameTaken`, `EndpointUnavailable`.
    """
    sagemaker, endpoint = clients.sagemaker, event.run.endpoint_name(event.stage)
    history = ServingHistory(clients.s3, settings.data_bucket, endpoint)
    work = Work(event, settings, tags, sagemaker, history, now)
    require_approved(describe_package(sagemaker, work.package_arn))
    found = find_endpoint(sagemaker, work.endpoint)
    if found is None or wanted_config(found) != work.name:
        _require_ready(found)
        _make_model(work)
        _make_config(work)
        history.request(_entry(work, found))
        _put_endpoint(work, found)
    entry = history.of_run(event.run.run_id) or {}
    return Deployment(
        endpoint_name=work.endpoint,
        endpoint_config_name=work.name,
        model_name=work.name,
        previous_endpoint_config_name=entry.get("previous_endpoint_config_name"),
        deadline=format_instant(now + timedelta(seconds=_patience(event))),
    )


def _require_ready(found: Description | None) -> None:
    if found is None or found["EndpointStatus"] == "InService":
        return
    name, status = found["EndpointName"], found["EndpointStatus"]
    reason = f" ({found['FailureReason']})" if found.get("FailureReason") else ""
    raise EndpointUnavailable(
        f"Endpoint {name} is {status}{reason} and takes no update: wait until it is InService, or delete it "
        f"with `aws sagemaker delete-endpoint --endpoint-name {name}` when it has failed, then start again."
    )


def _make_model(work: Work) -> None:
    name, package_arn, role_arn = work.name, work.package_arn, work.settings.model_role_arn
    found = find_model(work.sagemaker, name)
    if found is None:
        work.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"ModelPackageName": package_arn},
            ExecutionRoleArn=role_arn,
            Tags=work.tags,
        )
    elif package_of_model(found) != package_arn or found["ExecutionRoleArn"] != role_arn:
        raise ModelNameTaken(
            f"Model {name} exists and is not that of {package_arn} under {role_arn}: look whose it is, "
            f"delete it with `aws sagemaker delete-model --model-name {name}`, then start again."
        )


def _make_config(work: Work) -> None:
    if find_config(work.sagemaker, work.name) is not None:
        return
    variant = {
        "VariantName": VARIANT,
        "ModelName": work.name,
        "InstanceType": work.event.run.instance_type,
        "InitialInstanceCount": work.event.run.instance_count,
        "InitialVariantWeight": 1.0,
    }
    capture = {"DataCaptureConfig": _capture(work.settings.data_bucket)} if work.of_prod else {}
    work.sagemaker.create_endpoint_config(
        EndpointConfigName=work.name, ProductionVariants=[variant], Tags=work.tags, **capture
    )


def _capture(bucket: str) -> dict[str, Any]:
    """Requests and answers of prod, for monitoring what it is asked. SageMaker adds endpoint and date."""
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": CAPTURE_PERCENT,
        "DestinationS3Uri": f"s3://{bucket}/monitoring/data-capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }


def _put_endpoint(work: Work, found: Description | None) -> None:
    named = {"EndpointName": work.endpoint, "EndpointConfigName": work.name}
    guarded = {"DeploymentConfig": guardrails(work.event.run, work.settings)} if work.of_prod else {}
    try:
        if found is None:
            work.sagemaker.create_endpoint(**named, Tags=work.tags)
        else:
            work.sagemaker.update_endpoint(**named, **guarded)
    except ClientError as error:
        # So that whoever looks for something to undo knows there is nothing.
        work.history.settle(work.event.run.run_id, "refused", format_instant(work.now), str(error))
        raise


def guardrails(run: PromotionRun, settings: DeployEndpointSettings) -> dict[str, Any]:
    """A canary, a wait with the alarms watched, then everybody; an alarm takes it all back."""
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": run.canary_percent},
                "WaitIntervalInSeconds": run.bake_seconds,
            },
            "TerminationWaitInSeconds": run.bake_seconds,
            "MaximumExecutionTimeoutInSeconds": UPDATE_SECONDS + 2 * run.bake_seconds,
        },
        "AutoRollbackConfiguration": {
            "Alarms": [{"AlarmName": name} for name in settings.prod_alarms.split(",")]
        },
    }


def _entry(work: Work, found: Description | None) -> dict[str, Any]:
    return {
        "run_id": work.event.run.run_id,
        "endpoint_config_name": work.name,
        "model_name": work.name,
        "model_package_arn": work.package_arn,
        "version": work.event.package.version,
        "previous_endpoint_config_name": found["EndpointConfigName"] if found else None,
        "requested_at": format_instant(work.now),
    }


def _patience(event: DeployEndpointEvent) -> int:
    """Longer than SageMaker's own, whose words about a failure say more than a missed deadline."""
    if event.stage == "staging":
        return STAGING_SECONDS
    return UPDATE_SECONDS + 2 * event.run.bake_seconds + ROLLBACK_SECONDS
