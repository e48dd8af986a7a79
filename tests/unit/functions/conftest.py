"""Clouds small enough for a unit test: moto where it knows the API, the fakes below where it does not."""

from __future__ import annotations

import os

os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")  # before a test module imports a handler

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.common.clients import client

REGION = "eu-west-1"
BUCKET = "titanic-sagemaker-dev-123456789012"
MACHINE_ARN = f"arn:aws:states:{REGION}:123456789012:stateMachine:titanic-sagemaker-dev-training"
EXECUTION_ARN = f"arn:aws:states:{REGION}:123456789012:execution:titanic-sagemaker-dev-training:first"
BATCH_MACHINE_ARN = f"arn:aws:states:{REGION}:123456789012:stateMachine:titanic-sagemaker-dev-batch-inference"
BATCH_EXECUTION_ARN = (
    f"arn:aws:states:{REGION}:123456789012:execution:titanic-sagemaker-dev-batch-inference:first"
)
GROUP_ARN = f"arn:aws:sagemaker:{REGION}:123456789012:model-package/titanic-survival-xgboost"
PIPELINE_EXECUTION_ARN = (
    f"arn:aws:sagemaker:{REGION}:123456789012:pipeline/titanic-modelbuild-dev/execution/abcdefghijkl"
)
RUN_ID = "20261121-a6fe0531ae"
STARTED = datetime(2026, 11, 21, 6, 54, 22, 123000, tzinfo=UTC)


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reaches a real account, and no cached client outlives its test."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "123456789012")
    client.cache_clear()
    yield
    client.cache_clear()


@cache
def _client(service: str) -> Any:
    """Made once for all tests: a client of SageMaker takes a quarter of a second."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.session.Session(region_name=REGION, **keys).client(service)


@pytest.fixture
def aws() -> Iterator[Callable[[str], Any]]:
    """Clients of an empty moto account."""
    with mock_aws():
        yield _client


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    """An S3 client; the project's bucket exists and is empty."""
    made = aws("s3")
    made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return made


@pytest.fixture
def put(s3: Any) -> Callable[..., str]:
    """Puts text, or JSON for anything else, at a key of the bucket and returns its URI."""

    def put(key: str, value: Any = "x") -> str:
        body = value if isinstance(value, str) else json.dumps(value)
        s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
        return f"s3://{BUCKET}/{key}"

    return put


@pytest.fixture
def get(s3: Any) -> Callable[[str], Any]:
    """Reads JSON at a key of the bucket."""
    return lambda key: json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.fixture
def lambda_context() -> Any:
    return SimpleNamespace(
        function_name="init-run",
        memory_limit_in_mb=256,
        invoked_function_arn=f"arn:aws:lambda:{REGION}:123456789012:function:init-run",
        aws_request_id="request",
    )


@pytest.fixture
def execution() -> dict[str, Any]:
    """The context object's execution, as the machine passes it to a recorder."""
    return {
        "id": EXECUTION_ARN,
        "name": "first",
        "start_time": "2026-11-21T06:54:22.123Z",
        "state_machine_id": MACHINE_ARN,
        "input": {},
    }


@pytest.fixture
def run() -> dict[str, Any]:
    """`$.run` as InitRun makes it."""
    return {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "execution_arn": EXECUTION_ARN,
        "source_uri": f"s3://{BUCKET}/raw/titanic.csv",
        "code_bundle_uri": f"s3://{BUCKET}/pipeline/code/0a1b2c3/pipeline_code.tar.gz",
        "accuracy_threshold": "0.78",
        "thresholds": {"accuracy": 0.78, "f1": 0.7, "auc": 0.8},
        "approval": "manual",
        "train_uri": f"s3://{BUCKET}/curated/runs/{RUN_ID}/train.csv",
        "validation_uri": f"s3://{BUCKET}/curated/runs/{RUN_ID}/validation.csv",
        "data_report_uri": f"s3://{BUCKET}/runs/{RUN_ID}/data_report.json",
        "client_request_token": "a6fe0531aef768d6355b2d94ec10e012fa661763bacf241b6baaccb24dd08f64",
        "training_deadline": "2026-11-21T09:54:22.123Z",
    }


