from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from ops import cli, report, target, watch
from ops.commands import options
from ops.errors import ExitCode
from ops.history import History
from ops.names import ROOT
from ops.target import Target


@pytest.fixture
def there(aws: Target, states: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every command reaches the fake account; returns its Step Functions."""
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName="titanic-survival-xgboost")
    return states


@pytest.fixture
def finished(there: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that is started ends at once, as the test says."""

    def end(status: str, **more: Any) -> None:
        def watch_it(_target: Target, arn: str, _console: Any, *_: Any) -> History:
            there.executions[arn].update(status=status, stopDate=there.executions[arn]["startDate"], **more)
            return History(status=status)

        monkeypatch.setattr(watch, "watch", watch_it)

    return end


def register(aws: Target, status: str = "PendingManualApproval") -> None:
    aws.client("sagemaker").create_model_package(
        ModelPackageGroupName="titanic-survival-xgboost",
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [{"Image": "x", "ModelDataUrl": "s3://b/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        CustomerMetadataProperties={"run_id": "20261121-0123456789", "accuracy": "0.829"},
    )


def json_out(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_help_is_quick_because_nothing_slow_is_imported() -> None:
    program = "import sys, ops.cli; print([m for m in ('boto3', 'botocore', 'rich') if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        *(
            "up",
            "down",
            "demo",
            "train",
            "predict",
            "runs",
            "runs show",
            "models",
            "approve",
            "reject",
            "logs",
        ),
        *("alerts", "schedule", "schedule enable", "schedule disable"),
    ],
)
def test_every_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*command.split(), "--help"]) == ExitCode.OK

    assert f"titanic {command}" in capsys.readouterr().out.partition("Examples:")[2]


def test_the_help_documents_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--help"])

    said = capsys.readouterr().out
    assert all(str(int(code)) in said for code in ExitCode)


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian"],
        ["train", "--nonsense"],
        ["train", "--accuracy-threshold", "high"],
        ["train", "--approval", "perhaps"],
        ["predict", "--drift-threshold", "far"],
        ["approve", "three"],
        ["approve", "0"],
        ["runs", "show"],
        ["runs", "--limit", "-1"],
        ["logs"],
        ["logs", "20261121-0123456789", "--group", "/aws"],
        ["up", "--port", "70000"],
        ["runs", "--env", "staging"],
        [],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    arguments: list[str], clean_environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == ExitCode.USAGE

    captured = capsys.readouterr()
    assert "Traceback" not in captured.err


