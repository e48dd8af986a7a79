"""Every Terraform stage, applied once to a fresh local cloud that enforces IAM.

`make test` runs this where terraform is installed. Elsewhere it skips and says so, unless
TITANIC_REQUIRE_TERRAFORM is set, as .ci/run does: there, not having run is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import control
from ops import dataset, stack
from ops.names import Names
from ops.target import LOCAL_CREDENTIALS, Choice, Target, open_target
from scripts import terraform_stages

ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Applied:
    """The applied stages: `runner` for Terraform, `aws` for the cloud they are on."""

    runner: terraform_stages.Runner
    aws: Callable[[str], Any]
    names: Names
    seconds: float
    wait: Callable[..., dict[str, Any]]

    @property
    def bucket(self) -> str:
        return self.names["data_bucket"]

    @property
    def code_version(self) -> str:
        return str(self.runner.variables["code_version"])

    @property
    def target(self) -> Target:
        """The same cloud as the `titanic` command sees it."""
        url = self.runner.environment["AWS_ENDPOINT_URL"]
        return open_target(Choice(url, credentials=LOCAL_CREDENTIALS), self.names.env)

    def put(self, key: str, body: bytes) -> None:
        self.aws("s3").put_object(Bucket=self.bucket, Key=key, Body=body)

    def has(self, key: str) -> bool:
        return bool(self.aws("s3").list_objects_v2(Bucket=self.bucket, Prefix=key).get("KeyCount"))

    def read(self, key: str) -> Any:
        return json.loads(self.aws("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def run(self, machine: str) -> dict[str, Any]:
        """The description of an execution of the machine that has ended."""
        states = self.aws("stepfunctions")
        arn = self.runner.outputs("02_training_validation")["state_machine_arns"][machine]
        return self.wait(states, states.start_execution(stateMachineArn=arn)["executionArn"])

    def deliver_new_passengers(self) -> None:
        self.put(
            "raw/new_passengers/held-out.csv", dataset.csv_bytes(dataset.titanic_tables().new_passengers)
        )

    def versions(self) -> list[dict[str, Any]]:
        group = self.runner.outputs("03_sagemaker_pipeline")["model_package_group_name"]
        answer = self.aws("sagemaker").list_model_packages(ModelPackageGroupName=group)
        packages: list[dict[str, Any]] = answer["ModelPackageSummaryList"]
        return packages


@pytest.fixture(scope="session")
def terraform() -> str:
    """The terraform program."""
    found = shutil.which("terraform")
    if found:
        return found
    told = "terraform is not installed: the stages were not applied"
    if os.environ.get("TITANIC_REQUIRE_TERRAFORM"):
        pytest.fail(told)
    pytest.skip(told)


@pytest.fixture(scope="session")
def applied(
    terraform: str,
    tmp_path_factory: pytest.TempPathFactory,
    clients_of: Callable[[str], Any],
    finish: Callable[..., dict[str, Any]],
) -> Iterator[Applied]:
    """All stages applied, the code bundle published as CI does, and a table uploaded as a person would."""
    home = tmp_path_factory.mktemp("terraform-cloud")
    cloud = control.start(home, port=0, enforce_iam=True)
    try:
        runner, names = _runner(tmp_path_factory.mktemp("stages"), cloud.endpoint_url)
        started = time.monotonic()
        runner.apply()
        seconds = time.monotonic() - started
        ready = Applied(runner, clients_of(cloud.endpoint_url), names, seconds, finish)
        _publish(ready)
        yield ready
    finally:
        control.stop(home)


def _runner(work: Path, endpoint_url: str) -> tuple[terraform_stages.Runner, Names]:
    names = Names("dev", ACCOUNT_ID)
    terraform_stages.copy_files(work)
    variables = terraform_stages.operator_variables(work, names, owner="tests", cost_center="tests")
    # The local cloud publishes no layers, and has no Cost Explorer.
    local = {"destroy_data": True, "powertools_layer_arn": "", "watch_anomalies": False}
    environment = terraform_stages.point_to(endpoint_url, work)
    return terraform_stages.Runner(work, variables | local, environment), names


def _publish(applied: Applied) -> None:
    bundle = applied.runner.variables["code_bundle_uri"].split("/", 3)[3]
    applied.put(bundle, (applied.runner.work / "build/pipeline_code.tar.gz").read_bytes())
    applied.put("raw/titanic.csv", dataset.csv_bytes(dataset.titanic_tables().training))


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Waits until a condition holds and returns what it gave."""

    def wait(condition: Callable[[], Any], what: str, timeout_seconds: float = 120) -> Any:
        deadline = time.monotonic() + timeout_seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"never happened: {what}"
            time.sleep(0.1)
        return found

    return wait


@pytest.fixture(scope="session")
def up(
    applied: Applied, tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[str], Any]
) -> Iterator[tuple[stack.Stack, Callable[[str], Any]]]:
    """What `titanic up` makes of the same files, on another local cloud."""
    home = tmp_path_factory.mktemp("up-cloud")
    cloud = control.start(home, port=0)
    try:
        session = boto3.session.Session("test", "test", region_name=applied.names.region)
        deployed = stack.Stack(session, applied.names, cloud.endpoint_url, root=applied.runner.work)
        stack.deploy(deployed, lambda _line: None)
        yield deployed, clients_of(cloud.endpoint_url)
    finally:
        control.stop(home)