@pytest.fixture
def evaluation() -> Callable[..., dict[str, Any]]:
    """`$.evaluation` for given values of the three metrics, judged against the run's thresholds."""

    def evaluation(
        package_arn: str | None, accuracy: float = 0.82, f1: float = 0.76, auc: float = 0.87
    ) -> dict[str, Any]:
        judged = {"accuracy": (accuracy, 0.78), "f1": (f1, 0.7), "auc": (auc, 0.8)}
        checks = [
            {"metric": name, "value": value, "threshold": least, "passed": value >= least}
            for name, (value, least) in judged.items()
        ]
        return {
            "passed": all(check["passed"] for check in checks),
            "metrics": {name: value for name, (value, _) in judged.items()},
            "checks": checks,
            "model_package_arn": package_arn,
            "evaluation_uri": f"s3://{BUCKET}/pipeline/runtime/abcdefghijkl/evaluation/evaluation.json",
        }

    return evaluation


@pytest.fixture
def batch_run() -> dict[str, Any]:
    """`$.run` of a batch, as InitRun makes it."""
    return {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "kind": "batch_inference",
        "execution_arn": BATCH_EXECUTION_ARN,
        "started_at": "2026-11-21T06:54:22.123Z",
        "source_uri": f"s3://{BUCKET}/raw/new_passengers/",
        "inference_uri": f"s3://{BUCKET}/curated/runs/{RUN_ID}/inference/",
        "data_report_uri": f"s3://{BUCKET}/runs/{RUN_ID}/data_report.json",
        "transform_output_uri": f"s3://{BUCKET}/runs/{RUN_ID}/transform/",
        "prediction_check_uri": f"s3://{BUCKET}/runs/{RUN_ID}/prediction_check.json",
        "predictions_uri": f"s3://{BUCKET}/predictions/run_date=2026-11-21/run_id={RUN_ID}/",
        "drift_threshold": 0.2,
    }


@pytest.fixture
def approved() -> dict[str, Any]:
    """`$.approved` as GetApprovedModel makes it."""
    return {
        "model_package_arn": f"{GROUP_ARN}/7",
        "version": 7,
        "baseline_uri": f"s3://{BUCKET}/pipeline/runtime/abcdefghijkl/evaluation/baseline.json",
        "code_bundle_uri": f"s3://{BUCKET}/pipeline/code/0a1b2c3/pipeline_code.tar.gz",
        "approved_by": "arn:aws:iam::123456789012:user/somebody",
    }


@pytest.fixture
def drift() -> Callable[..., dict[str, Any]]:
    """`$.predictions.drift` for given indices of some variables; what is above 0.2 counts."""

    def drift(reason: str | None = None, **indices: float) -> dict[str, Any]:
        shifts = {
            name: {"psi": psi, "noise": 0.15, "above": psi > 0.2}
            for name, psi in (indices or {"Age": 0.01}).items()
        }
        return {
            "threshold": 0.2,
            "above_threshold": any(shift["above"] for shift in shifts.values()),
            "reason": reason,
            "baseline_uri": f"s3://{BUCKET}/pipeline/runtime/abcdefghijkl/evaluation/baseline.json",
            "baseline_rows": None if reason else 178,
            "score": None if reason else {"psi": 0.02, "noise": 0.15, "above": False},
            "features": {} if reason else shifts,
        }

    return drift


@dataclass
class Paginator:
    pages: list[dict[str, Any]]
    requests: list[dict[str, Any]] = field(default_factory=list)

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        self.requests.append(request)
        return self.pages


