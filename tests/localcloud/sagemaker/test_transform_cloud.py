"""Batch transform behind the local cloud's port: SDKs, Step Functions' `.sync` tasks, pipelines and IAM."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from localcloud import control

Document = dict[str, Any]
Aws = Callable[[str], Any]
Deploy = Callable[[str], str]
Finish = Callable[..., Document]
Pack = Callable[[dict[str, bytes]], bytes]

IMAGE = "1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"
SLOW = b"".join(b"%d,1,0,1\n" % number for number in range(200_000))  # one by one: most of a minute


class Batch:
    """A model made from a registered version, and a prefix of its own with `in/` and `out/`."""

    def __init__(self, aws: Aws, bucket: str, role: str, archive: bytes) -> None:
        self.name = f"batch-{uuid.uuid4().hex[:8]}"
        self._aws, self.bucket = aws, bucket
        self.put("model.tar.gz", archive)
        sagemaker = aws("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName=self.name)
        self.package = sagemaker.create_model_package(
            ModelPackageGroupName=self.name,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": self.uri("model.tar.gz")}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        container = {"ModelPackageName": self.package}
        sagemaker.create_model(ModelName=self.name, PrimaryContainer=container, ExecutionRoleArn=role)

    def put(self, path: str, content: bytes) -> None:
        self._aws("s3").put_object(Bucket=self.bucket, Key=f"{self.name}/{path}", Body=content)

    def uri(self, path: str) -> str:
        return f"s3://{self.bucket}/{self.name}/{path}"

    def request(self, **more: Any) -> Document:
        return {
            "TransformJobName": self.name,
            "ModelName": self.name,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": self.uri("in/")}},
                "ContentType": "text/csv",
                "SplitType": "Line",
            },
            "TransformOutput": {
                "S3OutputPath": self.uri("out/"),
                "AssembleWith": "Line",
                "Accept": "text/csv",
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
            **more,
        }

    def machine(self, *, form: str = ".sync", timeout: int = 60, **more: Any) -> str:
        task = {
            "Type": "Task",
            "Resource": f"arn:aws:states:::sagemaker:createTransformJob{form}",
            "Parameters": self.request(**more),
            "TimeoutSeconds": timeout,
            "End": True,
        }
        return json.dumps({"StartAt": "CreateTransformJob", "States": {"CreateTransformJob": task}})

    def status(self) -> str:
        """The job's; empty while there is none."""
        listed = self._aws("sagemaker").list_transform_jobs(NameContains=self.name)["TransformJobSummaries"]
        return str(listed[0]["TransformJobStatus"]) if listed else ""

    def outputs(self) -> dict[str, bytes]:
        prefix = f"{self.name}/out/"
        listed = self._aws("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {
            item["Key"].removeprefix(prefix): self._aws("s3")
            .get_object(Bucket=self.bucket, Key=item["Key"])["Body"]
            .read()
            for item in listed
        }


@pytest.fixture
def batch(aws: Aws, bucket: str, role: str, pack: Pack, model_file: bytes) -> Batch:
    return Batch(aws, bucket, role, pack({"xgboost-model": model_file}))


Start = Callable[[str], str]


@pytest.fixture
def start(aws: Aws, deploy_machine: Deploy) -> Start:
    """Starts an execution of a machine and returns its ARN."""

    def start(machine: str) -> str:
        states = aws("stepfunctions")
        execution: str = states.start_execution(stateMachineArn=deploy_machine(machine))["executionArn"]
        return execution

    return start


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def wait_until_started(batch: Batch) -> None:
    until(lambda: batch.status() == "InProgress", "the job runs")


def wait_until_ended(batch: Batch) -> str:
    until(lambda: batch.status() not in ("InProgress", "Stopping"), "the job has ended")
    return batch.status()


