"""What people type on AWS works unmodified against the local cloud: the AWS CLI, with AWS_ENDPOINT_URL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("e2e-training")

Aws = Callable[..., Any]


@pytest.fixture
def cli(cloud: Any, tmp_path: Path) -> Aws:
    """`cli("sagemaker", "describe-pipeline", …)` -> the parsed JSON answer, or the text of one."""

    def run(*words: str) -> Any:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": cloud.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_PAGER": "",
        }
        program = [str(Path(sys.executable).parent / "aws"), *words]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            return done.stdout

    return run


def test_step_functions(cli: Aws, project: Any, registered: Any, finish: Any) -> None:
    machines = cli("stepfunctions", "list-state-machines", "--query", "stateMachines[].stateMachineArn")
    [uri] = [machine for machine in machines if machine == project.stack.machine_arn("training")]
    started = cli(
        "stepfunctions", "start-execution", "--state-machine-arn", uri, "--input", '{"approval": "no"}'
    )
    arn = started["executionArn"]
    finish(project.aws("stepfunctions"), arn)
    described = cli("stepfunctions", "describe-execution", "--execution-arn", arn)
    assert described["error"] == "InvalidInput"
    history = cli("stepfunctions", "get-execution-history", "--execution-arn", arn, "--reverse-order")
    assert history["events"][0]["type"] == "ExecutionFailed"
    listed = cli(
        "stepfunctions", "list-executions", "--state-machine-arn", uri, "--status-filter", "SUCCEEDED"
    )
    assert registered.description["executionArn"] in [e["executionArn"] for e in listed["executions"]]


def test_the_documented_pipeline_commands(cli: Aws, project: Any, registered: Any) -> None:
    """Phase 03 as its document runs it: with the fixed curated files and a bundle by commit."""
    pipeline, bucket = project.names["pipeline"], project.bucket
    assert cli("sagemaker", "describe-pipeline", "--pipeline-name", pipeline)["PipelineStatus"] == "Active"
    for name in ("train.csv", "validation.csv"):
        assert name in cli("s3", "ls", f"s3://{bucket}/curated/{name}")
    started = cli(
        "sagemaker", "start-pipeline-execution", "--pipeline-name", pipeline, "--pipeline-parameters",
        f"Name=CodeBundleUri,Value={project.stack.values['code_bundle_uri']}",
        f"Name=InputTrainUri,Value=s3://{bucket}/curated/train.csv",
        f"Name=InputValidationUri,Value=s3://{bucket}/curated/validation.csv",
        "Name=AccuracyThreshold,Value=0.78",
    )  # fmt: skip
    arn = started["PipelineExecutionArn"]
    _pipeline_ended(project, arn)
    executions = cli("sagemaker", "list-pipeline-executions", "--pipeline-name", pipeline)
    assert arn in [e["PipelineExecutionArn"] for e in executions["PipelineExecutionSummaries"]]
    steps = cli("sagemaker", "list-pipeline-execution-steps", "--pipeline-execution-arn", arn)
    by_name = {step["StepName"]: step for step in steps["PipelineExecutionSteps"]}
    assert {step["StepStatus"] for step in by_name.values()} == {"Succeeded"}
    package = by_name["RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
    described = cli("sagemaker", "describe-model-package", "--model-package-name", package)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    _jobs_can_be_described(cli, by_name)


def _jobs_can_be_described(cli: Aws, steps: dict[str, Any]) -> None:
    processing = steps["DataPreProcessing"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[1]
    job = cli("sagemaker", "describe-processing-job", "--processing-job-name", processing)
    assert job["ProcessingJobStatus"] == "Completed"
    training = steps["TrainModel"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
    job = cli("sagemaker", "describe-training-job", "--training-job-name", training)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    events = cli(
        "logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs",
        "--log-stream-name-prefix", training,
    )  # fmt: skip
    assert {event["logStreamName"].startswith(training) for event in events["events"]} == {True}


def _pipeline_ended(project: Any, arn: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        described = project.aws("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            assert described["PipelineExecutionStatus"] == "Succeeded", described
            return
        assert time.monotonic() < deadline, described
        time.sleep(0.05)


def test_the_registry(cli: Aws, project: Any, registered: Any) -> None:
    group = project.names["model_package_group"]
    described = cli("sagemaker", "describe-model-package-group", "--model-package-group-name", group)
    assert described["ModelPackageGroupStatus"] == "Completed"
    listed = cli(
        "sagemaker", "list-model-packages", "--model-package-group-name", group, "--sort-order", "Descending"
    )
    versions = [package["ModelPackageVersion"] for package in listed["ModelPackageSummaryList"]]
    assert versions == sorted(versions, reverse=True)


def test_glue_and_s3_and_lambda(cli: Aws, project: Any, registered: Any, tmp_path: Path) -> None:
    runs = cli("glue", "get-job-runs", "--job-name", project.names["prepare_job"])["JobRuns"]
    assert "SUCCEEDED" in {run["JobRunState"] for run in runs}
    copy = tmp_path / "train.csv"
    cli("s3", "cp", f"s3://{project.bucket}/curated/train.csv", str(copy))
    assert copy.read_bytes() == project.read("curated/train.csv")
    answer = tmp_path / "answer.json"
    invoked = cli(
        "lambda", "invoke", "--function-name", project.names.function("init_run"),
        "--payload", "{}", str(answer),
    )  # fmt: skip
    assert invoked["FunctionError"]
    assert json.loads(answer.read_text())["errorType"] == "InvalidInput"
