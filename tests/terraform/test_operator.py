"""The operator's role under enforced IAM: what a data scientist on duty can do, and what is denied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from ops import gate
from scripts.permissions import REFUSED

pytestmark = pytest.mark.xdist_group("terraform")

PROD = "titanic-survival-prod"
Titanic = Callable[..., "subprocess.CompletedProcess[str]"]


def keys_of(applied: Any, session: str) -> dict[str, str]:
    role = applied.names.role_arn("operator")
    keys = applied.aws("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


@pytest.fixture(scope="module")
def titanic(applied: Any) -> Titanic:
    """The command, as the operator runs it."""

    def environment(session: str) -> dict[str, str]:
        keys = {name.upper(): value for name, value in keys_of(applied, session).items()}
        return {**os.environ, **keys, "AWS_ENDPOINT_URL": applied.runner.environment["AWS_ENDPOINT_URL"]}

    def run(*arguments: str, session: str = "operator") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("titanic"), *arguments],
            env=environment(session),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def read(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def trained(titanic: Titanic) -> Any:
    """What the command says of a run that the operator has started, and watched to its end."""
    return read(titanic("train", "--json"))


@pytest.mark.parametrize("command", ["alerts", "endpoints", "models", "runs", "schedule"])
def test_the_operator_reads(titanic: Titanic, trained: Any, command: str) -> None:
    assert read(titanic(command, "--json"))


def test_the_operator_hears_what_people_were_told(titanic: Titanic, trained: Any) -> None:
    """And of how much could not be delivered."""
    assert trained["run_id"] in titanic("alerts").stdout


def test_the_operator_looks_into_a_run(titanic: Titanic, trained: Any) -> None:
    run_id = trained["run_id"]
    assert read(titanic("runs", "show", run_id, "--json"))["run_id"] == run_id
    sources = {json.loads(line)["source"] for line in titanic("logs", run_id, "--json").stdout.splitlines()}
    assert len(sources) > 3


def test_the_operator_sees_what_a_run_cost_and_what_nothing_refers_to(titanic: Titanic, trained: Any) -> None:
    assert read(titanic("cost", trained["run_id"], "--json"))["usd"] > 0
    assert isinstance(read(titanic("orphans", "--json")), list)


def test_the_operator_scores_a_batch(titanic: Titanic, trained: Any) -> None:
    assert read(titanic("predict", "--json"))["decision"] == "published"


def test_the_operator_decides_about_versions_and_another_about_prod(
    applied: Any, until: Any, titanic: Titanic, trained: Any
) -> None:
    """An approval brings the version to the gate. Who approved it cannot open it."""
    arn = applied.manifest(trained["execution_arn"])["arns"]["model_package"]
    version = arn.rpartition("/")[2]
    assert titanic("reject", version).returncode == 0
    assert titanic("approve", version, "--reason", "looked again").returncode == 0
    [run] = until(lambda: gate.running(applied.target), "the approval has started a promotion")
    until(lambda: applied.has(gate.approval_key(run.run_id)), "it asks a person")
    refused = titanic("confirm", run.run_id, session=REFUSED)
    assert refused.returncode == 1
    assert "not authorized to perform: s3:GetObject" in refused.stderr
    gate.answer(applied.target, run, "a test is over", confirmed=False)
    applied.wait(applied.aws("stepfunctions"), run.execution_arn)


def test_the_operator_sees_metrics_and_alarms(applied: Any) -> None:
    aws = clients(applied, "operator")
    assert aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert aws("cloudwatch").list_metrics(Namespace="AWS/States")["Metrics"]
    now = datetime.now(UTC)
    started = {"Namespace": "AWS/States", "MetricName": "ExecutionsStarted"}
    query = {"Id": "runs", "MetricStat": {"Metric": started, "Period": 3600, "Stat": "Sum"}}
    aws("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(hours=1), EndTime=now
    )


def clients(applied: Any, session: str) -> Callable[[str], Any]:
    made = boto3.session.Session(region_name=applied.names.region, **keys_of(applied, session))
    return lambda service: made.client(service, endpoint_url=applied.runner.environment["AWS_ENDPOINT_URL"])


EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)
REFUSALS: dict[str, Callable[[Callable[[str], Any], Any], Any]] = {
    "iam:PutRolePolicy": lambda aws, applied: aws("iam").put_role_policy(
        RoleName=applied.names.role("operator"), PolicyName="more", PolicyDocument=EVERYTHING
    ),
    "iam:UpdateAssumeRolePolicy": lambda aws, applied: aws("iam").update_assume_role_policy(
        RoleName=applied.names.role("deploy_endpoint"), PolicyDocument=EVERYTHING
    ),
    "iam:CreateRole": lambda aws, _applied: aws("iam").create_role(
        RoleName="mine", AssumeRolePolicyDocument=EVERYTHING
    ),
    "sagemaker:UpdateEndpoint": lambda aws, _applied: aws("sagemaker").update_endpoint(
        EndpointName=PROD, EndpointConfigName=f"{PROD}-v1"
    ),
    "sagemaker:DeleteEndpoint": lambda aws, _applied: aws("sagemaker").delete_endpoint(EndpointName=PROD),
    "sagemaker:DeleteModelPackage": lambda aws, applied: aws("sagemaker").delete_model_package(
        ModelPackageName=applied.versions()[0]["ModelPackageArn"]
    ),
    "s3:DeleteObject": lambda aws, applied: aws("s3").delete_object(
        Bucket=applied.bucket, Key="curated/train.csv"
    ),
    "s3:PutObject": lambda aws, applied: aws("s3").put_object(
        Bucket=applied.bucket, Key="predictions/latest.json", Body=b"{}"
    ),
    "states:SendTaskSuccess": lambda aws, _applied: aws("stepfunctions").send_task_success(
        taskToken="guessed", output="{}"
    ),
    "states:UpdateStateMachine": lambda aws, applied: aws("stepfunctions").update_state_machine(
        stateMachineArn=applied.machine_arn("promotion"), definition="{}"
    ),
    "lambda:UpdateFunctionCode": lambda aws, applied: aws("lambda").update_function_code(
        FunctionName=applied.names.function("deploy_endpoint"), ZipFile=b"mine"
    ),
    "scheduler:DeleteSchedule": lambda aws, applied: aws("scheduler").delete_schedule(
        Name=applied.names.schedule("weekly_training"), GroupName=applied.names["schedule_group"]
    ),
}
EXPLICIT = ("iam:", "sagemaker:UpdateEndpoint", "sagemaker:DeleteEndpoint", "s3:", "states:SendTask")


@pytest.mark.parametrize("action", REFUSALS)
def test_the_operator_is_refused(applied: Any, action: str) -> None:
    """Endpoints, permissions and records by an explicit denial, which no other policy can lift."""
    with pytest.raises(ClientError, match=f"is not authorized to perform: {action}") as refused:
        REFUSALS[action](clients(applied, REFUSED), applied)
    assert refused.value.response["Error"]["Code"].startswith("AccessDenied")
    assert ("explicit deny" in str(refused.value)) is action.startswith(EXPLICIT)
