"""Under enforced IAM: who may create and invoke, and what the model's role must be allowed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import control

Document = dict[str, Any]
Clients = Callable[[str], Any]

ARN = "arn:aws:sagemaker:eu-west-1:123456789012"
MODEL_DATA = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/models/*"}
ALARMS = {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Cloud]:
    home = tmp_path_factory.mktemp("strict")
    yield control.start(home, port=0, enforce_iam=True)
    control.stop(home)


@pytest.fixture(scope="module")
def root(strict: control.Cloud, clients_of: Callable[[str], Clients]) -> Clients:
    aws = clients_of(strict.endpoint_url)
    location = {"LocationConstraint": "eu-west-1"}
    aws("s3").create_bucket(Bucket="models", CreateBucketConfiguration=location)
    return aws


def make_role(root: Clients, *statements: Document) -> str:
    """A role that SageMaker and anybody may assume."""
    name = f"role-{uuid.uuid4().hex[:8]}"
    trusted = [{"Service": "sagemaker.amazonaws.com"}, {"AWS": "*"}]
    trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal} for principal in trusted]
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn: str = root("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    root("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return arn


def as_role(strict: control.Cloud, root: Clients, *statements: Document) -> Clients:
    """Clients of somebody who may do this."""
    arn = make_role(root, *statements)
    keys = root("sts").assume_role(RoleArn=arn, RoleSessionName="someone")["Credentials"]
    session = boto3.session.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="eu-west-1"
    )
    return lambda service: session.client(service, endpoint_url=strict.endpoint_url)


def allow(action: str, *resources: str) -> Document:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources)}


@pytest.fixture
def hosting(root: Clients, artifact: Callable[..., bytes], make_hosting: Any) -> Iterator[Any]:
    hosting = make_hosting(root, make_role(root, MODEL_DATA), "models", artifact)
    yield hosting
    for name in list(hosting.endpoints):
        hosting.gone(name)


def test_only_who_may_invoke_an_endpoint_gets_an_answer(
    strict: control.Cloud, root: Clients, hosting: Any
) -> None:
    mine, others = hosting.in_service(), hosting.in_service()
    runtime = as_role(strict, root, allow("sagemaker:InvokeEndpoint", f"{ARN}:endpoint/{mine}"))(
        "sagemaker-runtime"
    )
    answer = runtime.invoke_endpoint(EndpointName=mine, ContentType="text/csv", Body=b"0.9,0,0")
    assert float(answer["Body"].read()) > 0.5
    expected = f"is not authorized to perform: sagemaker:InvokeEndpoint on resource: {ARN}:endpoint/{others}"
    with pytest.raises(ClientError, match=expected) as refused:
        runtime.invoke_endpoint(EndpointName=others, ContentType="text/csv", Body=b"0.9,0,0")
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_an_unknown_key_gets_no_answer(strict: control.Cloud, hosting: Any) -> None:
    name = hosting.in_service()
    stranger = boto3.session.Session("AKIAUNKNOWN000000000", "secret", region_name="eu-west-1")
    runtime = stranger.client("sagemaker-runtime", endpoint_url=strict.endpoint_url)
    with pytest.raises(ClientError, match="security token"):
        runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=b"0.9,0,0")


def test_creating_an_endpoint_needs_its_configuration_too(
    strict: control.Cloud, root: Clients, hosting: Any
) -> None:
    config, name = hosting.config(hosting.model()), f"endpoint-{uuid.uuid4().hex[:8]}"
    endpoint = f"{ARN}:endpoint/{name}"
    half = as_role(strict, root, allow("sagemaker:CreateEndpoint", endpoint))("sagemaker")
    with pytest.raises(
        ClientError, match=f"sagemaker:CreateEndpoint on resource: {ARN}:endpoint-config/{config}"
    ):
        half.create_endpoint(EndpointName=name, EndpointConfigName=config)
    both = allow("sagemaker:CreateEndpoint", endpoint, f"{ARN}:endpoint-config/{config}")
    as_role(strict, root, both)("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    hosting.endpoints.append(name)
    assert hosting.settled(name)["EndpointStatus"] == "InService"


def test_the_models_role_reads_the_model(root: Clients, hosting: Any) -> None:
    model = hosting.model()
    name = hosting.role.rsplit("/", 1)[-1]
    root("iam").delete_role_policy(RoleName=name, PolicyName="all")
    described = hosting.settled(hosting.create(hosting.config(model)))
    assert described["EndpointStatus"] == "Failed"
    assert "the role passed to CreateModel has permissions" in described["FailureReason"]
    assert "AccessDenied" in described["FailureReason"]


def test_the_models_role_reads_the_alarms(root: Clients, hosting: Any) -> None:
    root("cloudwatch").put_metric_alarm(
        AlarmName="guard",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    guarded = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}]}}
    name = hosting.in_service()
    config = hosting.config(hosting.model())

    def update() -> None:
        hosting.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=config, DeploymentConfig=guarded
        )

    with pytest.raises(
        ClientError, match=r"alarms of AutoRollbackConfiguration cannot be read: AccessDenied"
    ):
        update()
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ALARMS]})
    role = hosting.role.rsplit("/", 1)[-1]
    root("iam").put_role_policy(RoleName=role, PolicyName="alarms", PolicyDocument=policy)
    update()
    assert hosting.settled(name)["EndpointConfigName"] == config
