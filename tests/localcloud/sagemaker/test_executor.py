from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.sagemaker import parameters
from localcloud.sagemaker.definition import parse
from localcloud.sagemaker.errors import ApiError
from localcloud.sagemaker.execution import Execution, StepRecord
from localcloud.sagemaker.executor import Executor
from localcloud.sagemaker.transfer import TransferFailed

Document = dict[str, Any]
PATIENCE = 10


class FakeServices:
    """A control plane whose jobs end at once, as `endings` says, or when they are released or stopped."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Document]] = []
        self.endings: dict[str, list[tuple[str, str | None]]] = {}  # step -> (status, reason) of each attempt
        self.errors: dict[str, list[ApiError]] = {}  # operation -> what it raises first
        self.held: dict[str, threading.Event] = {}  # step -> its jobs end when this is set
        self.begun = threading.Condition()
        self.objects: dict[str, bytes] = {}
        self.jobs: dict[str, Document] = {}

    def call(self, operation: str, parameters: Document) -> Document:
        with self.begun:
            self.calls.append((operation, parameters))
            self.begun.notify_all()
        if self.errors.get(operation):
            raise self.errors[operation].pop(0)
        if operation.startswith("Create") and operation.endswith("Job"):
            return self._create(operation.removeprefix("Create").removesuffix("Job"), parameters)
        if operation.startswith("Describe") and operation.endswith("Job"):
            return self.jobs[next(iter(parameters.values()))]
        if operation.startswith("Stop"):
            return self._stop(next(iter(parameters.values())))
        return {"ModelPackageArn": "arn:package", "ModelArn": "arn:model", **parameters}

    def wait_for_job(self, _kind: str, name: str) -> None:
        step = name.split("-")[2]
        if step in self.held:
            assert self.held[step].wait(PATIENCE)

    def read(self, uri: str) -> bytes:
        if uri not in self.objects:
            raise TransferFailed(f"ClientError: Data download failed:NoSuchKey ({uri})")
        return self.objects[uri]

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]

    def wait_for_call(self, operation: str) -> None:
        with self.begun:
            assert self.begun.wait_for(lambda: operation in self.operations(), PATIENCE)

    def _create(self, kind: str, parameters: Document) -> Document:
        name = parameters[f"{kind}JobName"]
        status, reason = self.endings.get(name.split("-")[2], [("Completed", None)]).pop(0)
        self.jobs[name] = {
            **parameters,
            f"{kind}JobStatus": status,
            **({"FailureReason": reason} if reason else {}),
            "ModelArtifacts": {"S3ModelArtifacts": f"s3://b/{name}/model.tar.gz"},
        }
        return {f"{kind}JobArn": f"arn:{name}"}

    def _stop(self, name: str) -> Document:
        job = self.jobs[name]
        kind = "Processing" if "ProcessingJobName" in job else "Training"
        job[f"{kind}JobStatus"] = "Stopped"
        self.held[name.split("-")[2]].set()
        return {}


class Recorder:
    """A listener that writes down each change."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str | None, str]] = []

    def execution_changed(self, execution: Execution, previous: str | None) -> None:
        self.changes.append(("execution", previous, execution.status))

    def step_changed(self, _execution: Execution, step: StepRecord, previous: str | None) -> None:
        self.changes.append((step.name, previous, step.status))


@pytest.fixture
def services() -> FakeServices:
    services = FakeServices()
    services.objects["s3://b/runtime/abc123/report/report.json"] = b'{"accuracy": {"value": 0.8}}'
    return services


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


Prepare = Callable[..., Executor]


@pytest.fixture
def prepare(services: FakeServices, recorder: Recorder) -> Prepare:
    def build(document: Document, parallelism: int | None = None, **given: str) -> Executor:
        definition = parse(json.dumps(document))
        texts = [{"Name": name, "Value": value} for name, value in given.items()]
        execution = Execution(
            arn="arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/abc123",
            id="abc123",
            pipeline="p",
            pipeline_arn="arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p",
            role_arn="arn:aws:iam::123456789012:role/pipeline",
            definition="",
            token="",
            given=texts,
            values=parameters.values(definition.parameters, texts),
            display_name="run",
            parallelism={"MaxParallelExecutionSteps": parallelism} if parallelism else None,
        )
        return Executor(execution, definition, services, recorder, scale=0.0)

    return build


