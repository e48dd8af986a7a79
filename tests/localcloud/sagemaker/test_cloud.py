"""SageMaker behind the local cloud's port: SDKs, Step Functions, EventBridge and IAM reach it."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import control

Clients = Callable[[str], Any]
Document = dict[str, Any]

TOKEN = "token-" + "0" * 30


def definition(role: str, command: str) -> str:
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["/bin/sh", "-c", command]},
        "RoleArn": role,
    }
    return json.dumps(
        {"Version": "2020-12-01", "Steps": [{"Name": "Work", "Type": "Processing", "Arguments": arguments}]}
    )


@pytest.fixture
def pipeline(aws: Clients, role: str) -> str:
    name = f"pipeline-{uuid.uuid4().hex[:8]}"
    aws("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=definition(role, "echo hello"),
        RoleArn=role,
        ClientRequestToken=TOKEN,
    )
    return name


def task(operation: str, parameters: Document, **more: Any) -> str:
    state = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:sagemaker:{operation}",
        "Parameters": parameters,
        "End": True,
    }
    return json.dumps({"StartAt": "Ask", "States": {"Ask": state | more}})


def test_step_functions_starts_and_describes_a_pipeline(
    aws: Clients, pipeline: str, deploy_machine: Callable[[str], str], finish: Callable[..., Document]
) -> None:
    poll = {
        "StartAt": "Start",
        "States": {
            "Start": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sagemaker:startPipelineExecution",
                "Parameters": {"PipelineName": pipeline, "ClientRequestToken": TOKEN},
                "ResultSelector": {"arn.$": "$.PipelineExecutionArn"},
                "Next": "Pause",
            },
            "Pause": {"Type": "Wait", "Seconds": 30, "Next": "Describe"},
            "Describe": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sagemaker:describePipelineExecution",
                "Parameters": {"PipelineExecutionArn.$": "$.arn"},
                "ResultSelector": {"status.$": "$.PipelineExecutionStatus"},
                "ResultPath": "$.described",
                "Next": "Done?",
            },
            "Done?": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.described.status", "StringEquals": "Executing", "Next": "Pause"},
                ],
                "Default": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }
    states = aws("stepfunctions")
    started = states.start_execution(stateMachineArn=deploy_machine(json.dumps(poll)), input="{}")
    ended = finish(states, started["executionArn"])
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["described"]["status"] == "Succeeded"


@pytest.fixture
def fail(
    aws: Clients, deploy_machine: Callable[[str], str], finish: Callable[..., Document]
) -> Callable[[str], Document]:
    """Runs a machine to its end."""

    def run(machine: str) -> Document:
        states = aws("stepfunctions")
        return finish(states, states.start_execution(stateMachineArn=deploy_machine(machine))["executionArn"])

    return run


@pytest.mark.parametrize(
    ("operation", "parameters", "error"),
    [
        ("describePipeline", {"PipelineName": "none"}, "SageMaker.ResourceNotFoundException"),
        ("describeModelPackage", {"ModelPackageName": "none"}, "SageMaker.SageMakerException"),
        ("describeTrainingJob", {"TrainingJobName": "_"}, "SageMaker.SageMakerException"),
    ],
)
def test_step_functions_sees_the_errors_of_the_java_sdk(
    fail: Callable[[str], Document], operation: str, parameters: Document, error: str
) -> None:
    ended = fail(task(operation, parameters))
    assert (ended["status"], ended["error"]) == ("FAILED", error)


def test_a_rule_on_pipeline_events_fires(aws: Clients, pipeline: str) -> None:
    queue = aws("sqs").create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
        "detail": {
            "currentPipelineExecutionStatus": ["Succeeded"],
            "pipelineExecutionDisplayName": [pipeline],
        },
    }
    aws("events").put_rule(Name=pipeline, EventPattern=json.dumps(pattern))
    aws("events").put_targets(Rule=pipeline, Targets=[{"Id": "queue", "Arn": arn}])
    execution = aws("sagemaker").start_pipeline_execution(
        PipelineName=pipeline, PipelineExecutionDisplayName=pipeline, ClientRequestToken=TOKEN
    )["PipelineExecutionArn"]
    [message] = aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail"]["pipelineExecutionArn"] == execution
    assert (event["account"], event["region"]) == ("123456789012", "eu-west-1")


def test_a_jobs_output_is_in_its_log_group(aws: Clients, role: str) -> None:
    name = f"job-{uuid.uuid4().hex[:8]}"
    aws("sagemaker").create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        AppSpecification={
            "ImageUri": "image",
            "ContainerEntrypoint": [sys.executable, "-c", "print('hello')"],
        },
        RoleArn=role,
    )
    while (
        aws("sagemaker").describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]
        == "InProgress"
    ):
        pass
    group = {"logGroupName": "/aws/sagemaker/ProcessingJobs"}
    [stream] = aws("logs").describe_log_streams(**group, logStreamNamePrefix=f"{name}/algo-1-")["logStreams"]
    found = aws("logs").get_log_events(**group, logStreamName=stream["logStreamName"])
    assert [event["message"] for event in found["events"]] == ["hello"]


ALLOWED = [
    "sagemaker:CreatePipeline",
    "sagemaker:DescribePipeline",
    "sagemaker:StartPipelineExecution",
    "sagemaker:DescribePipelineExecution",
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Cloud]:
    """A local cloud that enforces IAM."""
    home = tmp_path_factory.mktemp("strict")
    yield control.start(home, port=0, enforce_iam=True)
    control.stop(home)


def clients(cloud: control.Cloud, **keys: str) -> Clients:
    session = boto3.session.Session(region_name="eu-west-1", **keys)
    return lambda service: session.client(service, endpoint_url=cloud.endpoint_url)


@pytest.fixture(scope="module")
def root(strict: control.Cloud) -> Clients:
    return clients(strict, aws_access_key_id="test", aws_secret_access_key="test")


def make_role(
    root: Clients, name: str, *statements: Document, trusted: str = "sagemaker.amazonaws.com"
) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": trusted}},
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}},
        ],
    }
    arn: str = root("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"][
        "Arn"
    ]
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        root("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return arn


def allow(*actions: str, resource: str = "*") -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def as_role(strict: control.Cloud, root: Clients, arn: str) -> Any:
    keys = root("sts").assume_role(RoleArn=arn, RoleSessionName="someone")["Credentials"]
    return clients(
        strict,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )("sagemaker")


def create(sagemaker: Any, name: str, role: str, command: str = "true") -> None:
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=definition(role, command),
        RoleArn=role,
        ClientRequestToken=TOKEN,
    )


def outcome(sagemaker: Any, name: str) -> Document:
    """Runs a pipeline to its end and returns its one step."""
    arn = sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken=TOKEN)[
        "PipelineExecutionArn"
    ]
    while (
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        == "Executing"
    ):
        pass
    step: Document = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)[
        "PipelineExecutionSteps"
    ][0]
    return step


def test_a_caller_may_do_what_its_policies_allow_and_nothing_else(
    strict: control.Cloud, root: Clients
) -> None:
    own = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/mine*"
    worker = make_role(root, "worker")
    caller = as_role(
        strict,
        root,
        make_role(root, "caller", allow(*ALLOWED, resource=own), allow("iam:PassRole", resource=worker)),
    )
    create(caller, "mine", worker)
    with pytest.raises(
        ClientError, match=r"is not authorized to perform: sagemaker:CreatePipeline on resource: .*/other"
    ):
        create(caller, "other", worker)
    with pytest.raises(ClientError, match="sagemaker:DeletePipeline") as refused:
        caller.delete_pipeline(PipelineName="mine", ClientRequestToken=TOKEN)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_role_is_passed_only_by_who_may_pass_it(strict: control.Cloud, root: Clients) -> None:
    worker = make_role(root, "unpassed")
    caller = as_role(strict, root, make_role(root, "passer", allow("sagemaker:*")))
    with pytest.raises(
        ClientError, match=r"iam:PassRole on resource: arn:aws:iam::123456789012:role/unpassed"
    ):
        create(caller, "pass", worker)


def test_tagging_is_an_action_of_its_own(strict: control.Cloud, root: Clients) -> None:
    group = {"ModelPackageGroupName": "tagged", "Tags": [{"Key": "env", "Value": "dev"}]}
    caller = as_role(strict, root, make_role(root, "tagger", allow("sagemaker:CreateModelPackageGroup")))
    with pytest.raises(ClientError, match=r"sagemaker:AddTags on resource: .*:model-package-group/tagged"):
        caller.create_model_package_group(**group)


def test_a_role_must_trust_sagemaker(root: Clients) -> None:
    with pytest.raises(ClientError, match="Could not assume role"):
        create(root("sagemaker"), "trust", make_role(root, "glues", trusted="glue.amazonaws.com"))
    with pytest.raises(ClientError, match="Could not assume role"):
        create(root("sagemaker"), "trust", "arn:aws:iam::123456789012:role/nobody")


def test_a_pipelines_steps_are_judged_by_its_role(root: Clients) -> None:
    jobs = "arn:aws:sagemaker:eu-west-1:123456789012:processing-job/pipelines-*"
    able = make_role(
        root,
        "able",
        allow("sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", resource=jobs),
        allow("iam:PassRole"),
    )
    create(root("sagemaker"), "able", able)
    assert outcome(root("sagemaker"), "able")["StepStatus"] == "Succeeded"
    unable = make_role(root, "unable", allow("iam:PassRole"))
    create(root("sagemaker"), "unable", unable)
    step = outcome(root("sagemaker"), "unable")
    assert step["StepStatus"] == "Failed"
    assert "assumed-role/unable/" in step["FailureReason"]
    assert "is not authorized to perform: sagemaker:CreateProcessingJob" in step["FailureReason"]


def test_state_survives_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("restarted")
    for number in range(2):
        cloud = control.start(home, port=0)
        try:
            sagemaker = clients(cloud, aws_access_key_id="test", aws_secret_access_key="test")("sagemaker")
            if number == 0:
                sagemaker.create_model_package_group(ModelPackageGroupName="models")
            assert sagemaker.describe_model_package_group(ModelPackageGroupName="models")
        finally:
            control.stop(home)