def test_a_batch_is_scored_through_the_sdk(batch: Batch, aws: Aws) -> None:
    batch.put("in/part-0.csv", b"7,0.9,0.9,0.9\n8,0.1,,0.1\n")
    batch.put("in/more/part-1.csv", b"9,0.1,0.1,0.1\n")
    sagemaker = aws("sagemaker")
    sagemaker.create_transform_job(**batch.request())
    sagemaker.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName=batch.name, WaiterConfig={"Delay": 1}
    )
    assert sorted(batch.outputs()) == ["more/part-1.csv.out", "part-0.csv.out"]
    assert [line[:2] for line in batch.outputs()["part-0.csv.out"].split()] == [b"7,", b"8,"]
    [listed] = sagemaker.list_transform_jobs(NameContains=batch.name)["TransformJobSummaries"]
    assert listed["TransformJobStatus"] == "Completed"


def test_the_data_log_is_in_the_jobs_log_group(batch: Batch, aws: Aws) -> None:
    batch.put("in/a.csv", b"id,a,b,c\n")
    aws("sagemaker").create_transform_job(**batch.request())
    assert wait_until_ended(batch) == "Failed"
    group = {"logGroupName": "/aws/sagemaker/TransformJobs"}
    streams = aws("logs").describe_log_streams(**group, logStreamNamePrefix=batch.name)["logStreams"]
    [stream] = [item["logStreamName"] for item in streams if item["logStreamName"].endswith("/data-log")]
    messages = [
        event["message"] for event in aws("logs").get_log_events(**group, logStreamName=stream)["events"]
    ]
    assert any(f"{batch.bucket}/{batch.name}/in/a.csv: ClientError: 415" in line for line in messages)


