"""Every Terraform stage, applied once to a fresh local cloud that enforces IAM: as a person and CI would.

The stages that limit CI are applied by the account's owner, all others by CI's deploy role, which a token
like GitHub's gives, so that a permission it lacks stops the apply.

`make test` runs this where terraform is installed. Elsewhere it skips and says so, unless
TITANIC_REQUIRE_TERRAFORM is set, as .ci/run does: there, not having run is a failure.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import control
from ops import dataset, stack, templates
from ops.names import ROOT, Names
from ops.target import Choice, Target, open_target
from scripts import terraform_stages

ACCOUNT_ID = "123456789012"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
REPOSITORY = "octocat-123456/titanic-456789"


@dataclass(frozen=True)
class Applied:
    """The applied stages: `runner` for Terraform as the account's owner, `aws` for the cloud, its `home`."""

    runner: terraform_stages.Runner
    aws: Callable[[str], Any]
    home: Path
    names: Names
    seconds: float
    wait: Callable[..., dict[str, Any]]

    def as_ci(self, role: str, session: str = "ci", **claims: str) -> terraform_stages.Runner:
        """The same stages under the rights of CI's role, which a token with these claims gives."""
        keys = _assume(self.runner, self.aws, role, session, claims)
        environment = {**self.runner.environment, **keys}
        variables, bucket = self.runner.variables, self.runner.state_bucket
        return terraform_stages.Runner(self.runner.work, variables, environment, bucket)

    @property
    def bucket(self) -> str:
        return self.names["data_bucket"]

    @property
    def code_version(self) -> str:
        return str(self.runner.variables["code_version"])

    @property
    def target(self) -> Target:
        """The same cloud as the `titanic` command sees it."""
        return self.target_of(self.runner)

    def target_of(self, runner: terraform_stages.Runner) -> Target:
        """The same under the rights of that runner."""
        keys = {name.lower(): value for name, value in runner.environment.items() if name in KEYS}
        return open_target(Choice(runner.environment["AWS_ENDPOINT_URL"], credentials=keys), self.names.env)

    def put(self, key: str, body: bytes) -> None:
        self.aws("s3").put_object(Bucket=self.bucket, Key=key, Body=body)

    def has(self, key: str) -> bool:
        return bool(self.aws("s3").list_objects_v2(Bucket=self.bucket, Prefix=key).get("KeyCount"))

    def read(self, key: str) -> Any:
        return json.loads(self.aws("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def machine_arn(self, machine: str) -> str:
        return self.names.arn("states", f"stateMachine:{self.names[f'{machine}_state_machine']}")

    def start(self, machine: str, run_input: object = None) -> str:
        arn: str = self.aws("stepfunctions").start_execution(
            stateMachineArn=self.machine_arn(machine), input=json.dumps(run_input or {})
        )["executionArn"]
        return arn

    def run(self, machine: str, run_input: object = None) -> dict[str, Any]:
        """The description of an execution of the machine that has ended."""
        return self.wait(self.aws("stepfunctions"), self.start(machine, run_input))

    def event(self, name: str) -> Any:
        """An execution input of `events/`."""
        return templates.render(ROOT / "events" / f"{name}.json", {"DataBucket": self.bucket})

    def let_fall_due(self, schedule: str) -> None:
        """Once, now, what the schedule of `events/schedules.json` does when it is time."""
        scheduler, group = self.aws("scheduler"), self.names["schedule_group"]
        deployed = scheduler.get_schedule(Name=self.names.schedule(schedule), GroupName=group)
        scheduler.create_schedule(
            Name=f"due-{uuid.uuid4().hex[:8]}",
            GroupName=group,
            Target=deployed["Target"],
            FlexibleTimeWindow={"Mode": "OFF"},
            ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
            ActionAfterCompletion="DELETE",
        )

    def manifest(self, execution_arn: str) -> dict[str, Any] | None:
        """What the run has recorded of itself, once it has."""
        listed = self.aws("s3").list_objects_v2(Bucket=self.bucket, Prefix="runs/").get("Contents", [])
        keys = [found["Key"] for found in listed if found["Key"].endswith("/manifest.json")]
        found = (self.read(key) for key in keys)
        return next((one for one in found if one["execution_arn"] == execution_arn), None)

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
        aws = clients_of(cloud.endpoint_url)
        started = time.monotonic()
        runner.bootstrap()
        ci = Applied(runner, aws, home, names, 0, finish).as_ci(
            "deploy", sub=f"repo:{REPOSITORY}:environment:dev", ref="refs/heads/main"
        )
        ci.deploy()
        runner.seconds.update({key: runner.seconds.get(key, 0) + took for key, took in ci.seconds.items()})
        runner.created.update(ci.created)
        ready = Applied(runner, aws, home, names, time.monotonic() - started, finish)
        _publish(ready)
        yield ready
    finally:
        control.stop(home)


def _runner(work: Path, endpoint_url: str) -> tuple[terraform_stages.Runner, Names]:
    names = Names("dev", ACCOUNT_ID)
    terraform_stages.copy_files(work)
    variables = terraform_stages.operator_variables(work, names, "tests", "tests", REPOSITORY)
    # The local cloud publishes no layers, and has no Cost Explorer.
    local = {"destroy_data": True, "powertools_layer_arn": "", "watch_anomalies": False}
    environment = terraform_stages.point_to(endpoint_url, work)
    return terraform_stages.Runner(work, variables | local, environment, names["state_bucket"]), names


def _assume(
    runner: terraform_stages.Runner,
    aws: Callable[[str], Any],
    role: str,
    session: str,
    claims: dict[str, str],
) -> dict[str, str]:
    """Credentials of CI's role as environment variables. Raises `ClientError` when its trust refuses."""
    token = {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", **claims}
    answer = aws("sts").assume_role_with_web_identity(
        RoleArn=runner.outputs("05_cicd")[f"{role}_role_arn"],
        RoleSessionName=session,
        WebIdentityToken=".".join([_encoded({"alg": "RS256"}), _encoded(token), "unsigned"]),
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["SessionToken"],
    }


def _encoded(part: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _publish(applied: Applied) -> None:
    bundle = applied.runner.variables["code_bundle_uri"].split("/", 3)[3]
    applied.put(bundle, (applied.runner.work / "build/pipeline_code.tar.gz").read_bytes())
    applied.put("raw/titanic.csv", dataset.csv_bytes(dataset.titanic_tables().training))
    for table in sorted((ROOT / "events" / "tables").glob("*.csv")):
        applied.put(f"raw/examples/{table.name}", table.read_bytes())


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
