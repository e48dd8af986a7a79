"""The project deployed to a local cloud, and what a person looks at after a run."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import control
from ops import dataset, stack, templates
from ops.names import ROOT, Names

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
    _alerts: list[dict[str, str]] = field(default_factory=list)

    @property
    def bucket(self) -> str:
        return self.names["data_bucket"]

    @property
    def machine(self) -> str:
        return self.stack.values["training_state_machine_arn"]

    def start(self, run_input: object = None, name: str | None = None) -> str:
        answer = self.aws("stepfunctions").start_execution(
            stateMachineArn=self.machine,
            name=name or f"test-{uuid.uuid4().hex[:12]}",
            input=json.dumps({} if run_input is None else run_input),
        )
        arn: str = answer["executionArn"]
        return arn

    def run(self, run_input: object = None) -> RunResult:
        return self.result(self.start(run_input))

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
        self._receive()
        return [alert for alert in self._alerts if run_id in alert["Message"]]

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
    project = Project(aws, names, deployed, wait)
    project.put("raw/titanic.csv", dataset.csv_bytes(dataset.titanic_tables().training))
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


@pytest.fixture(scope="session")
def enforcing(
    tmp_path_factory: pytest.TempPathFactory, finish: Wait, clients_of: Callable[[str], Any]
) -> Iterator[Project]:
    """The project on a cloud that enforces IAM."""
    home: Path = tmp_path_factory.mktemp("enforcing")
    cloud = control.start(home, port=0, enforce_iam=True)
    try:
        yield deploy_project(cloud, clients_of(cloud.endpoint_url), finish)
    finally:
        control.stop(home)
