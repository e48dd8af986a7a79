from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

Deploy = Callable[..., str]


@pytest.fixture(scope="session")
def role(aws: Callable[[str], Any]) -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    arn: str = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    return arn


@pytest.fixture(scope="session")
def bucket(aws: Callable[[str], Any]) -> str:
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    location = {"LocationConstraint": "eu-west-1"}
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration=location)
    return name


@pytest.fixture(scope="session")
def deploy_function(aws: Callable[[str], Any], role: str) -> Deploy:
    """Deploys a one-file function and returns its name."""

    def deploy(source: str, **settings: Any) -> str:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as members:
            members.writestr("app.py", source)
        name = f"function-{uuid.uuid4().hex[:8]}"
        defaults = {"Runtime": "python3.13", "Role": role, "Handler": "app.handler", "Timeout": 10}
        aws("lambda").create_function(
            FunctionName=name, Code={"ZipFile": archive.getvalue()}, **(defaults | settings)
        )
        return name

    return deploy


@pytest.fixture(scope="session")
def deploy_job(aws: Callable[[str], Any], role: str, bucket: str) -> Deploy:
    """Deploys a Glue job of one script and returns its name."""

    def deploy(source: str, **settings: Any) -> str:
        name = f"job-{uuid.uuid4().hex[:8]}"
        aws("s3").put_object(Bucket=bucket, Key=f"{name}/script.py", Body=source.encode())
        command = {"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/{name}/script.py"}
        aws("glue").create_job(Name=name, Role=role, Command=command, GlueVersion="5.0", **settings)
        return name

    return deploy


@pytest.fixture(scope="session")
def deploy_machine(aws: Callable[[str], Any], role: str) -> Deploy:
    """Deploys a state machine and returns its ARN."""

    def deploy(definition: str) -> str:
        name = f"machine-{uuid.uuid4().hex[:8]}"
        answer = aws("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)
        arn: str = answer["stateMachineArn"]
        return arn

    return deploy