@pytest.fixture
def finished(prepare: Prepare, pipeline_document: Document) -> Callable[..., Execution]:
    """Runs the whole pipeline and returns the execution."""

    def run(document: Document | None = None, **given: str) -> Execution:
        document = document or pipeline_document
        needed = {"CodeBundleUri": "s3://b/code"} if document.get("Parameters") else {}
        executor = prepare(document, **(needed | given))
        executor.start()
        executor.wait(PATIENCE)
        return executor.execution

    return run


Finished = Callable[..., Execution]


def statuses(execution: Execution) -> dict[str, str]:
    return {name: step.status for name, step in execution.steps.items()}


def independent(*names: str, needs: dict[str, list[str]] | None = None) -> Document:
    """A pipeline of processing steps without data between them."""
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["true"]},
        "RoleArn": "arn:aws:iam::123456789012:role/pipeline",
    }
    return {
        "Version": "2020-12-01",
        "Steps": [
            {
                "Name": name,
                "Type": "Processing",
                "Arguments": arguments,
                **({"DependsOn": needs[name]} if needs and name in needs else {}),
            }
            for name in names
        ],
    }


def test_runs_the_steps_in_order_and_takes_the_chosen_branch(
    finished: Finished, services: FakeServices
) -> None:
    execution = finished()
    assert execution.status == "Succeeded"
    assert list(execution.steps) == ["Prepare", "Train", "Evaluate", "Gate", "Register"]
    assert set(statuses(execution).values()) == {"Succeeded"}
    assert services.operations() == [
        "CreateProcessingJob",
        "DescribeProcessingJob",
        "CreateTrainingJob",
        "DescribeTrainingJob",
        "CreateProcessingJob",
        "DescribeProcessingJob",
        "CreateModelPackage",
        "DescribeModelPackage",
    ]


def test_gives_each_step_its_resolved_arguments(finished: Finished, services: FakeServices) -> None:
    finished()
    requests = [request for operation, request in services.calls if operation.startswith("Create")]
    assert requests[0]["ProcessingInputs"][0]["S3Input"]["S3Uri"] == "s3://b/code"
    trained = requests[1]["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
    assert trained == "s3://b/runtime/abc123/train"
    assert requests[2]["ProcessingInputs"][0]["S3Input"]["S3Uri"].endswith("/model.tar.gz")
    assert requests[3]["MetadataProperties"]["GeneratedBy"].endswith("pipeline/p/execution/abc123")


def test_names_jobs_as_aws_does(finished: Finished, services: FakeServices) -> None:
    finished()
    name = services.calls[0][1]["ProcessingJobName"]
    assert name.startswith("pipelines-abc123-Prepare-")
    assert len(name) == len("pipelines-abc123-Prepare-") + 10


def test_cuts_long_step_names_so_that_a_job_name_fits(finished: Finished, services: FakeServices) -> None:
    assert finished(independent("a" * 64)).status == "Succeeded"
    assert len(services.calls[0][1]["ProcessingJobName"]) <= 63


def test_shows_what_each_type_of_step_made(finished: Finished) -> None:
    steps = finished().steps
    assert steps["Prepare"].metadata["ProcessingJob"]["Arn"].startswith("arn:pipelines-abc123-Prepare")
    assert steps["Train"].metadata["TrainingJob"]["Arn"].startswith("arn:pipelines-abc123-Train")
    assert steps["Gate"].metadata == {"Condition": {"Outcome": "True"}}
    assert steps["Register"].metadata == {"RegisterModel": {"Arn": "arn:package"}}


def test_a_fail_step_ends_the_execution_with_its_own_words(finished: Finished) -> None:
    execution = finished(Threshold="0.9")
    assert (execution.status, execution.failure_reason) == ("Failed", "below 0.9")
    assert statuses(execution)["TooBad"] == "Failed"
    assert execution.steps["TooBad"].metadata == {"Fail": {"ErrorMessage": "below 0.9"}}
    assert "Register" not in execution.steps


def test_a_failed_job_fails_its_step_and_what_needs_it_is_not_begun(
    finished: Finished, services: FakeServices
) -> None:
    services.endings["Train"] = [("Failed", "AlgorithmError: bad data, exit code: 1")]
    execution = finished()
    assert statuses(execution) == {"Prepare": "Succeeded", "Train": "Failed"}
    assert execution.steps["Train"].failure_reason == "AlgorithmError: bad data, exit code: 1"
    assert execution.status == "Failed"
    assert execution.failure_reason is not None
    assert execution.failure_reason.startswith(
        "Step failure: One or multiple steps failed. Train: AlgorithmError"
    )


def test_a_job_that_was_stopped_fails_its_step(finished: Finished, services: FakeServices) -> None:
    services.endings["Train"] = [("Stopped", "MaxRuntimeExceeded: after 60 s")]
    assert finished().steps["Train"].failure_reason == "MaxRuntimeExceeded: after 60 s"


def test_a_refused_request_fails_the_step_with_its_details(
    finished: Finished, services: FakeServices
) -> None:
    services.errors["CreateTrainingJob"] = [ApiError("no such role", "ValidationException", 400)]
    reason = finished().steps["Train"].failure_reason
    assert reason is not None
    assert reason.startswith(
        "ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: no such"
    )


def test_a_step_that_breaks_the_executor_fails_as_an_internal_error(
    finished: Finished, services: FakeServices
) -> None:
    services.errors["CreateTrainingJob"] = [RuntimeError("bug")]  # type: ignore[list-item]
    execution = finished()
    assert execution.status == "Failed"
    assert str(execution.steps["Train"].failure_reason).startswith("InternalServerError")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read s3://b/runtime/abc123/report/report.json"),
        (b"not json", "is no JSON"),
        (b'{"accuracy": 1}', "has no value"),
        (b'{"accuracy": {"value": "high"}}', "cannot compare 'high' with 0.5"),
    ],
)
def test_a_condition_without_a_usable_value_fails(
    finished: Finished, services: FakeServices, content: bytes | None, words: str
) -> None:
    services.objects = {"s3://b/runtime/abc123/report/report.json": content} if content else {}
    gate = finished().steps["Gate"]
    assert gate.status == "Failed"
    assert words in str(gate.failure_reason)