@dataclass
class FakeSageMaker:
    """What moto lacks (steps, jobs, stopping), in front of moto's model registry."""

    registry: Any
    steps: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: list[dict[str, Any]] = field(default_factory=list)
    failure_reason: str | None = None
    stopped: list[dict[str, Any]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.registry, operation)

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_model_packages":
            return self.registry.get_paginator(operation)
        pages = {
            # Two pages, so that reading only the first is noticed.
            "list_pipeline_execution_steps": [
                {"PipelineExecutionSteps": self.steps[:1]},
                {"PipelineExecutionSteps": self.steps[1:]},
            ],
            "list_pipeline_executions": [
                {"PipelineExecutionSummaries": self.executions[:1]},
                {"PipelineExecutionSummaries": self.executions[1:]},
            ],
        }
        return Paginator(pages[operation])

    def describe_processing_job(self, ProcessingJobName: str) -> dict[str, Any]:  # noqa: N803
        return self.jobs[ProcessingJobName]

    def describe_pipeline_execution(self, PipelineExecutionArn: str) -> dict[str, Any]:  # noqa: N803
        reason = {"FailureReason": self.failure_reason} if self.failure_reason else {}
        return {"PipelineExecutionArn": PipelineExecutionArn, "PipelineExecutionStatus": "Failed", **reason}

    def stop_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        self.stopped.append(request)
        return {"PipelineExecutionArn": request["PipelineExecutionArn"]}

    def add_job_step(self, name: str, status: str = "Succeeded", **job: Any) -> None:
        """A step that ran a processing job."""
        job_name = f"pipelines-abcdefghijkl-{name}"
        self.jobs[job_name] = job
        arn = f"arn:aws:sagemaker:{REGION}:123456789012:processing-job/{job_name}"
        self.steps.append(
            {"StepName": name, "StepStatus": status, "Metadata": {"ProcessingJob": {"Arn": arn}}}
        )

    def add_step(self, name: str, status: str, reason: str = "", **metadata: Any) -> None:
        self.steps.append(
            {"StepName": name, "StepStatus": status, "FailureReason": reason, "Metadata": metadata}
        )


@pytest.fixture
def sagemaker(aws: Callable[[str], Any]) -> FakeSageMaker:
    registry = aws("sagemaker")
    registry.create_model_package_group(ModelPackageGroupName="titanic-survival-xgboost")
    return FakeSageMaker(registry)


@pytest.fixture
def register_package(sagemaker: FakeSageMaker) -> Callable[..., str]:
    """Registers a version as the pipeline does and returns its ARN."""

    def register(properties: Mapping[str, str] | None = None) -> str:
        made = sagemaker.registry.create_model_package(
            ModelPackageGroupName="titanic-survival-xgboost",
            ModelApprovalStatus="PendingManualApproval",
            CustomerMetadataProperties=dict(properties or {"code_bundle_uri": "s3://bundle"}),
        )
        return str(made["ModelPackageArn"])

    return register


@dataclass
class FakeStates:
    """An execution history written as a list of states; each takes ten seconds."""

    events: list[dict[str, Any]] = field(default_factory=list)
    description: dict[str, Any] = field(default_factory=dict)
    machine_arn: str = MACHINE_ARN
    requests: list[dict[str, Any]] = field(default_factory=list)

    def get_paginator(self, operation: str) -> Paginator:
        assert operation == "get_execution_history"
        middle = len(self.events) // 2
        return Paginator([{"events": self.events[:middle]}, {"events": self.events[middle:]}], self.requests)

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        return {"executionArn": executionArn, "stateMachineArn": self.machine_arn, **self.description}

    def visit(self, name: str, kind: str = "Task", *, document: Any = None, failed: bool = False) -> None:
        """A state that was entered and left, perhaps by a Catch."""
        self.enter(name, kind, document=document)
        if failed:
            self._add("TaskFailed")
        self._add(f"{kind}StateExited", seconds=10, stateExitedEventDetails={"name": name})

    def enter(self, name: str, kind: str = "Task", *, document: Any = None) -> None:
        """A state that is still running."""
        details = {"name": name, "input": json.dumps(document or {})}
        self._add(f"{kind}StateEntered", stateEnteredEventDetails=details)

    def end(self, kind: str) -> None:
        self._add(kind)

    @property
    def now(self) -> datetime:
        moment: datetime = self.events[-1]["timestamp"] if self.events else STARTED
        return moment

    def _add(self, kind: str, seconds: float = 0, **details: Any) -> None:
        self.events.append({"type": kind, "timestamp": self.now + timedelta(seconds=seconds), **details})


@pytest.fixture
def states() -> FakeStates:
    return FakeStates()
