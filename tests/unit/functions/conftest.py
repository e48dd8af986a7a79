"""Clouds small enough for a unit test: moto where it knows the API, the fakes below where it does not."""

from __future__ import annotations

import os

os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")  # before a test module imports a handler

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from botocore.validate import ParamValidator
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
    """botocore's, as the functions have them. Made once: one takes a quarter second."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return get_session().create_client(service, region_name=REGION, **keys)


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


STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
PACKAGE_ARN = f"arn:aws:sagemaker:{REGION}:123456789012:model-package/titanic-survival-xgboost/7"
PROMOTION_ARN = f"arn:aws:states:{REGION}:123456789012:execution:titanic-sagemaker-dev-promotion:first"


@pytest.fixture
def promotion_run() -> dict[str, Any]:
    """`$.run` of a promotion, as InitRun makes it."""
    return {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "kind": "promotion",
        "execution_arn": PROMOTION_ARN,
        "started_at": "2026-11-21T06:54:22.123Z",
        "model_package_arn": PACKAGE_ARN,
        "requested_by": "ana",
        "staging_endpoint": STAGING,
        "prod_endpoint": PROD,
        "instance_type": "ml.m5.large",
        "instance_count": 1,
        "canary_percent": 10,
        "bake_seconds": 300,
    }


@pytest.fixture
def candidate() -> dict[str, Any]:
    """`$.package`: version 7, with version 6 in prod."""
    return {
        "model_package_arn": PACKAGE_ARN,
        "version": 7,
        "metrics": {"accuracy": 0.82, "f1": 0.76, "auc": 0.87},
        "training_run_id": "20261120-0f0f0f0f0f",
        "code_bundle_uri": f"s3://{BUCKET}/pipeline/code/0a1b2c3/pipeline_code.tar.gz",
        "approved_by": "arn:aws:iam::123456789012:user/ana",
        "live_model_package_arn": f"{PACKAGE_ARN[:-1]}6",
        "already_live": False,
    }


class FakeHosting:
    """SageMaker's models, configurations and endpoints as dictionaries a test may change.

    Every request is held against the service model. What is asked for is accepted and stays `Creating`
    or `Updating`, as it does on AWS for minutes.
    """

    def __init__(self) -> None:
        self.packages: dict[str, dict[str, Any]] = {}
        self.model: dict[str, dict[str, Any]] = {}
        self.endpoint_config: dict[str, dict[str, Any]] = {}
        self.endpoint: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusals: dict[str, str] = {}
        self._service = get_session().get_service_model("sagemaker")

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(word.capitalize() for word in name.split("_"))
        verb, _, kind = name.partition("_")

        def call(**request: Any) -> dict[str, Any]:
            shape = self._service.operation_model(operation).input_shape
            report = ParamValidator().validate(request, shape).generate_report()
            assert not report, report
            self.calls.append((operation, request))
            if operation in self.refusals:
                raise self._error(operation, self.refusals[operation])
            answer: dict[str, Any] = getattr(self, f"_{verb}")(operation, kind, request)
            return answer

        return call

    def did(self) -> list[str]:
        """The operations that changed something."""
        return [name for name, _ in self.calls if not name.startswith("Describe")]

    def request(self, operation: str) -> dict[str, Any]:
        [found] = [request for name, request in self.calls if name == operation]
        return found

    def serve(self, endpoint: str, name: str, package: str, status: str = "InService", **more: Any) -> None:
        """An endpoint on the configuration `name`, whose model is that of `package`."""
        self.model[name] = {
            "ModelName": name,
            "PrimaryContainer": {"ModelPackageName": package},
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/model",
        }
        self.endpoint_config[name] = {"ProductionVariants": [{"ModelName": name}]}
        self.endpoint[endpoint] = {
            "EndpointName": endpoint,
            "EndpointConfigName": name,
            "EndpointStatus": status,
            **more,
        }

    def _describe(self, operation: str, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        [name] = request.values()
        kept = self.packages if kind == "model_package" else getattr(self, kind)
        if name not in kept:
            raise self._error(operation, f'Could not find {kind.replace("_", " ")} "{name}".')
        return dict(kept[name])

    def _create(self, _operation: str, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        name = next(value for key, value in request.items() if key.endswith("Name"))
        given = request | ({"EndpointStatus": "Creating"} if kind == "endpoint" else {})
        getattr(self, kind)[name] = given
        return {}

    def _update(self, _operation: str, _kind: str, request: dict[str, Any]) -> dict[str, Any]:
        pending = {"EndpointConfigName": request["EndpointConfigName"]}
        self.endpoint[request["EndpointName"]] |= {
            "EndpointStatus": "Updating",
            "PendingDeploymentSummary": pending,
        }
        return {}

    def _delete(self, operation: str, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        self._describe(operation, kind, request)
        [name] = request.values()
        del getattr(self, kind)[name]
        return {}

    @staticmethod
    def _error(operation: str, message: str) -> ClientError:
        return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)


@pytest.fixture
def hosting() -> FakeHosting:
    """With the candidate version, approved, and nothing deployed."""
    made = FakeHosting()
    made.packages[PACKAGE_ARN] = {
        "ModelPackageArn": PACKAGE_ARN,
        "ModelPackageVersion": 7,
        "ModelApprovalStatus": "Approved",
    }
    return made


class FakeRuntime:
    """An endpoint that answers `probability(row)`, a line for each row."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.answer: Callable[[list[str]], str] = self.sound
        self.error: Exception | None = None

    @staticmethod
    def sound(rows: list[str]) -> str:
        """Women survive."""
        return "".join("0.9\n" if row.split(",")[1] == "1" else "0.1\n" for row in rows)

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        assert (request["ContentType"], request["Accept"]) == ("text/csv", "text/csv")
        if self.error:
            raise self.error
        text = request["Body"].decode()
        self.bodies.append(text)
        return {"Body": BytesIO(self.answer(text.split("\n")).encode())}


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()