def test_without_a_cloud_it_says_how_to_get_one(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TITANIC_HOME", str(tmp_path / "none"))

    assert cli.run(["runs"]) == ExitCode.NO_CLOUD

    assert "titanic up" in capsys.readouterr().err


def test_a_dead_endpoint_is_no_cloud(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert cli.run(["models", "--json"]) == ExitCode.NO_CLOUD

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "127.0.0.1:1" in captured.err


@pytest.mark.parametrize(
    ("status", "more", "code"),
    [
        ("SUCCEEDED", {"output": '{"decision": "registered"}'}, ExitCode.OK),
        ("SUCCEEDED", {"output": '{"decision": "rejected"}'}, ExitCode.NO_MODEL),
        ("FAILED", {"error": "MissingColumn", "cause": "no Age"}, ExitCode.FAILED),
        ("ABORTED", {}, ExitCode.FAILED),
    ],
)
def test_train_ends_with_the_runs_decision(
    finished: Any, status: str, more: dict[str, str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(status, **more)

    assert cli.run(["train", "--json"]) == code

    document = json_out(capsys)
    assert document["status"] == status
    assert document["execution_arn"].startswith("arn:aws:states:")


def test_train_sends_the_input_as_it_is_with_the_options_over_it(
    finished: Any, there: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    finished("SUCCEEDED", output='{"decision": "registered"}')
    given = tmp_path / "input.json"
    given.write_text('{"aproval": "auto", "f1_threshold": 0.1}')

    cli.run(["train", "--input", str(given), "--f1-threshold", "0.9", "--approval", "auto"])

    assert json.loads(there.started[0]["input"]) == {
        "aproval": "auto",
        "f1_threshold": 0.9,
        "approval": "auto",
    }


def test_train_fills_in_the_bucket_that_the_inputs_in_events_leave_open(there: Any) -> None:
    given = str(ROOT / "events" / "training-missing-source.json")

    assert cli.run(["train", "--input", given, "--no-wait"]) == ExitCode.OK

    uri = "s3://titanic-sagemaker-dev-123456789012/raw/no-such-table.csv"
    assert json.loads(there.started[0]["input"]) == {"source_uri": uri}


def test_predict_takes_the_batch_inputs_of_events_as_well(there: Any) -> None:
    given = str(ROOT / "events" / "batch-missing-source.json")

    assert cli.run(["predict", "--input", given, "--drift-threshold", "0.3", "--no-wait"]) == ExitCode.OK

    started = json.loads(there.started[0]["input"])
    assert started.pop("source_uri").startswith("s3://titanic-sagemaker-dev-123456789012/raw/")
    assert started == {"drift_threshold": 0.3}


def test_train_reads_its_input_from_stdin(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("[1]"))

    assert cli.run(["train", "--input", "-", "--no-wait"]) == ExitCode.OK
    assert there.started[0]["input"] == "[1]"


@pytest.mark.parametrize(
    ("content", "arguments"),
    [("{", []), ("[1]", ["--approval", "auto"]), (None, []), (b"\xff\xfe\x00", [])],
)
def test_train_refuses_an_input_it_cannot_read(
    there: Any, tmp_path: Any, content: str | bytes | None, arguments: list[str]
) -> None:
    given = tmp_path / "input.json"
    if content is not None:
        given.write_bytes(content if isinstance(content, bytes) else content.encode())

    assert cli.run(["train", "--input", str(given), *arguments]) == ExitCode.USAGE
    assert there.started == []


def test_train_without_waiting_tells_the_run(there: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "--no-wait", "--json"]) == ExitCode.OK

    document = json_out(capsys)
    assert document["status"] == "RUNNING"
    assert document["console_link"].endswith(document["execution_arn"])


@pytest.mark.parametrize(
    ("status", "more", "code"),
    [
        ("SUCCEEDED", {"output": '{"decision": "published"}'}, ExitCode.OK),
        ("FAILED", {"error": "NoApprovedModel", "cause": "no version is approved"}, ExitCode.NO_MODEL),
        ("FAILED", {"error": "PredictionsIncomplete", "cause": "one is missing"}, ExitCode.FAILED),
        ("ABORTED", {}, ExitCode.FAILED),
    ],
)
def test_predict_ends_with_the_runs_decision(
    finished: Any, status: str, more: dict[str, str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(status, **more)

    assert cli.run(["predict", "--json"]) == code

    document = json_out(capsys)
    assert document["kind"] == "batch_inference"
    assert document["status"] == status


def test_predict_sends_only_what_was_chosen(there: Any) -> None:
    cli.run(["predict", "--no-wait"])
    cli.run(["predict", "--no-wait", "--source-uri", "s3://b/raw/x.csv", "--drift-threshold", "0.1"])

    assert [json.loads(request["input"]) for request in there.started] == [
        {},
        {"source_uri": "s3://b/raw/x.csv", "drift_threshold": 0.1},
    ]
    assert all(request["stateMachineArn"].endswith("-batch-inference") for request in there.started)


def test_ctrl_c_while_watching_leaves_the_run_going_and_says_so(
    there: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> History:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "watch", interrupted)

    assert cli.run(["train"]) == ExitCode.INTERRUPTED

    assert "The run goes on" in capsys.readouterr().out
    assert there.stopped == []


def test_the_first_line_says_which_cloud_and_stays_out_of_json(
    there: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["runs"])
    assert "account 123456789012" in capsys.readouterr().out.splitlines()[0]

    cli.run(["runs", "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "account 123456789012" in captured.err


def test_lists_runs(there: Any, capsys: pytest.CaptureFixture[str]) -> None:
    there.add("one", "FAILED", error="MissingColumn", cause="no Age")
    there.add("two", "RUNNING")

    assert cli.run(["runs", "--json"]) == ExitCode.OK

    listed = {run["status"]: run for run in json_out(capsys)}
    assert listed["FAILED"]["failure"] == {"error": "MissingColumn", "cause": "no Age"}
    assert listed["RUNNING"]["decision"] is None


def test_shows_one_run(there: Any, events: Any, capsys: pytest.CaptureFixture[str]) -> None:
    there.add("one", "FAILED", error="MissingColumn", cause="no Age")
    there.looks = [events.state("InitRun", 0.4).end("Failed", error="MissingColumn", cause="no Age").list]

    assert cli.run(["runs", "show", "one"]) == ExitCode.OK

    said = capsys.readouterr().out
    assert "InitRun" in said
    assert "Run failed: MissingColumn" in said
    assert "no Age" in said


def test_an_unknown_run_is_an_error(there: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["runs", "show", "nonsense"]) == ExitCode.FAILED
    assert "titanic runs" in capsys.readouterr().err


def test_lists_models(there: Any, aws: Target, capsys: pytest.CaptureFixture[str]) -> None:
    register(aws)
    register(aws)

    assert cli.run(["models", "--limit", "1"]) == ExitCode.OK
    assert "1 of 2 versions" in capsys.readouterr().out

    cli.run(["models", "--json"])
    assert [version["version"] for version in json_out(capsys)] == [2, 1]


def test_an_empty_registry_says_how_to_fill_it(there: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models"]) == ExitCode.OK
    assert "titanic train" in capsys.readouterr().out


def test_approves_once(there: Any, aws: Target, capsys: pytest.CaptureFixture[str]) -> None:
    register(aws)

    assert cli.run(["approve", "1", "--reason", "good"]) == ExitCode.OK
    assert "is now Approved: good (by arn:" in capsys.readouterr().out
    assert cli.run(["approve", "1", "--json"]) == ExitCode.OK
    assert json_out(capsys)["changed"] is False


def test_rejects_and_says_so_in_json(there: Any, aws: Target, capsys: pytest.CaptureFixture[str]) -> None:
    register(aws)

    assert cli.run(["reject", "1", "--json"]) == ExitCode.OK

    document = json_out(capsys)
    assert (document["status"], document["before"]) == ("Rejected", "PendingManualApproval")


def test_approving_an_unknown_version_lists_those_there_are(
    there: Any, aws: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    register(aws)

    assert cli.run(["approve", "7"]) == ExitCode.FAILED
    assert "it has 1." in capsys.readouterr().err


def test_logs_are_one_json_document_a_line(
    there: Any, aws: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    import time

    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "[1] one"}, {"timestamp": now + 1, "message": "two"}]
    logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=events)

    assert cli.run(["logs", "--group", "/g", "--json"]) == ExitCode.OK

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["[1] one", "two"]


def test_an_unexpected_error_is_one_paragraph_and_a_traceback_only_on_demand(
    there: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(options, "reach", broken)
    monkeypatch.setattr("ops.commands.models.reach", broken)

    assert cli.run(["models"]) == ExitCode.FAILED
    assert "Traceback" not in capsys.readouterr().err

    assert cli.run(["models", "--debug"]) == ExitCode.FAILED
    assert "Traceback" in capsys.readouterr().err


def test_a_denied_call_is_told_in_words(
    there: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from botocore.exceptions import ClientError

    def denied(*_: Any) -> None:
        answer = {"Error": {"Code": "AccessDeniedException", "Message": "me is not authorized to look"}}
        raise ClientError(answer, "DescribeExecution")

    there.add("one")
    monkeypatch.setattr(report, "gather", denied)

    assert cli.run(["runs", "show", "one"]) == ExitCode.FAILED
    assert "me is not authorized to look" in capsys.readouterr().err