def test_a_sync_task_waits_for_the_job_and_gives_its_description(
    batch: Batch, aws: Aws, start: Start, finish: Finish
) -> None:
    batch.put("in/a.csv", b"7,0.9,0.9,0.9\n")
    execution = start(batch.machine())
    ended = finish(aws("stepfunctions"), execution)
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert (output["TransformJobName"], output["TransformJobStatus"]) == (batch.name, "Completed")
    assert output["TransformEndTime"] >= output["CreationTime"] > 1e12  # milliseconds
    assert list(batch.outputs()) == ["a.csv.out"]
    tags = aws("sagemaker").list_tags(ResourceArn=output["TransformJobArn"])["Tags"]
    assert {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"} in tags
    assert {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": execution} in tags


def test_a_failed_job_fails_its_task_with_the_job_as_cause(
    batch: Batch, aws: Aws, start: Start, finish: Finish
) -> None:
    batch.put("in/a.csv", b"id,a,b,c\n")
    ended = finish(aws("stepfunctions"), start(batch.machine()))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(ended["cause"])
    assert cause["TransformJobStatus"] == "Failed"
    assert "/in/a.csv: ClientError: 415: Loading csv data failed" in cause["FailureReason"]
    assert batch.outputs() == {}


def test_a_job_that_somebody_stops_fails_its_task(
    batch: Batch, aws: Aws, start: Start, finish: Finish
) -> None:
    batch.put("in/a.csv", SLOW)
    execution = start(batch.machine(BatchStrategy="SingleRecord"))
    wait_until_started(batch)
    aws("sagemaker").stop_transform_job(TransformJobName=batch.name)
    ended = finish(aws("stepfunctions"), execution)
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["TransformJobStatus"] == "Stopped"


def test_stopping_an_execution_stops_its_job(batch: Batch, aws: Aws, start: Start, finish: Finish) -> None:
    batch.put("in/a.csv", SLOW)
    execution = start(batch.machine(BatchStrategy="SingleRecord"))
    wait_until_started(batch)
    aws("stepfunctions").stop_execution(executionArn=execution)
    assert wait_until_ended(batch) == "Stopped"
    assert finish(aws("stepfunctions"), execution)["status"] == "ABORTED"
    assert batch.outputs() == {}


def test_a_task_that_times_out_stops_its_job(batch: Batch, aws: Aws, start: Start, finish: Finish) -> None:
    batch.put("in/a.csv", SLOW)
    execution = start(batch.machine(timeout=1, BatchStrategy="SingleRecord"))
    assert finish(aws("stepfunctions"), execution)["error"] == "States.Timeout"
    assert wait_until_ended(batch) == "Stopped"


def test_the_plain_form_answers_at_once(batch: Batch, aws: Aws, start: Start, finish: Finish) -> None:
    batch.put("in/a.csv", b"7,0.9,0.9,0.9\n")
    ended = finish(aws("stepfunctions"), start(batch.machine(form="")))
    assert json.loads(ended["output"])["TransformJobArn"].endswith(f":transform-job/{batch.name}")
    assert wait_until_ended(batch) == "Completed"


@pytest.mark.parametrize("form", [".sync", ""])
def test_a_refused_request_has_the_name_of_the_older_sdk(
    batch: Batch, aws: Aws, start: Start, finish: Finish, form: str
) -> None:
    batch.put("in/a.csv", b"7,0.9,0.9,0.9\n")
    ended = finish(aws("stepfunctions"), start(batch.machine(form=form, ModelName="none")))
    assert ended["error"] == "SageMaker.AmazonSageMakerException"
    assert ended["cause"].startswith('Could not find model "arn:aws:sagemaker:')
    assert "(Service: AmazonSageMaker; Status Code: 400; Error Code: ValidationException;" in ended["cause"]


def test_a_name_that_is_taken_has_an_error_of_its_own(
    batch: Batch, aws: Aws, start: Start, finish: Finish
) -> None:
    batch.put("in/a.csv", b"7,0.9,0.9,0.9\n")
    aws("sagemaker").create_transform_job(**batch.request())
    ended = finish(aws("stepfunctions"), start(batch.machine()))
    assert ended["error"] == "SageMaker.ResourceInUseException"


def test_processing_jobs_are_waited_for_too(aws: Aws, role: str, start: Start, finish: Finish) -> None:
    name = f"job-{uuid.uuid4().hex[:8]}"
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync",
        "Parameters": {
            "ProcessingJobName": name,
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["/bin/sh", "-c", "exit 3"]},
            "RoleArn": role,
        },
        "End": True,
    }
    ended = finish(aws("stepfunctions"), start(json.dumps({"StartAt": "Work", "States": {"Work": task}})))
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["FailureReason"].endswith("exit code: 3")


def test_a_pipelines_transform_step_runs_the_job(batch: Batch, aws: Aws, role: str) -> None:
    batch.put("in/a.csv", b"7,0.9,0.9,0.9\n")
    arguments = {key: value for key, value in batch.request().items() if key != "TransformJobName"}
    steps = [{"Name": "Score", "Type": "Transform", "Arguments": arguments}]
    sagemaker, token = aws("sagemaker"), "token-" + "0" * 30
    sagemaker.create_pipeline(
        PipelineName=batch.name,
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": steps}),
        RoleArn=role,
        ClientRequestToken=token,
    )
    started = sagemaker.start_pipeline_execution(PipelineName=batch.name, ClientRequestToken=token)
    execution = {"PipelineExecutionArn": started["PipelineExecutionArn"]}
    until(
        lambda: sagemaker.describe_pipeline_execution(**execution)["PipelineExecutionStatus"] != "Executing",
        "the pipeline has ended",
    )
    [step] = sagemaker.list_pipeline_execution_steps(**execution)["PipelineExecutionSteps"]
    assert step["StepStatus"] == "Succeeded", step
    assert ":transform-job/pipelines-" in step["Metadata"]["TransformJob"]["Arn"]
    assert list(batch.outputs()) == ["a.csv.out"]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """A local cloud that enforces IAM."""
    home = tmp_path_factory.mktemp("strict")
    cloud = control.start(home, port=0, enforce_iam=True)
    session = boto3.session.Session("test", "test", region_name="eu-west-1")
    yield lambda service: session.client(service, endpoint_url=cloud.endpoint_url)
    control.stop(home)


