from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud import control
from localcloud.control import Cloud
from ops import cli, local, watch
from ops.errors import ExitCode
from ops.history import History
from ops.target import Target


class Session:
    """What `local.cloud` yields here, and what became of it."""

    def __init__(self, *, is_new: bool) -> None:
        cloud = Cloud(Path("/home"), 4242, 4566, "http://127.0.0.1:4566", False)
        self.started = local.Started(cloud, is_new=is_new)
        self.asked: dict[str, Any] = {}
        self.left_by: type[BaseException] | None = None


@pytest.fixture
def session(aws: Target, states: Any, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A local cloud that has just been started, played by the fake account."""
    here = Session(is_new=True)

    @contextmanager
    def cloud(_out: Any, **asked: Any) -> Iterator[local.Started]:
        here.asked = asked
        try:
            yield here.started
        except BaseException as error:
            here.left_by = type(error)
            raise

    monkeypatch.setattr(local, "cloud", cloud)
    monkeypatch.setattr(local, "target", lambda *_: aws)
    monkeypatch.setattr(local, "deploy", lambda *_: None)
    return here


def ends(states: Any, monkeypatch: pytest.MonkeyPatch, status: str, **more: Any) -> None:
    def watch_it(_target: Target, arn: str, _console: Any) -> History:
        states.executions[arn].update(
            status=status, stopDate=datetime.now(UTC) + timedelta(seconds=9), **more
        )
        return History(status=status)

    monkeypatch.setattr(watch, "watch", watch_it)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ({"status": "SUCCEEDED", "output": '{"decision": "registered"}'}, ExitCode.OK),
        ({"status": "SUCCEEDED", "output": '{"decision": "rejected"}'}, ExitCode.REJECTED),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "?"}, ExitCode.FAILED),
    ],
)
def test_the_demo_ends_as_its_run_does(
    session: Session, states: Any, monkeypatch: pytest.MonkeyPatch, ending: dict[str, str], code: ExitCode
) -> None:
    ends(states, monkeypatch, **ending)

    assert cli.run(["demo"]) == code
    assert not session.started.keep


def test_the_demo_puts_the_real_table_where_a_run_reads_it(
    session: Session, aws: Target, states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(states, monkeypatch, "SUCCEEDED", output='{"decision": "registered"}')

    cli.run(["demo"])

    bucket = aws.names["data_bucket"]
    table = aws.client("s3").get_object(Bucket=bucket, Key="raw/titanic.csv")["Body"].read()
    assert b"Survived" in table.splitlines()[0]
    assert len(table.splitlines()) == 892


def test_a_kept_demo_cloud_stays(session: Session, states: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ends(states, monkeypatch, "SUCCEEDED", output='{"decision": "registered"}')

    cli.run(["demo", "--keep", "--port", "4577", "--enforce-iam"])

    assert session.started.keep
    assert session.asked == {"port": 4577, "enforce_iam": True}


@pytest.mark.parametrize("is_new", [True, False])
def test_ctrl_c_stops_the_run_where_the_cloud_goes_on(
    session: Session, states: Any, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    session.started.is_new = is_new

    def interrupted(*_: Any) -> History:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "watch", interrupted)

    assert cli.run(["demo"]) == ExitCode.INTERRUPTED
    assert session.left_by is KeyboardInterrupt
    assert len(states.stopped) == (0 if is_new else 1)  # a cloud that is stopped stops its runs itself


def test_up_detached_leaves_the_cloud_running_and_says_how_to_use_it(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["up", "--detach"]) == ExitCode.OK

    assert session.started.keep
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4566" in capsys.readouterr().out


def test_up_on_a_running_cloud_returns_at_once(session: Session) -> None:
    session.started.is_new = False

    assert cli.run(["up"]) == ExitCode.OK


def test_up_notices_that_the_cloud_has_ended(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(control, "status", lambda _home: None)

    assert cli.run(["up"]) == ExitCode.FAILED
    assert "server.log" in capsys.readouterr().err


@pytest.mark.parametrize(("was_running", "said"), [(True, "is stopped"), (False, "No local cloud runs")])
def test_down_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], was_running: bool, said: str
) -> None:
    monkeypatch.setattr(control, "stop", lambda _home: was_running)

    assert cli.run(["down"]) == ExitCode.OK
    assert said in capsys.readouterr().out