def with_retries(document: Document, *kinds: str, attempts: int = 2) -> Document:
    for step in document["Steps"]:
        if step["Type"] == "Training":
            step["RetryPolicies"] = [{"ExceptionType": list(kinds), "MaxAttempts": attempts}]
    return document


def test_repeats_a_job_that_failed_for_a_named_reason(
    finished: Finished, services: FakeServices, pipeline_document: Document
) -> None:
    services.endings["Train"] = [("Failed", "InternalServerError: sorry"), ("Completed", None)]
    execution = finished(with_retries(pipeline_document, "SageMaker.JOB_INTERNAL_ERROR"))
    assert execution.status == "Succeeded"
    assert execution.steps["Train"].attempts == 2
    names = [
        request["TrainingJobName"]
        for operation, request in services.calls
        if operation == "CreateTrainingJob"
    ]
    assert len(set(names)) == 2


def test_repeats_a_request_that_was_throttled(
    finished: Finished, services: FakeServices, pipeline_document: Document
) -> None:
    services.errors["CreateTrainingJob"] = [ApiError("slow down", "ThrottlingException", 400)]
    assert finished(with_retries(pipeline_document, "Step.THROTTLING")).status == "Succeeded"


def test_gives_up_after_the_last_attempt(
    finished: Finished, services: FakeServices, pipeline_document: Document
) -> None:
    services.endings["Train"] = [("Failed", "InternalServerError: sorry")] * 3
    execution = finished(with_retries(pipeline_document, "SageMaker.JOB_INTERNAL_ERROR"))
    assert execution.steps["Train"].attempts == 3
    assert execution.status == "Failed"


def test_does_not_repeat_the_scripts_own_mistakes(
    finished: Finished, services: FakeServices, pipeline_document: Document
) -> None:
    services.endings["Train"] = [("Failed", "AlgorithmError: bug")]
    execution = finished(with_retries(pipeline_document, "SageMaker.JOB_INTERNAL_ERROR"))
    assert execution.steps["Train"].attempts == 1


