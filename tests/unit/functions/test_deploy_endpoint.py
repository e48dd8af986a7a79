from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.errors import EndpointUnavailable, ModelNameTaken, ModelNotApproved
from functions.common.inputs import parse_input
from functions.common.promotion_run import Deployment, deployment_name
from functions.deploy_endpoint.deployment import Clients, DeployEndpointEvent, DeployEndpointSettings, deploy

BUCKET = "titanic-sagemaker-dev-123456789012"
STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
NAME, OLD = f"{PROD}-v7-a6fe0531ae", f"{PROD}-v6-0000000000"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
SETTINGS = DeployEndpointSettings(
    env="dev",
    data_bucket=BUCKET,
    model_role_arn="arn:aws:iam::123456789012:role/model",
    prod_alarms="errors,latency",
)
TAGS = [{"Key": "project", "Value": "titanic-sagemaker"}]
NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
HISTORY = f"serving/endpoints/{PROD}.json"

Deploy = Callable[[str], Deployment]


@pytest.fixture
def deploy_to(hosting: Any, s3: Any, promotion_run: Any, candidate: Any) -> Deploy:
    def deploy_to(stage: str) -> Deployment:
        event = {"run": promotion_run, "package": candidate, "stage": stage}
        request = parse_input(event, DeployEndpointEvent, "DeployEndpoint event")
        return deploy(request, SETTINGS, Clients(hosting, s3), TAGS, NOW)

    return deploy_to


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_all_that_it_makes_bears_the_tags_that_costs_are_counted_by(
    deploy_to: Deploy, hosting: Any, stage: str
) -> None:
    deploy_to(stage)
    for operation in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        assert hosting.request(operation)["Tags"] == TAGS


def test_staging_is_made_of_the_registered_version_alone(deploy_to: Deploy, hosting: Any) -> None:
    made = deploy_to("staging")
    name = f"{STAGING}-v7-a6fe0531ae"
    assert made.model_dump() == {
        "endpoint_name": STAGING,
        "endpoint_config_name": name,
        "model_name": name,
        "previous_endpoint_config_name": None,
        "deadline": "2026-11-21T07:40:00.000Z",
    }
    assert hosting.did() == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert hosting.request("CreateModel") == {
        "ModelName": name,
        "PrimaryContainer": {"ModelPackageName": ARN},
        "ExecutionRoleArn": SETTINGS.model_role_arn,
        "Tags": TAGS,
    }
    config = hosting.request("CreateEndpointConfig")
    assert config["ProductionVariants"][0]["VariantName"] == "AllTraffic"
    assert "DataCaptureConfig" not in config


def test_prod_is_updated_with_a_canary_that_alarms_take_back(
    deploy_to: Deploy, hosting: Any, get: Any
) -> None:
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6")
    made = deploy_to("prod")
    update = hosting.request("UpdateEndpoint")["DeploymentConfig"]
    routing = update["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert (routing["Type"], routing["CanarySize"]["Value"]) == ("CANARY", 10)
    assert routing["WaitIntervalInSeconds"] == 300
    alarms = update["AutoRollbackConfiguration"]["Alarms"]
    assert [alarm["AlarmName"] for alarm in alarms] == ["errors", "latency"]
    capture = hosting.request("CreateEndpointConfig")["DataCaptureConfig"]
    assert (capture["EnableCapture"], capture["DestinationS3Uri"]) == (
        True,
        f"s3://{BUCKET}/monitoring/data-capture",
    )
    assert made.previous_endpoint_config_name == OLD
    [entry] = get(HISTORY)["deployments"]
    assert (entry["previous_endpoint_config_name"], entry["outcome"]) == (OLD, "requested")


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_a_retry_finds_what_was_made_and_keeps_the_way_back(
    deploy_to: Deploy, hosting: Any, stage: str
) -> None:
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6")
    first = deploy_to(stage)
    done = len(hosting.did())
    assert deploy_to(stage) == first
    assert len(hosting.did()) == done


def test_a_retry_after_the_endpoint_call_was_lost_makes_only_what_is_missing(
    deploy_to: Deploy, hosting: Any
) -> None:
    deploy_to("staging")
    del hosting.endpoint[STAGING]
    deploy_to("staging")
    made = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert hosting.did() == [*made, "CreateEndpoint"]


def test_an_approval_that_was_taken_back_at_the_gate_stops_the_deployment(
    deploy_to: Deploy, hosting: Any
) -> None:
    hosting.packages[ARN]["ModelApprovalStatus"] = "Rejected"
    with pytest.raises(ModelNotApproved):
        deploy_to("prod")
    assert hosting.did() == []


@pytest.mark.parametrize("status", ["Updating", "RollingBack", "Deleting", "Failed", "UpdateRollbackFailed"])
def test_an_endpoint_that_takes_no_update_is_left_alone(deploy_to: Deploy, hosting: Any, status: str) -> None:
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6", status, FailureReason="no capacity")
    with pytest.raises(EndpointUnavailable, match=rf"{status} \(no capacity\).*delete-endpoint"):
        deploy_to("prod")
    assert hosting.did() == []


def test_a_model_of_the_name_that_is_another_ones_is_not_served(deploy_to: Deploy, hosting: Any) -> None:
    hosting.serve("elsewhere", NAME, f"{ARN[:-1]}6")
    with pytest.raises(ModelNameTaken, match=NAME):
        deploy_to("prod")
    assert hosting.did() == []


def test_an_update_that_is_refused_leaves_nothing_to_undo(deploy_to: Deploy, hosting: Any, get: Any) -> None:
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6")
    hosting.refusals["UpdateEndpoint"] = "Alarms of AutoRollbackConfiguration do not exist: errors"
    with pytest.raises(ClientError):
        deploy_to("prod")
    [entry] = get(HISTORY)["deployments"]
    assert entry["outcome"] == "refused"
    assert "do not exist" in entry["reason"]


def test_a_name_stays_within_what_sagemaker_takes() -> None:
    name = deployment_name("a-very-long-endpoint-name-" * 3, f"{ARN[:-1]}123", "20261121-a6fe0531ae")
    assert len(name) <= 63
    assert name.endswith("-v123-a6fe0531ae")
