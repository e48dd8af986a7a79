"""Fakes for the operator's command: a Step Functions that says what a test tells it, moto for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from ops.sessions import open_session
from ops.target import LOCAL_CREDENTIALS, Target

START = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
MACHINES = {
    kind: f"arn:aws:states:eu-west-1:123456789012:stateMachine:titanic-sagemaker-dev-{kind.replace('_', '-')}"
    for kind in ("training", "batch_inference", "promotion")
}
BUCKET = "titanic-sagemaker-dev-123456789012"
GROUP = "titanic-survival-xgboost"


def execution_arn(kind: str, name: str) -> str:
    return f"{MACHINES[kind].replace(':stateMachine:', ':execution:')}:{name}"


class FakePaginator:
    """Gives its items in pages of `size`, as boto3's paginators do."""

    def __init__(self, key: str, items: list[Any], size: int = 100) -> None:
        self.key, self.items, self.size = key, items, size
        self.pages_read = 0

    def paginate(self, **query: Any) -> Iterator[dict[str, Any]]:
        if machine := query.get("stateMachineArn"):
            self.items = [item for item in self.items if item["stateMachineArn"] == machine]
        for start in range(0, max(len(self.items), 1), self.size):
            self.pages_read += 1
            yield {self.key: self.items[start : start + self.size]}


class FakeStepFunctions:
    """Executions by ARN, and for each the events that a look at its history finds."""

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self.looks: list[list[dict[str, Any]]] = []
        self.started: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.history_pages_read = 0

    def add(self, name: str, status: str = "SUCCEEDED", kind: str = "training", **more: Any) -> str:
        arn = execution_arn(kind, name)
        started = more.pop("startDate", START)
        ended = {} if status == "RUNNING" else {"stopDate": started + timedelta(seconds=9.5)}
        self.executions[arn] = {
            "executionArn": arn,
            "name": name,
            "stateMachineArn": MACHINES[kind],
            "status": status,
            "startDate": started,
            "input": "{}",
            **ended,
            **more,
        }
        return arn

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803 - AWS's spelling
        return self.executions[executionArn]

    def start_execution(self, **request: Any) -> dict[str, Any]:
        self.started.append(request)
        [kind] = [kind for kind, arn in MACHINES.items() if arn == request["stateMachineArn"]]
        return {"executionArn": self.add(request["name"], "RUNNING", kind, input=request["input"])}

    def stop_execution(self, executionArn: str, **_: Any) -> None:  # noqa: N803 - AWS's spelling
        self.stopped.append(executionArn)

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_executions":
            newest = sorted(self.executions.values(), key=lambda e: e["startDate"], reverse=True)
            return FakePaginator("executions", newest)
        assert operation == "get_execution_history"
        events = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0] if self.looks else []
        return FakePaginator("events", events[::-1])


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cloud lies around in the environment of a test."""
    import os

    for name in [name for name in os.environ if name.startswith(("AWS_", "TITANIC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class SharedClients(dict[str, Any]):
    """Clients of moto's account, made once: reading the API models takes longer than the tests."""

    def __init__(self) -> None:
        super().__init__()
        self.session = open_session(None, None, dict(LOCAL_CREDENTIALS))

    def __missing__(self, service: str) -> Any:
        self[service] = self.session.client(service)
        return self[service]


_SHARED = SharedClients()


class MotoTarget(Target):
    """An account that moto plays. A test may put a client of its own into `_clients`."""

    def client(self, service: str) -> Any:
        return self._clients.get(service) or _SHARED[service]


@pytest.fixture
def aws(clean_environment: None) -> Iterator[Target]:
    """An account that moto plays, with the project's bucket."""
    with mock_aws():
        there = MotoTarget(_SHARED.session, "dev")
        region = {"LocationConstraint": "eu-west-1"}
        there.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
        yield there


@pytest.fixture
def states(aws: Target) -> FakeStepFunctions:
    """The account's Step Functions, as told by the test."""
    fake = FakeStepFunctions()
    aws._clients["stepfunctions"] = fake
    return fake


@pytest.fixture
def put_manifest(aws: Target) -> Callable[..., dict[str, Any]]:
    """Writes a run's manifest into the bucket."""

    def put(run_id: str, **more: Any) -> dict[str, Any]:
        manifest = {
            "run_id": run_id,
            "run_date": "2026-11-21",
            "kind": "training",
            "outcome": "registered",
            "decision": "registered",
            "execution_arn": execution_arn("training", "forgotten"),
            "started_at": "2026-11-21T07:00:00.000Z",
            "finished_at": "2026-11-21T07:00:09.500Z",
            "data": None,
            "arns": {"pipeline_execution": None, "model_package": None},
            "metrics": {},
            "checks": [],
            "failure": None,
            "states": [{"name": "InitRun", "entered_at": "2026-11-21T07:00:00.000Z", "seconds": 0.4}],
            **more,
        }
        aws.client("s3").put_object(
            Bucket=BUCKET, Key=f"runs/{run_id}/manifest.json", Body=json.dumps(manifest)
        )
        return manifest

    return put


class Events:
    """Writes an execution's history: `Events().state("InitRun", 0.4).…`. Times are seconds from the start."""

    def __init__(self) -> None:
        self.list: list[dict[str, Any]] = []
        self.now = 0.0
        self.add("ExecutionStarted", executionStartedEventDetails={"input": "{}"})

    def add(self, type_: str, **details: Any) -> Events:
        moment = START + timedelta(seconds=self.now)
        self.list.append({"id": len(self.list) + 1, "timestamp": moment, "type": type_, **details})
        return self

    def enter(self, name: str, kind: str = "Task", data: Any = None) -> Events:
        details = {"name": name, "input": json.dumps(data or {})}
        self.add(f"{kind}StateEntered", stateEnteredEventDetails=details)
        return self.add("TaskScheduled") if kind == "Task" else self

    def fail(self, error: str, cause: str) -> Events:
        return self.add("TaskFailed", taskFailedEventDetails={"error": error, "cause": cause})

    def exit(self, name: str, kind: str = "Task", data: Any = None) -> Events:
        details = {"name": name, "output": json.dumps(data or {})}
        return self.add(f"{kind}StateExited", stateExitedEventDetails=details)

    def state(self, name: str, seconds: float = 1.0, kind: str = "Task", data: Any = None) -> Events:
        self.enter(name, kind, data)
        return self.after(seconds).exit(name, kind, data)

    def after(self, seconds: float) -> Events:
        self.now += seconds
        return self

    def end(self, status: str = "Succeeded", **details: Any) -> Events:
        return self.add(f"Execution{status}", **{f"execution{status}EventDetails": details})


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def run_data() -> dict[str, Any]:
    """The machine's data when a good run has been recorded."""
    return {
        "run": {"run_id": "20261121-0123456789"},
        "prepare": {"job_run_id": "jr_1"},
        "training": {"pipeline_execution_arn": "arn:pipeline/execution/1", "status": "Succeeded"},
        "evaluation": {
            "passed": True,
            "metrics": {"accuracy": 0.829, "f1": 0.76, "auc": 0.87},
            "checks": [
                {"metric": "accuracy", "value": 0.829, "threshold": 0.78, "passed": True},
                {"metric": "f1", "value": 0.76, "threshold": 0.7, "passed": True},
                {"metric": "auc", "value": 0.87, "threshold": 0.8, "passed": True},
            ],
            "model_package_arn": None,
            "evaluation_uri": f"s3://{BUCKET}/pipeline/runtime/1/evaluation/evaluation.json",
        },
    }