def test_runs_independent_steps_side_by_side(prepare: Prepare, services: FakeServices) -> None:
    gate = threading.Event()
    services.held = {"A": gate, "B": gate}
    executor = prepare(independent("A", "B", "C", needs={"C": ["A", "B"]}))
    executor.start()
    with services.begun:
        assert services.begun.wait_for(
            lambda: services.operations().count("CreateProcessingJob") == 2, PATIENCE
        )
    assert "C" not in executor.execution.steps
    gate.set()
    executor.wait(PATIENCE)
    assert statuses(executor.execution) == {"A": "Succeeded", "B": "Succeeded", "C": "Succeeded"}


def test_a_failure_does_not_keep_independent_steps_from_running(
    finished: Finished, services: FakeServices
) -> None:
    services.endings["A"] = [("Failed", "AlgorithmError")]
    execution = finished(independent("A", "B", "C", "D", needs={"C": ["A"], "D": ["B"]}))
    assert statuses(execution) == {"A": "Failed", "B": "Succeeded", "D": "Succeeded"}


def test_keeps_to_the_limit_of_parallel_steps(prepare: Prepare, services: FakeServices) -> None:
    services.held = {"A": threading.Event()}
    executor = prepare(independent("A", "B"), parallelism=1)
    executor.start()
    services.wait_for_call("CreateProcessingJob")
    assert list(executor.execution.steps) == ["A"]
    services.held["A"].set()
    executor.wait(PATIENCE)
    assert statuses(executor.execution) == {"A": "Succeeded", "B": "Succeeded"}


def test_stopping_stops_the_running_job_and_begins_nothing_more(
    prepare: Prepare, services: FakeServices, recorder: Recorder
) -> None:
    services.held = {"A": threading.Event()}
    executor = prepare(independent("A", "B", needs={"B": ["A"]}))
    executor.start()
    services.wait_for_call("CreateProcessingJob")
    executor.stop()
    executor.wait(PATIENCE)
    assert "StopProcessingJob" in services.operations()
    assert executor.execution.status == "Stopped"
    assert statuses(executor.execution) == {"A": "Stopped"}
    assert [change for change in recorder.changes if change[0] == "execution"] == [
        ("execution", None, "Executing"),
        ("execution", "Executing", "Stopping"),
        ("execution", "Stopping", "Stopped"),
    ]


def test_a_job_that_cannot_be_stopped_runs_to_its_end(prepare: Prepare, services: FakeServices) -> None:
    services.held = {"A": threading.Event()}
    services.errors["StopProcessingJob"] = [ApiError("not authorized", "AccessDeniedException", 400)]
    executor = prepare(independent("A", "B", needs={"B": ["A"]}))
    executor.start()
    services.wait_for_call("CreateProcessingJob")
    executor.stop()
    services.wait_for_call("StopProcessingJob")
    services.held["A"].set()
    executor.wait(PATIENCE)
    assert executor.execution.status == "Stopped"
    assert statuses(executor.execution) == {"A": "Succeeded"}


def test_stopping_cuts_a_pause_before_a_retry_short(
    services: FakeServices, pipeline_document: Document, prepare: Prepare
) -> None:
    services.endings["Train"] = [("Failed", "InternalServerError: sorry")] * 2
    document = with_retries(pipeline_document, "SageMaker.JOB_INTERNAL_ERROR")
    document["Steps"][1]["RetryPolicies"][0]["IntervalSeconds"] = 3600
    executor = prepare(document, CodeBundleUri="s3://b/code")
    executor._scale = 1.0
    executor.start()
    services.wait_for_call("DescribeTrainingJob")
    executor.stop()
    executor.wait(PATIENCE)
    assert executor.execution.status == "Stopped"
    assert services.operations().count("CreateTrainingJob") == 1


def test_stopping_what_has_ended_changes_nothing(prepare: Prepare) -> None:
    executor = prepare(independent("A"))
    executor.start()
    executor.wait(PATIENCE)
    executor.stop()
    assert executor.execution.status == "Succeeded"


def test_tells_of_every_change(finished: Finished, recorder: Recorder) -> None:
    finished(independent("A"))
    assert recorder.changes == [
        ("execution", None, "Executing"),
        ("A", None, "Starting"),
        ("A", "Starting", "Executing"),
        ("A", "Executing", "Succeeded"),
        ("execution", "Executing", "Succeeded"),
    ]