def make_role(strict: Aws, service: str, *statements: Document) -> str:
    principal = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    name = f"role-{uuid.uuid4().hex[:8]}"
    trust = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
    arn: str = strict("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    strict("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return arn


def allow(resource: str, *actions: str) -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


JOBS = "arn:aws:sagemaker:eu-west-1:123456789012:transform-job/batch-*"
RULE = "arn:aws:events:eu-west-1:123456789012:rule/StepFunctionsGetEventsForSageMakerTransformJobsRule"
RUN = ("sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob")


def test_the_task_acts_as_the_machines_role_and_the_job_as_the_models(
    strict: Aws, pack: Pack, model_file: bytes, finish: Finish
) -> None:
    location = {"LocationConstraint": "eu-west-1"}
    strict("s3").create_bucket(Bucket="strict-bucket", CreateBucketConfiguration=location)
    reading = allow("arn:aws:s3:::strict-bucket/*", "s3:GetObject")
    listing = allow("arn:aws:s3:::strict-bucket", "s3:ListBucket")
    writing = allow("arn:aws:s3:::strict-bucket/*", "s3:PutObject")

    def outcome(model_role: str, *statements: Document) -> Document:
        batch = Batch(strict, "strict-bucket", model_role, pack({"xgboost-model": model_file}))
        batch.put("in/a.csv", b"7,0.9,0.9,0.9\n")
        hearing = allow(RULE, "events:DescribeRule", "events:PutRule", "events:PutTargets")
        states = strict("stepfunctions")
        role = make_role(strict, "states.amazonaws.com", hearing, *statements)
        machine = states.create_state_machine(name=batch.name, definition=batch.machine(), roleArn=role)
        execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])
        return finish(states, execution["executionArn"])

    able = make_role(strict, "sagemaker.amazonaws.com", reading, listing, writing)
    mute = make_role(strict, "sagemaker.amazonaws.com", reading, listing)
    assert outcome(able, allow(JOBS, *RUN, "sagemaker:AddTags"))["status"] == "SUCCEEDED"
    untagged = outcome(able, allow(JOBS, *RUN))
    assert untagged["error"] == "SageMaker.AmazonSageMakerException"
    assert "is not authorized to perform: sagemaker:AddTags" in untagged["cause"]
    unwritten = outcome(mute, allow(JOBS, *RUN, "sagemaker:AddTags"))
    assert unwritten["error"] == "States.TaskFailed"
    assert "Data upload failed" in json.loads(unwritten["cause"])["FailureReason"]


def test_jobs_and_models_survive_a_restart_and_a_job_that_ran_is_over(
    tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[str], Aws], pack: Pack, model_file: bytes
) -> None:
    home = tmp_path_factory.mktemp("restarted")
    aws = clients_of(control.start(home, port=0).endpoint_url)
    try:
        location = {"LocationConstraint": "eu-west-1"}
        aws("s3").create_bucket(Bucket="kept", CreateBucketConfiguration=location)
        role = aws("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        batch = Batch(aws, "kept", role, pack({"xgboost-model": model_file}))
        batch.put("in/a.csv", SLOW)
        aws("sagemaker").create_transform_job(**batch.request(BatchStrategy="SingleRecord"))
    finally:
        control.stop(home)
    again = clients_of(control.start(home, port=0).endpoint_url)
    try:
        described = again("sagemaker").describe_transform_job(TransformJobName=batch.name)
        assert described["TransformJobStatus"] in ("Failed", "Stopped")
        assert again("sagemaker").describe_model(ModelName=batch.name)
        assert again("s3").list_objects_v2(Bucket="kept", Prefix=f"{batch.name}/out/")["KeyCount"] == 0
    finally:
        control.stop(home)
