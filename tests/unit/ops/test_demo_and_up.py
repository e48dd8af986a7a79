from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud import control
from localcloud.control import Cloud
from ops import cli, gate, local, runs, watch
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


class Prod:
    """An endpoint that knows men from women."""

    def invoke_endpoint(self, Body: bytes, ContentType: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        said = "".join("0.978\n" if row.split(b",")[1] == b"1" else "0.088\n" for row in Body.splitlines())
        return {"Body": io.BytesIO(said.encode()), "ContentType": ContentType}


def ends(states: Any, monkeypatch: pytest.MonkeyPatch, status: str, **more: Any) -> None:
    def watch_it(_target: Target, arn: str, _console: Any, *_: Any) -> History:
        states.executions[arn].update(
            status=status, stopDate=datetime.now(UTC) + timedelta(seconds=9), **more
        )
        return History(status=status)

    monkeypatch.setattr(watch, "watch", watch_it)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ({"status": "SUCCEEDED", "output": '{"decision": "registered"}'}, ExitCode.OK),
        ({"status": "SUCCEEDED", "output": '{"decision": "rejected"}'}, ExitCode.NO_MODEL),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "?"}, ExitCode.FAILED),
    ],
)
def test_the_demo_ends_as_its_run_does(
    session: Session, states: Any, monkeypatch: pytest.MonkeyPatch, ending: dict[str, str], code: ExitCode
) -> None:
    ends(states, monkeypatch, **ending)

    assert cli.run(["demo"]) == code
    assert not session.started.keep


@pytest.fixture
def good_story(session: Session, aws: Target, states: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs go well: the first registers version 1, the second gives everybody a probability.

    The approval's promotion waits at its gate, is confirmed, and prod answers.
    """
    group = aws.names["model_package_group"]
    sagemaker, bucket = aws.client("sagemaker"), aws.names["data_bucket"]
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    package = sagemaker.create_model_package(
        ModelPackageGroupName=group, ModelApprovalStatus="PendingManualApproval"
    )["ModelPackageArn"]
    folder = "predictions/run_date=2026-11-21/run_id=x/"
    states.answered = []
    states.send_task_success = lambda **answer: states.answered.append(answer)
    aws._clients["sagemaker-runtime"] = Prod()

    def predict() -> dict[str, Any]:
        passengers = local.tables().new_passengers
        rows = [f"{row['PassengerId']},{0.9 if row['Sex'] == 'female' else 0.1}\n" for row in passengers]
        body = "".join(["id,probability\n", *rows]).encode()
        aws.client("s3").put_object(Bucket=bucket, Key=f"{folder}predictions-00000.csv", Body=body)
        return {
            "predictions": {"rows": len(rows)},
            "publication": {"predictions_uri": f"s3://{bucket}/{folder}", "is_latest": True},
        }

    def train() -> dict[str, Any]:
        asked = json.dumps({"model_package_arn": package})
        promotion = states.add("by-the-rule", "RUNNING", kind="promotion", input=asked)
        question = gate.approval_key(runs.describe_run(aws, promotion).run_id)
        aws.client("s3").put_object(Bucket=bucket, Key=question, Body=b'{"task_token": "secret"}')
        evaluation = {"model_package_arn": package, "metrics": {"accuracy": 0.83, "auc": 0.87}}
        return {"evaluation": evaluation}

    def promote() -> dict[str, Any]:
        return {"package": {"model_package_arn": package}}

    endings = {"training": (train, "registered"), "inference": (predict, "published")}

    def watch_it(_target: Target, arn: str, _console: Any, at_state: Any = None) -> History:
        for act in (at_state or {}).values():
            act()
        work, decision = endings.get(arn.split(":")[6].rsplit("-", 1)[-1], (promote, "promoted"))
        stopped = datetime.now(UTC) + timedelta(seconds=9)
        output = json.dumps({"decision": decision})
        states.executions[arn].update(status="SUCCEEDED", output=output, stopDate=stopped)
        return History(status="SUCCEEDED", data=work())

    monkeypatch.setattr(watch, "watch", watch_it)


def test_the_demo_tells_the_whole_story(
    good_story: None, aws: Target, states: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["demo"]) == ExitCode.OK

    told = capsys.readouterr().out
    chapters = [line for line in told.splitlines() if line[:3] in ("1  ", "2  ", "3  ", "4  ", "5  ", "Whe")]
    assert len(chapters) == 6
    assert "Version 1 was PendingManualApproval and is now Approved" in told
    assert "Predictions published: 418 rows" in told
    assert "418 new passengers" in told
    assert "0.830" in told  # what evaluation had promised, beside what came true
    assert "Model promoted: version 1 is live" in told
    assert re.search(r"third-class man, 22 +3,0,22,1,0,7.25,2 +0.088", told)
    [answered] = states.answered
    assert json.loads(answered["output"])["decision"] == "approved"
    second = json.loads(states.started[1]["input"])
    assert second["source_uri"].startswith("s3://titanic-sagemaker-dev-123456789012/raw/new_passengers/")
    listed = aws.client("s3").get_object(
        Bucket=aws.names["data_bucket"], Key=second["source_uri"].split("/", 3)[3]
    )
    assert b"Survived" not in listed["Body"].readline()


def test_a_demo_whose_promotion_fails_ends_there(
    good_story: None, states: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell = watch.watch

    def watch_it(there: Target, arn: str, console: Any, *_: Any) -> History:
        history = tell(there, arn, console)
        if "-promotion:" in arn:
            states.executions[arn].update(status="FAILED", error="SmokeFailed", cause="it is slow")
            history.data = {}
        return history

    monkeypatch.setattr(watch, "watch", watch_it)

    assert cli.run(["demo"]) == ExitCode.FAILED
    told = capsys.readouterr().out
    assert "it is slow" in told
    assert "third-class man" not in told


def test_a_demo_whose_approval_starts_nothing_says_so(
    good_story: None, states: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "START_SECONDS", 0)

    assert cli.run(["demo"]) == ExitCode.FAILED
    assert "titanic-sagemaker-dev-approved-version is enabled" in capsys.readouterr().err


def test_the_demo_can_be_told_twice(good_story: None, aws: Target) -> None:
    assert cli.run(["demo"]) == ExitCode.OK
    assert cli.run(["demo"]) == ExitCode.OK


def test_a_demo_whose_predictions_fail_ends_there(
    good_story: None, states: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell = watch.watch

    def watch_it(there: Target, arn: str, console: Any, *_: Any) -> History:
        history = tell(there, arn, console)
        if "-batch-inference:" in arn:
            states.executions[arn].update(
                status="FAILED", error="PredictionsIncomplete", cause="one is missing"
            )
            history.data = {}
        return history

    monkeypatch.setattr(watch, "watch", watch_it)

    assert cli.run(["demo"]) == ExitCode.FAILED
    told = capsys.readouterr().out
    assert "one is missing" in told
    assert "It becomes known" not in told


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
