from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from localcloud.sagemaker import service
from localcloud.sagemaker.access import resource_arn
from localcloud.sagemaker.execution import Execution, StepRecord
from localcloud.sagemaker.plane import ControlPlane

EXECUTION = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/abc"


@pytest.fixture(autouse=True)
def served(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "control_plane", lambda: plane)


def ask(operation: str, body: object) -> tuple[int, dict[str, Any]]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, answer = service.respond(f"SageMaker.{operation}", text, "test")
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    return status, json.loads(answer)


def test_answers_in_json() -> None:
    assert ask("ListProcessingJobs", {}) == (200, {"ProcessingJobSummaries": []})
    assert ask("ListTrainingJobs", b"") == (200, {"TrainingJobSummaries": []})


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("DescribePipelineExecution", {"PipelineExecutionArn": EXECUTION}, "ResourceNotFound"),
        ("DescribeProcessingJob", {}, "ValidationException"),
        ("DescribeProcessingJob", b"{", "SerializationException"),
        ("DescribeProcessingJob", [], "ValidationException"),
        ("ListProcessingJobs", {"MaxResults": "1"}, "SerializationException"),
        ("MakeCoffee", {}, "UnknownOperationException"),
        ("", {}, "UnknownOperationException"),
    ],
)
def test_errors_have_the_codes_that_sdks_match(operation: str, body: object, code: str) -> None:
    status, answer = ask(operation, body)
    assert (status, answer["__type"]) == (400, code)
    assert answer["message"]


def test_a_bug_is_an_internal_failure(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(plane, "call", explode)
    assert ask("ListProcessingJobs", {})[0] == 500


def test_leaves_the_event_loop_to_others() -> None:
    headers = {"x-amz-target": "SageMaker.ListProcessingJobs", "authorization": ""}
    status, _, body = asyncio.run(service.handle_request("POST", "/", headers, b"{}", {}))
    assert (status, json.loads(body)) == (200, {"ProcessingJobSummaries": []})


@pytest.mark.parametrize(
    ("operation", "parameters", "resource"),
    [
        ("StartPipelineExecution", {"PipelineName": "p"}, "pipeline/p"),
        ("ListPipelineExecutions", {"PipelineName": "p"}, "pipeline/p"),
        ("StopPipelineExecution", {"PipelineExecutionArn": EXECUTION}, "pipeline/p/execution/abc"),
        ("CreateProcessingJob", {"ProcessingJobName": "j"}, "processing-job/j"),
        ("DescribeTrainingJob", {"TrainingJobName": "j"}, "training-job/j"),
        ("CreateModelPackage", {"ModelPackageGroupName": "g"}, "model-package/g/*"),
        ("DescribeModelPackageGroup", {"ModelPackageGroupName": "g"}, "model-package-group/g"),
        ("CreateModel", {"ModelName": "m"}, "model/m"),
    ],
)
def test_knows_the_resource_that_a_policy_must_name(
    operation: str, parameters: dict[str, str], resource: str
) -> None:
    arn = resource_arn(operation, parameters, "eu-west-1", "123456789012")
    assert arn == f"arn:aws:sagemaker:eu-west-1:123456789012:{resource}"


@pytest.mark.parametrize("operation", ["ListProcessingJobs", "ListModelPackages", "ListPipelines"])
def test_lists_have_no_resource(operation: str) -> None:
    assert (
        resource_arn(operation, {"ModelPackageGroupName": "g"}, "r", "a") == "*"
        or operation != "ListModelPackages"
    )
    assert resource_arn(operation, {}, "r", "a") == "*"


def test_pipeline_events_have_the_layout_of_aws(events: Any) -> None:
    pipeline = EXECUTION.rpartition("/execution/")[0]
    execution = Execution(
        arn=EXECUTION,
        id="abc",
        pipeline="p",
        pipeline_arn=pipeline,
        role_arn="",
        definition="",
        token="",
        given=[],
        values={},
        display_name="run-1",
        created=0.0,
        modified=1.0,
        status="Failed",
    )
    step = StepRecord("Train", "Training", started=0.0, ended=1.0, status="Failed", failure_reason="bad")
    step.metadata = {"TrainingJob": {"Arn": "arn:job"}}
    events.execution_changed(execution, "Executing")
    events.step_changed(execution, step, "Executing")
    of_execution, of_step = events.entries
    assert of_execution["Source"] == "aws.sagemaker"
    assert of_execution["Resources"] == [pipeline, EXECUTION]
    assert of_execution["DetailType"] == "SageMaker Model Building Pipeline Execution Status Change"
    assert json.loads(of_execution["Detail"]) == {
        "pipelineExecutionDisplayName": "run-1",
        "currentPipelineExecutionStatus": "Failed",
        "previousPipelineExecutionStatus": "Executing",
        "executionStartTime": "1970-01-01T00:00:00Z",
        "executionEndTime": "1970-01-01T00:00:01Z",
        "pipelineArn": pipeline,
        "pipelineExecutionArn": EXECUTION,
    }
    assert of_step["DetailType"] == "SageMaker Model Building Pipeline Execution Step Status Change"
    assert json.loads(of_step["Detail"]) == {
        "metadata": {"trainingJob": {"arn": "arn:job"}},
        "stepStartTime": "1970-01-01T00:00:00Z",
        "stepEndTime": "1970-01-01T00:00:01Z",
        "stepName": "Train",
        "stepType": "Training",
        "previousStepStatus": "Executing",
        "currentStepStatus": "Failed",
        "failureReason": "bad",
        "pipelineArn": pipeline,
        "pipelineExecutionArn": EXECUTION,
    }
