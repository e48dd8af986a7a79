"""Pipelines through the API of a whole control plane, with S3 and logs in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.sagemaker.errors import Conflict, ResourceNotFound, ValidationError
from localcloud.sagemaker.execution import Execution
from localcloud.sagemaker.plane import ControlPlane

Document = dict[str, Any]
TOKEN = "token-" + "0" * 30
ROLE = "arn:aws:iam::123456789012:role/pipeline"


def definition(command: str = "true", **more: Any) -> str:
    """One processing step that runs a shell command."""
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["/bin/sh", "-c", command]},
        "RoleArn": ROLE,
    }
    step = {"Name": "Work", "Type": "Processing", "Arguments": arguments}
    return json.dumps({"Version": "2020-12-01", "Steps": [step], **more})


@pytest.fixture
def publish(plane: ControlPlane) -> Callable[[str], None]:
    def create(text: str) -> None:
        request = {
            "PipelineName": "p",
            "PipelineDefinition": text,
            "RoleArn": ROLE,
            "ClientRequestToken": TOKEN,
        }
        plane.call("CreatePipeline", request)

    return create


Publish = Callable[[str], None]


def begin(plane: ControlPlane, token: str = TOKEN, **more: Any) -> str:
    request = {"PipelineName": "p", "ClientRequestToken": token, **more}
    arn: str = plane.call("StartPipelineExecution", request)["PipelineExecutionArn"]
    return arn


def complete(plane: ControlPlane, arn: str) -> Document:
    plane.pipelines.wait(arn)
    return plane.call("DescribePipelineExecution", {"PipelineExecutionArn": arn})


def test_runs_the_whole_pipeline_from_bundle_to_registered_model(
    plane: ControlPlane, publish: Publish, pipeline_document: Document, s3: Any, code_bundle: bytes
) -> None:
    s3.objects["s3://b/code/bundle.tar.gz"] = code_bundle
    plane.call("CreateModelPackageGroup", {"ModelPackageGroupName": "models"})
    evaluate = pipeline_document["Steps"][2]["Arguments"]["AppSpecification"]
    evaluate["ContainerEntrypoint"][2] = (
        "test -f /opt/ml/processing/in/model.tar.gz"
        ' && echo \'{"accuracy": {"value": 0.8}}\' > /opt/ml/processing/report/report.json'
    )
    publish(json.dumps(pipeline_document))
    given = [{"Name": "CodeBundleUri", "Value": "s3://b/code/bundle.tar.gz"}]
    arn = begin(plane, PipelineParameters=given, PipelineExecutionDisplayName="run-1")
    described = complete(plane, arn)
    assert (described["PipelineExecutionStatus"], described["PipelineExecutionDisplayName"]) == (
        "Succeeded",
        "run-1",
    )

    steps = plane.call("ListPipelineExecutionSteps", {"PipelineExecutionArn": arn, "SortOrder": "Ascending"})
    assert [step["StepName"] for step in steps["PipelineExecutionSteps"]] == [
        *("Prepare", "Train", "Evaluate", "Gate", "Register")
    ]
    package_arn = steps["PipelineExecutionSteps"][-1]["Metadata"]["RegisterModel"]["Arn"]
    package = plane.call("DescribeModelPackage", {"ModelPackageName": package_arn})
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    [container] = package["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] in s3.objects

    assert plane.call("ListPipelineParametersForExecution", {"PipelineExecutionArn": arn}) == {
        "PipelineParameters": given
    }
    rendered = plane.call("DescribePipelineDefinitionForExecution", {"PipelineExecutionArn": arn})
    assert json.loads(rendered["PipelineDefinition"]) == pipeline_document


@pytest.fixture
def code_bundle() -> bytes:
    import io
    import tarfile

    code = b"import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model').write_text('weights')\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("train.py")
        member.size = len(code)
        archive.addfile(member, io.BytesIO(code))
    return packed.getvalue()


def test_a_failing_step_fails_the_execution_and_is_named(plane: ControlPlane, publish: Publish) -> None:
    publish(definition("echo 'MissingColumn: Sex' >&2; exit 1"))
    arn = begin(plane)
    described = complete(plane, arn)
    assert described["PipelineExecutionStatus"] == "Failed"
    assert described["FailureReason"].startswith(
        "Step failure: One or multiple steps failed. Work: AlgorithmError"
    )
    [step] = plane.call("ListPipelineExecutionSteps", {"PipelineExecutionArn": arn})["PipelineExecutionSteps"]
    assert "MissingColumn: Sex" in step["FailureReason"]
    assert step["AttemptCount"] == 1


def test_the_same_token_starts_one_execution(plane: ControlPlane, publish: Publish) -> None:
    publish(definition())
    first = begin(plane)
    assert begin(plane) == first
    complete(plane, first)
    assert begin(plane) == first
    assert begin(plane, token="other-" + TOKEN) != first


def test_a_token_is_not_used_for_other_parameters(plane: ControlPlane, publish: Publish) -> None:
    publish(definition(Parameters=[{"Name": "A", "Type": "String", "DefaultValue": "a"}]))
    begin(plane)
    with pytest.raises(Conflict, match="with other parameters"):
        begin(plane, PipelineParameters=[{"Name": "A", "Value": "b"}])


def test_wrong_parameters_start_nothing(plane: ControlPlane, publish: Publish) -> None:
    publish(definition(Parameters=[{"Name": "A", "Type": "Integer"}]))
    for given in ([], [{"Name": "B", "Value": "1"}], [{"Name": "A", "Value": "x"}]):
        with pytest.raises(ValidationError):
            begin(plane, PipelineParameters=given)
    assert plane.call("ListPipelineExecutions", {"PipelineName": "p"})["PipelineExecutionSummaries"] == []


@pytest.mark.parametrize("member", [{"PipelineVersionId": 1}, {"MlflowExperimentName": "m"}])
def test_refuses_what_is_not_done_here(plane: ControlPlane, publish: Publish, member: Document) -> None:
    publish(definition())
    with pytest.raises(ValidationError, match="not implemented by the local cloud"):
        begin(plane, **member)


def test_what_does_not_exist_is_not_found(plane: ControlPlane) -> None:
    with pytest.raises(ResourceNotFound, match="pipeline/p' does not exist"):
        begin(plane)
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/none"
    for operation in ("DescribePipelineExecution", "ListPipelineExecutionSteps"):
        with pytest.raises(ResourceNotFound):
            plane.call(operation, {"PipelineExecutionArn": arn})


def test_a_definition_that_cannot_run_is_not_published(plane: ControlPlane, publish: Publish) -> None:
    with pytest.raises(ValidationError, match="there are no steps"):
        publish('{"Version": "2020-12-01", "Steps": []}')
    assert plane.call("ListPipelines", {})["PipelineSummaries"] == []


def test_an_update_changes_later_executions_only(plane: ControlPlane, publish: Publish) -> None:
    publish(definition("exit 1"))
    first = begin(plane)
    plane.call("UpdatePipeline", {"PipelineName": "p", "PipelineDefinition": definition("exit 0")})
    second = begin(plane, token="other-" + TOKEN)
    assert complete(plane, first)["PipelineExecutionStatus"] == "Failed"
    assert complete(plane, second)["PipelineExecutionStatus"] == "Succeeded"
    with pytest.raises(ValidationError):
        plane.call("UpdatePipeline", {"PipelineName": "p", "PipelineDefinition": "{}"})


def test_a_definition_may_lie_in_s3(plane: ControlPlane, s3: Any) -> None:
    s3.objects["s3://bucket/definition.json"] = definition().encode()
    request = {
        "PipelineName": "p",
        "PipelineDefinitionS3Location": {"Bucket": "bucket", "ObjectKey": "definition.json"},
        "RoleArn": ROLE,
        "ClientRequestToken": TOKEN,
    }
    plane.call("CreatePipeline", request)
    assert plane.call("DescribePipeline", {"PipelineName": "p"})["PipelineDefinition"] == definition()


def test_lists_executions_by_page_newest_first(plane: ControlPlane, publish: Publish) -> None:
    publish(definition())
    started = [begin(plane, token=f"{number}-{TOKEN}") for number in range(3)]
    for arn in started:
        complete(plane, arn)
    first = plane.call("ListPipelineExecutions", {"PipelineName": "p", "MaxResults": 2})
    second = plane.call("ListPipelineExecutions", {"PipelineName": "p", "NextToken": first["NextToken"]})
    listed = first["PipelineExecutionSummaries"] + second["PipelineExecutionSummaries"]
    assert [summary["PipelineExecutionArn"] for summary in listed] == started[::-1]
    assert {summary["PipelineExecutionStatus"] for summary in listed} == {"Succeeded"}
    assert "LastRunTime" in plane.call("DescribePipeline", {"PipelineName": "p"})


def test_stopping_an_execution_stops_its_job(
    plane: ControlPlane, publish: Publish, streams: Any, events: Any
) -> None:
    publish(definition("echo begun; sleep 60"))
    arn = begin(plane)
    events.wait_for(lambda entry: "Processing Job" in entry["DetailType"])
    assert streams[0].begun.wait(10)
    plane.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": TOKEN})
    assert complete(plane, arn)["PipelineExecutionStatus"] == "Stopped"
    [step] = plane.call("ListPipelineExecutionSteps", {"PipelineExecutionArn": arn})["PipelineExecutionSteps"]
    assert step["StepStatus"] == "Stopped"
    [job] = plane.call("ListProcessingJobs", {})["ProcessingJobSummaries"]
    assert job["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ValidationError, match='Only pipelines with "Executing" status can be stopped'):
        plane.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": TOKEN})


def test_a_retry_is_refused_in_clear_words(plane: ControlPlane) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/abc"
    with pytest.raises(ValidationError, match="start a new execution instead"):
        plane.call("RetryPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": TOKEN})


def test_everything_is_there_again_after_a_restart(plane: ControlPlane, publish: Publish) -> None:
    publish(definition())
    plane.call("CreateModelPackageGroup", {"ModelPackageGroupName": "models"})
    arn = begin(plane)
    before = complete(plane, arn)
    saved = plane.snapshot()
    plane.registry.reset()
    plane.pipelines._executions.clear()
    plane.restore(saved)
    assert plane.call("DescribePipelineExecution", {"PipelineExecutionArn": arn}) == before
    assert plane.call("DescribePipeline", {"PipelineName": "p"})["PipelineDefinition"] == definition()
    assert plane.call("DescribeModelPackageGroup", {"ModelPackageGroupName": "models"})
    assert begin(plane) == arn


def test_an_execution_that_ran_when_the_cloud_went_down_has_failed(
    plane: ControlPlane, publish: Publish
) -> None:
    publish(definition())
    arn = begin(plane)
    complete(plane, arn)
    [saved] = plane.pipelines.snapshot()
    saved["status"] = "Executing"
    saved["steps"]["Work"] |= {"status": "Executing", "ended": None}
    plane.pipelines.restore([saved])
    execution: Execution = plane.pipelines._executions[arn]
    assert (execution.status, execution.steps["Work"].status) == ("Failed", "Failed")
    assert str(execution.failure_reason).startswith("InternalServerError: the local cloud was stopped")


def test_going_down_stops_pipelines_and_their_jobs(
    plane: ControlPlane, publish: Publish, streams: Any, events: Any
) -> None:
    publish(definition("echo begun; sleep 60"))
    arn = begin(plane)
    events.wait_for(lambda entry: "Processing Job" in entry["DetailType"])
    assert streams[0].begun.wait(10)
    plane.stop_all()
    assert (
        plane.call("DescribePipelineExecution", {"PipelineExecutionArn": arn})["PipelineExecutionStatus"]
        == "Stopped"
    )
