"""The project deployed to a local cloud, and what a person looks at after a run."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import control
from ops import dataset, stack, templates
from ops.names import ROOT, Names
from ops.stack import schedules

Wait = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class RunResult:
    """One ended execution with everything it left behind."""

    description: dict[str, Any]
    manifest: dict[str, Any]
    alerts: list[dict[str, str]]

    @property
    def output(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.description["output"])
        return loaded


@dataclass
class Project:
    """The deployed project: start runs, read what they left."""

    aws: Callable[[str], Any]
    names: Names
    stack: stack.Stack
    wait: Wait
    home: Path
    _alerts: list[dict[str, str]] = field(default_factory=list)

    @property
    def bucket(self) -> str:
        return self.names["data_bucket"]

    def start(self, run_input: object = None, name: str | None = None, kind: str = "training") -> str:
        answer = self.aws("stepfunctions").start_execution(
            stateMachineArn=self.stack.machine_arn(kind),
            name=name or f"test-{uuid.uuid4().hex[:12]}",
            input=json.dumps({} if run_input is None else run_input),
        )
        arn: str = answer["executionArn"]
        return arn

    def run(self, run_input: object = None) -> RunResult:
        return self.result(self.start(run_input))

    def predict(self, run_input: object = None) -> RunResult:
        return self.result(self.start(run_input, kind="batch_inference"))

    def result(self, execution_arn: str) -> RunResult:
        description = self.wait(self.aws("stepfunctions"), execution_arn)
        manifest = self.manifest_of(execution_arn)
        return RunResult(description, manifest, self.alerts_of(manifest["run_id"]))

    def manifest_of(self, execution_arn: str) -> dict[str, Any]:
        [manifest] = [m for m in self.manifests() if m["execution_arn"] == execution_arn]
        return manifest

    def manifests(self) -> list[dict[str, Any]]:
        return [json.loads(self.read(key)) for key in self.keys("runs/") if key.endswith("/manifest.json")]

    def alerts_of(self, run_id: str) -> list[dict[str, str]]:
        return [alert for alert in self.alerts() if run_id in alert["Message"]]

    def keys(self, prefix: str) -> list[str]:
        pages = self.aws("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        body: bytes = self.aws("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def put(self, key: str, body: bytes) -> str:
        self.aws("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def published(self) -> dict[str, Any]:
        """What others rely on: the fixed curated files, and the versions somebody may put to use."""
        curated = {key: self.read(key) for key in ("curated/train.csv", "curated/validation.csv")}
        group = self.names["model_package_group"]
        pages = (
            self.aws("sagemaker").get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        )
        versions = [package for page in pages for package in page["ModelPackageSummaryList"]]
        usable = [p["ModelPackageArn"] for p in versions if p["ModelApprovalStatus"] != "Rejected"]
        return {"curated": curated, "usable_versions": sorted(usable)}

    def alerts(self) -> list[dict[str, str]]:
        """Everything people were told so far."""
        self._receive()
        return list(self._alerts)

    def predictions(self) -> dict[str, bytes]:
        """All that lies under `predictions/`, the pointer to the latest set included."""
        return {key: self.read(key) for key in self.keys("predictions/")}

    def latest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.read("predictions/latest.json"))
        return loaded

    def visited(self, execution_arn: str) -> list[str]:
        """The states an execution has entered so far."""
        pages = self.aws("stepfunctions").get_paginator("get_execution_history")
        events = [e for page in pages.paginate(executionArn=execution_arn) for e in page["events"]]
        return [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]

    def set_status(self, package_arn: str, status: str) -> None:
        self.aws("sagemaker").update_model_package(ModelPackageArn=package_arn, ModelApprovalStatus=status)

    def version(self, like: str, status: str = "Approved", model_uri: str | None = None) -> str:
        """ARN of one more version, which differs from another one by no more than what is said here."""
        sagemaker = self.aws("sagemaker")
        found = sagemaker.describe_model_package(ModelPackageName=like)
        [container] = found["InferenceSpecification"]["Containers"]
        container = {"Image": container["Image"], "ModelDataUrl": model_uri or container["ModelDataUrl"]}
        arn: str = sagemaker.create_model_package(
            ModelPackageGroupName=found["ModelPackageGroupName"],
            ModelApprovalStatus=status,
            InferenceSpecification=found["InferenceSpecification"] | {"Containers": [container]},
            CustomerMetadataProperties=found["CustomerMetadataProperties"],
        )["ModelPackageArn"]
        return arn

    def approved(self) -> list[str]:
        """ARNs of the versions that may be used."""
        pages = self.aws("sagemaker").get_paginator("list_model_packages")
        asked = {
            "ModelPackageGroupName": self.names["model_package_group"],
            "ModelApprovalStatus": "Approved",
        }
        summaries = [s for page in pages.paginate(**asked) for s in page["ModelPackageSummaryList"]]
        return [summary["ModelPackageArn"] for summary in summaries]

    def let_fall_due(self, schedule: str, **changes: Any) -> None:
        """A schedule of `events/schedules.json`, due once, in a second. `changes` are its target's."""
        described = self.stack.read(schedules.SCHEDULES)[schedule]
        settings = schedules.schedule_settings(self.stack, schedule, described) | {
            "Name": f"due-{uuid.uuid4().hex[:8]}",
            "ScheduleExpression": f"at({datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "State": "ENABLED",
            "ActionAfterCompletion": "DELETE",
        }
        settings["Target"] |= changes
        self.aws("scheduler").create_schedule(**settings)

    def event(self, name: str) -> Any:
        """An execution input of `events/`."""
        return templates.render(ROOT / "events" / f"{name}.json", {"DataBucket": self.bucket})

    def _receive(self) -> None:
        sqs = self.aws("sqs")
        url = sqs.get_queue_url(QueueName=self.names["alerts_queue"])["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                self._alerts.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def deploy_project(cloud: control.Cloud, aws: Callable[[str], Any], wait: Wait) -> Project:
    """Deploys the project with the real table and the bad tables of `events/`."""
    names = Names("dev", "123456789012")
    session = boto3.session.Session("test", "test", region_name=names.region)
    deployed = stack.Stack(session, names, endpoint_url=cloud.endpoint_url)
    stack.deploy(deployed, lambda _line: None)
    project = Project(aws, names, deployed, wait, cloud.home)
    # An approval starts a promotion only where a test says so.
    aws("events").disable_rule(Name=names.rule("approved_version"))
    tables = dataset.titanic_tables()
    project.put("raw/titanic.csv", dataset.csv_bytes(tables.training))
    project.put("raw/new_passengers/held-out.csv", dataset.csv_bytes(tables.new_passengers))
    for table in sorted((ROOT / "events" / "tables").glob("*.csv")):
        project.put(f"raw/examples/{table.name}", table.read_bytes())
    return project


@pytest.fixture(scope="session")
def project(cloud: control.Cloud, aws: Callable[[str], Any], finish: Wait) -> Project:
    return deploy_project(cloud, aws, finish)


@pytest.fixture(scope="session")
def registered(project: Project) -> RunResult:
    """A run that went well: later tests find a model and curated files there."""
    return project.run()


@pytest.fixture(scope="module")
def approved(project: Project, registered: RunResult) -> Iterator[str]:
    """ARN of a version that a module's tests may use; the next module finds it as its run left it."""
    arn: str = registered.manifest["arns"]["model_package"]
    project.set_status(arn, "Approved")
    yield arn
    project.set_status(arn, "PendingManualApproval")


def _until(condition: Callable[[], Any], what: str, timeout_seconds: float = 60) -> Any:
    deadline = time.monotonic() + timeout_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Waits until a condition holds and returns what it gave."""
    return _until


@dataclass
class Hold:
    """A state before which executions wait until they are let go."""

    project: Project
    queue_url: str
    _tokens: dict[str, str] = field(default_factory=dict)

    def wait_for(self, execution_arn: str) -> None:
        """Returns when the execution has come this far."""
        _until(lambda: execution_arn in self._arrived(), f"{execution_arn} comes to the held state")

    def let_go(self, execution_arn: str) -> None:
        token = self._arrived()[execution_arn]
        self.project.aws("stepfunctions").send_task_success(taskToken=token, output="{}")

    def _arrived(self) -> dict[str, str]:
        sqs = self.project.aws("sqs")
        for message in sqs.receive_message(QueueUrl=self.queue_url).get("Messages", []):
            told = json.loads(message["Body"])
            self._tokens[told["execution"]] = told["token"]
            sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return self._tokens


@pytest.fixture
def hold(project: Project) -> Iterator[Callable[[str], Hold]]:
    """`hold("CreateModel")`: batch runs started from now on wait before that state.

    What must happen between two states then happens there, on a slow machine as on a fast one.
    """
    states, arn = project.aws("stepfunctions"), project.stack.machine_arn("batch_inference")
    deployed = states.describe_state_machine(stateMachineArn=arn)["definition"]
    queue = project.aws("sqs").create_queue(QueueName=f"hold-{uuid.uuid4().hex[:8]}")["QueueUrl"]

    def before(state: str) -> Hold:
        text = json.dumps(json.loads(deployed))
        for way in ("Next", "Default"):
            text = text.replace(f'"{way}": "{state}"', f'"{way}": "Hold"')
        definition = json.loads(text)
        definition["States"]["Hold"] = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": queue,
                "MessageBody": {"token.$": "$$.Task.Token", "execution.$": "$$.Execution.Id"},
            },
            "ResultPath": None,
            "Next": state,
        }
        states.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
        return Hold(project, queue)

    yield before
    states.update_state_machine(stateMachineArn=arn, definition=deployed)
    project.aws("sqs").delete_queue(QueueUrl=queue)


OwnCloud = Callable[..., AbstractContextManager[Project]]


@pytest.fixture(scope="session")
def own_cloud(
    tmp_path_factory: pytest.TempPathFactory, finish: Wait, clients_of: Callable[[str], Any]
) -> OwnCloud:
    """`with own_cloud("name") as project`: the project on a cloud that nobody else uses."""

    @contextmanager
    def start(name: str, **options: Any) -> Iterator[Project]:
        home: Path = tmp_path_factory.mktemp(name)
        cloud = control.start(home, port=0, **options)
        try:
            yield deploy_project(cloud, clients_of(cloud.endpoint_url), finish)
        finally:
            control.stop(home)

    return start


@pytest.fixture(scope="session")
def enforcing(own_cloud: OwnCloud) -> Iterator[Project]:
    """The project on a cloud that enforces IAM."""
    with own_cloud("enforcing", enforce_iam=True) as project:
        yield project


@pytest.fixture(scope="session")
def promoting(own_cloud: OwnCloud) -> Iterator[Project]:
    """The project on a cloud whose endpoints, and whose end, are the tests' own. It enforces IAM."""
    with own_cloud("promoting", enforce_iam=True) as project:
        yield project


@pytest.fixture(scope="session")
def archive() -> Callable[[dict[str, bytes]], bytes]:
    """A tar.gz of these files."""

    def pack(members: dict[str, bytes]) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(content), int(time.time())
                tar.addfile(info, io.BytesIO(content))
        return packed.getvalue()

    return pack


@pytest.fixture(scope="module")
def drilled_project(
    tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[str], Any], finish: Wait
) -> Iterator[Project]:
    """A project of its own, in which a model was trained and approved, and has predicted."""
    home = tmp_path_factory.mktemp("drilled-cloud")
    cloud = control.start(home, port=0)
    try:
        project = deploy_project(cloud, clients_of(cloud.endpoint_url), finish)
        project.run({"approval": "auto"})
        project.predict()
        yield project
    finally:
        control.stop(home)
