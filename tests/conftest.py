"""Fixtures shared by the tests that need a running local cloud.

Each test process starts its own cloud once, on a port of its own, and stops it at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud import control

REGION = "eu-west-1"

# Unit tests must never find real credentials or a running cloud through the environment.
for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
    os.environ.pop(variable, None)
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION=REGION,
    AWS_EC2_METADATA_DISABLED="true",
    LAMBDA_TASK_ROOT=os.environ.get("LAMBDA_TASK_ROOT", "/var/task"),
    POWERTOOLS_TRACE_DISABLED="1",
)

# A shell without job control starts what is in the background deaf to Ctrl-C, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

Clients = Callable[[str], Any]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Cloud]:
    """A local cloud with nothing deployed to it."""
    home: Path = tmp_path_factory.mktemp("localcloud")
    running = control.start(home, port=0)
    yield running
    control.stop(home)


@pytest.fixture(scope="session")
def aws(cloud: control.Cloud, clients_of: Callable[[str], Clients]) -> Clients:
    """boto3 clients of the local cloud: `aws("s3")`."""
    return clients_of(cloud.endpoint_url)


@pytest.fixture(scope="session")
def clients_of() -> Callable[[str], Clients]:
    """Makes the boto3 clients of any endpoint."""
    return _clients_of


def _clients_of(endpoint_url: str) -> Clients:
    session = boto3.session.Session("test", "test", region_name=REGION)
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            config = Config(retries={"total_max_attempts": 1}, read_timeout=120)
            made[service] = session.client(service, endpoint_url=endpoint_url, config=config)
        return made[service]

    return client


@pytest.fixture(scope="session")
def finish() -> Callable[..., dict[str, Any]]:
    """Waits until an execution has ended and returns its description."""

    def wait(states: Any, execution_arn: str, timeout_seconds: float = 90) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_seconds
        while True:
            description: dict[str, Any] = states.describe_execution(executionArn=execution_arn)
            if description["status"] != "RUNNING":
                return description
            assert time.monotonic() < deadline, f"still running: {json.dumps(description, default=str)}"
            time.sleep(0.02)

    return wait


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Stops where pytest-xdist cannot tell groups apart: each worker would start all the clouds."""
    grouped = (item for item in items if item.get_closest_marker("xdist_group"))
    if getattr(config.option, "loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("this pytest-xdist does not see `xdist_group`: another pytest is needed")


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: one more than there are cores where a group mostly waits, for Terraform."""
    return (os.cpu_count() or 1) + bool(shutil.which("terraform"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what tests left with `record_property("terminal_summary", …)`, also from xdist's workers."""
    reports = [report for group in ("passed", "failed") for report in terminalreporter.stats.get(group, [])]
    for name, text in [pair for report in reports for pair in getattr(report, "user_properties", [])]:
        if name == "terminal_summary":
            terminalreporter.write_line(text)
