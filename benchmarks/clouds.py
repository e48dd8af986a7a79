"""A local cloud with the project deployed to it, and the plain processes that stand beside it."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from localcloud import control, processes
from ops import dataset, stack
from ops.names import ROOT, Names

POLL_SECONDS = 0.005
RUN_SECONDS = 300.0


@dataclass(frozen=True)
class DeployedCloud:
    """`session` has the root keys; `ready` and `deployed` are the seconds that both took."""

    cloud: control.Cloud
    names: Names
    stack: stack.Stack
    session: boto3.session.Session
    ready: float
    deployed: float

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.cloud.endpoint_url)

    @property
    def bucket(self) -> str:
        return self.names["data_bucket"]

    def environment(self) -> dict[str, str]:
        """What a plain process needs to reach this cloud as root."""
        return {
            **processes.base_environment(),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self.names.region,
            "AWS_DEFAULT_REGION": self.names.region,
            "AWS_ENDPOINT_URL": self.cloud.endpoint_url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.cloud.home),
            "PYTHONPATH": str(ROOT),
        }

    def execute(self, machine_arn: str, state_input: str = "{}") -> float:
        """Seconds from StartExecution to the execution's end, as a client sees it."""
        states = self.client("stepfunctions")
        start = time.perf_counter()
        arn = states.start_execution(stateMachineArn=machine_arn, name=uuid.uuid4().hex, input=state_input)[
            "executionArn"
        ]
        while (description := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.perf_counter() - start > RUN_SECONDS:
                raise TimeoutError(f"{arn} is still running")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        if description["status"] != "SUCCEEDED":
            raise RuntimeError(f"{arn} ended as {description['status']}: {description.get('cause')}")
        return seconds


@contextmanager
def deployed_cloud() -> Iterator[DeployedCloud]:
    """From nothing; stopped and removed at the end."""
    names = Names("dev", "123456789012")
    session = boto3.session.Session("test", "test", region_name=names.region)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        start = time.perf_counter()
        cloud = control.start(home, port=0)
        try:
            ready = time.perf_counter()
            project = stack.Stack(session, names, endpoint_url=cloud.endpoint_url)
            stack.deploy(project, lambda _line: None)
            deployed = time.perf_counter()
            here = DeployedCloud(cloud, names, project, session, ready - start, deployed - ready)
            table = dataset.csv_bytes(dataset.titanic_tables().training)
            here.client("s3").put_object(Bucket=here.bucket, Key="raw/titanic.csv", Body=table)
            yield here
        finally:
            control.stop(home)
