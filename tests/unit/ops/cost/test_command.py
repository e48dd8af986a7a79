"""`titanic cost`, as an operator meets it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ops import cli, target
from ops.errors import ExitCode
from ops.target import Target

RUN = "20261121-"


def json_out(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a cloud is at fault."""
    monkeypatch.setattr(target, "connect", lambda *_: pytest.fail("no cloud is needed"))


def test_an_estimate_needs_no_cloud(nowhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["cost", "--json"]) == ExitCode.OK
    told = json_out(capsys)
    assert (told["region"], told["currency"], told["env"]) == ("eu-west-1", "USD", "dev")
    assert [run["kind"] for run in told["runs"]] == ["training", "batch_inference", "promotion"]
    for run in told["runs"]:
        assert run["usd"] == pytest.approx(sum(line["usd"] for line in run["lines"]), abs=1e-5)
    assert told["month"]["usd"] == pytest.approx(
        sum(part["usd"] for part in told["month"]["parts"]), abs=1e-3
    )


def test_it_is_told_for_people_too(nowhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["cost"]) == ExitCode.OK
    said = capsys.readouterr().out
    for part in ("prices of 2026-11-21", "weekly training", "prod endpoint, all month", "No source states"):
        assert part in said


def test_another_region_has_other_prices(nowhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["cost", "--json"])
    ireland = json_out(capsys)["month"]["usd"]
    cli.run(["cost", "--region", "us-east-1", "--json"])
    assert json_out(capsys)["month"]["usd"] < ireland


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--region", "mars-north-1"], ExitCode.FAILED, "eu-west-1, us-east-1"),
        (["--env", "moon"], ExitCode.USAGE, "project.json has dev, prod"),
        (["--rows", "0"], ExitCode.USAGE, "from 1 on"),
        (["20261121-1a2b3c4d5e", "--rows", "10"], ExitCode.USAGE, "its own rows"),
    ],
)
def test_what_cannot_be_priced_is_refused_in_words(
    nowhere: None, arguments: list[str], code: ExitCode, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["cost", *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_number_of_rows_gets_its_shape_and_limits(
    nowhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["cost", "--rows", "1e9", "--json"]) == ExitCode.OK
    told = json_out(capsys)
    [training, batches] = told["parts"]
    assert training["broken_limits"][0]["what"].startswith("TrainModel")
    assert batches["runs"] > 1
    assert told["limits"]
    cli.run(["cost", "--rows", "1e9"])
    assert "too few" in capsys.readouterr().out


def events(start: Any, *stays: tuple[str, float]) -> list[dict[str, Any]]:
    """The history of an execution that went through these states, so many seconds in each."""
    found: list[dict[str, Any]] = [{"id": 1, "type": "ExecutionStarted", "timestamp": start}]
    now = start
    for name, seconds in stays:
        entered = {"type": "PassStateEntered", "stateEnteredEventDetails": {"name": name}, "timestamp": now}
        now += timedelta(seconds=seconds)
        exited = {"type": "PassStateExited", "stateExitedEventDetails": {"name": name}, "timestamp": now}
        for event in (entered, exited):
            found.append({"id": len(found) + 1, **event})
    return [*found, {"id": len(found) + 1, "type": "ExecutionSucceeded", "timestamp": now}]


@pytest.fixture
def there(aws: Target, states: Any, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    return aws


def test_a_finished_run_is_priced_by_the_time_it_took(
    there: Target, states: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = states.add("one", kind="batch_inference", output='{"decision": "published"}')
    start = states.executions[arn]["startDate"]
    states.looks = [events(start, ("InitRun", 1), ("PrepareData", 600), ("CreateTransformJob", 1800))]
    assert cli.run(["cost", "one", "--json"]) == ExitCode.OK
    told = json_out(capsys)
    assert told["transitions"] == 3
    quantities = {line["rate"]: line["quantity"] for line in told["lines"]}
    assert quantities["glue_dpu_hour"] == pytest.approx(2 * 600 / 3600, abs=1e-5)
    assert quantities["ml.m5.large"] == pytest.approx(0.5)


def test_a_run_that_step_functions_has_forgotten_is_priced_by_its_manifest(
    there: Target, states: Any, put_manifest: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from botocore.exceptions import ClientError

    def forgotten(_: str) -> Any:
        raise ClientError(
            {"Error": {"Code": "ExecutionDoesNotExist", "Message": "no"}}, "GetExecutionHistory"
        )

    times = {"PrepareData": 7200.0, "MetricCheck": 0.0}
    kept = [{"name": name, "seconds": seconds, "visits": 1} for name, seconds in times.items()]
    put_manifest(f"{RUN}0123456789", states=kept)
    states.get_paginator = lambda operation: (
        forgotten(operation) if operation == "get_execution_history" else FakeEmpty()
    )
    assert cli.run(["cost", f"{RUN}0123456789", "--json"]) == ExitCode.OK
    told = json_out(capsys)
    assert told["transitions"] == 2
    assert {line["rate"]: line["quantity"] for line in told["lines"]}["glue_dpu_hour"] == pytest.approx(4)


class FakeEmpty:
    def paginate(self, **_: Any) -> Any:
        yield {"executions": []}


def test_a_run_that_goes_on_has_no_price_yet(
    there: Target, states: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    states.add("one", "RUNNING")
    assert cli.run(["cost", "one"]) == ExitCode.FAILED
    assert "nobody knows yet what it costs" in capsys.readouterr().err
