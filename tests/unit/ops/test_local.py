from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from localcloud import control
from localcloud.control import Cloud
from ops import local
from ops.errors import OpsError, UsageError
from ops.output import Output


class FakeControl:
    """A local cloud that starts and stops at once."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud: Cloud | None = None
        self.free_port = 4566
        self.starts = 0
        self.handler_while_stopping: Any = None

    def running(self, port: int, enforce_iam: bool = False) -> Cloud:
        self.cloud = Cloud(self.home, 4242, port, f"http://127.0.0.1:{port}", enforce_iam)
        return self.cloud

    def status(self, _home: Path) -> Cloud | None:
        return self.cloud

    def start(self, _home: Path, port: int | None, *, enforce_iam: bool) -> Cloud:
        self.starts += 1
        return self.running(port or self.free_port, enforce_iam)

    def stop(self, _home: Path) -> bool:
        self.handler_while_stopping = signal.getsignal(signal.SIGINT)
        was_running, self.cloud = self.cloud is not None, None
        return was_running


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeControl:
    fake = FakeControl(tmp_path)
    monkeypatch.setenv("TITANIC_HOME", str(tmp_path))
    for name in ("status", "start", "stop"):
        monkeypatch.setattr(control, name, getattr(fake, name))
    return fake


def test_starts_a_cloud_and_stops_it_again(cloud: FakeControl) -> None:
    with local.cloud(Output()) as started:
        assert started.is_new
        assert cloud.cloud is not None

    assert cloud.cloud is None


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, OpsError])
def test_stops_it_also_when_something_goes_wrong(cloud: FakeControl, interruption: Any) -> None:
    with pytest.raises(interruption), local.cloud(Output()):
        raise interruption

    assert cloud.cloud is None


def test_stops_it_when_ctrl_c_comes_while_it_starts(
    cloud: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Cloud:
        cloud.running(4566)
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "start", interrupted)

    with pytest.raises(KeyboardInterrupt), local.cloud(Output()):
        pass

    assert cloud.cloud is None


def test_a_second_ctrl_c_cannot_stop_the_stopping(cloud: FakeControl) -> None:
    before = signal.getsignal(signal.SIGINT)

    with local.cloud(Output()):
        pass

    assert cloud.handler_while_stopping == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == before


def test_leaves_a_kept_cloud_running(cloud: FakeControl) -> None:
    with local.cloud(Output()) as started:
        started.keep = True

    assert cloud.cloud is not None


def test_uses_and_leaves_a_cloud_that_already_runs(cloud: FakeControl) -> None:
    cloud.running(4577)

    with local.cloud(Output()) as started:
        assert not started.is_new
        assert "already running at http://127.0.0.1:4577" in started.words

    assert cloud.starts == 0
    assert cloud.cloud is not None


def test_says_that_another_port_was_taken(cloud: FakeControl) -> None:
    cloud.free_port = 50123

    with local.cloud(Output()) as started:
        assert "Port 4566 is in use by another program, so it took 50123" in started.words


def test_does_not_call_a_port_busy_that_was_asked_for(cloud: FakeControl) -> None:
    with local.cloud(Output(), port=5000) as started:
        assert "in use" not in started.words


def test_a_running_cloud_is_not_moved_to_another_port(cloud: FakeControl) -> None:
    cloud.running(4577)

    with pytest.raises(UsageError, match="titanic down"), local.cloud(Output(), port=4578):
        pass


def test_a_running_cloud_does_not_pretend_to_enforce_iam(cloud: FakeControl) -> None:
    cloud.running(4566)

    with pytest.raises(UsageError, match="--enforce-iam"), local.cloud(Output(), enforce_iam=True):
        pass


def test_a_cloud_that_cannot_start_says_why(cloud: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> Cloud:
        raise control.PortInUse("port 4566 is in use by another program; leave --port out")

    monkeypatch.setattr(control, "start", busy)

    said = r"^Port 4566 is in use by another program; leave --port out\.$"
    with pytest.raises(OpsError, match=said), local.cloud(Output(), port=4566):
        pass


def test_the_home_is_the_checkout_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TITANIC_HOME", raising=False)

    assert local.home() == Path(local.ROOT) / ".localcloud"


def test_the_local_target_ignores_credentials_that_lie_around(
    cloud: FakeControl, clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")

    there = local.target(cloud.running(4577), "dev")

    assert there.endpoint_url == "http://127.0.0.1:4577"
    assert there.session.get_credentials().access_key == "test"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIAREAL"


def test_a_raw_table_that_is_there_is_kept(aws: Any) -> None:
    bucket = aws.names["data_bucket"]
    aws.client("s3").put_object(Bucket=bucket, Key="raw/titanic.csv", Body=b"mine")

    local.provide_tables(aws, Output())

    assert aws.client("s3").get_object(Bucket=bucket, Key="raw/titanic.csv")["Body"].read() == b"mine"


def test_the_tables_that_the_inputs_in_events_name_are_provided(aws: Any) -> None:
    bucket = aws.names["data_bucket"]

    local.put_example_tables(aws)

    inputs = (local.ROOT / "events").glob("training-table-*.json")
    keys = {json.loads(path.read_text())["source_uri"].partition("/raw/")[2] for path in inputs}
    listed = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix="raw/")["Contents"]
    assert keys <= {entry["Key"].removeprefix("raw/") for entry in listed}
