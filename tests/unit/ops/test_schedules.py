from __future__ import annotations

import json
from typing import Any

import pytest

from ops import cli, schedules, target
from ops.errors import ExitCode
from ops.stack.base import Stack
from ops.stack.schedules import put_schedules
from ops.target import Target


@pytest.fixture
def there(aws: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The project's schedules, and one of somebody else's."""
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    aws.client("scheduler").create_schedule(
        Name="somebody-elses",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:lambda:eu-west-1:123456789012:function:x",
            "RoleArn": "arn:aws:iam::1:role/x",
        },
    )
    put_schedules(Stack(aws.session, aws.names))
    return aws


def json_out(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_lists_the_projects_schedules(there: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schedule", "--json"]) == ExitCode.OK

    listed = {each["name"]: each for each in json_out(capsys)}
    assert set(listed) == {
        "daily-batch-inference",
        "daily-monitoring",
        "nightly-staging-shutdown",
        "weekly-training",
    }
    assert listed["nightly-staging-shutdown"]["starts"] == "titanic-sagemaker-dev-stop-staging"
    assert listed["weekly-training"]["state"] == "ENABLED"
    assert listed["weekly-training"]["timezone"] == "Europe/Madrid"
    assert listed["weekly-training"]["starts"] == "titanic-sagemaker-dev-training"
    assert listed["daily-batch-inference"]["state"] == "DISABLED"


def test_people_are_told_of_what_is_overdue_while_its_schedule_is_on(there: Target) -> None:
    schedule = schedules.find_schedule(there, "weekly-training")
    assert schedule.overdue_alarm == "titanic-sagemaker-dev-training-overdue"
    assert schedules.find_schedule(there, "daily-monitoring").overdue_alarm is None


def test_lists_them_for_people(there: Target, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["schedule"])

    assert "weekly-training" in capsys.readouterr().out


def test_says_when_nothing_is_scheduled(
    aws: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(target, "connect", lambda *_: aws)

    assert cli.run(["schedule"]) == ExitCode.OK
    assert "Nothing is scheduled" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["daily-batch-inference", "titanic-sagemaker-dev-daily-batch-inference"])
def test_enables_a_schedule_and_changes_nothing_else(
    there: Target, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {
        "Name": "titanic-sagemaker-dev-daily-batch-inference",
        "GroupName": there.names["schedule_group"],
    }
    before = there.client("scheduler").get_schedule(**known)

    assert cli.run(["schedule", "enable", name]) == ExitCode.OK
    assert "is now ENABLED" in capsys.readouterr().out

    after = there.client("scheduler").get_schedule(**known)
    changed = {key for key in before if before[key] != after[key]}
    assert changed <= {"State", "LastModificationDate", "ResponseMetadata"}
    assert after["State"] == "ENABLED"


def test_disables_a_schedule_once(there: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schedule", "disable", "weekly-training", "--json"]) == ExitCode.OK
    assert json_out(capsys)["changed"] is True

    assert cli.run(["schedule", "disable", "weekly-training", "--json"]) == ExitCode.OK
    assert json_out(capsys)["changed"] is False

    cli.run(["schedule", "disable", "weekly-training"])
    assert "already DISABLED" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["weekly", "somebody-elses", ""])
def test_an_unknown_schedule_is_an_error_that_names_those_there_are(
    there: Target, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["schedule", "enable", name]) == ExitCode.FAILED

    said = capsys.readouterr().err
    assert "daily-batch-inference, daily-monitoring, nightly-staging-shutdown, weekly-training" in said


def test_what_is_sent_back_is_what_an_update_takes(there: Target) -> None:
    found = schedules.find_schedule(there, "weekly-training")
    deployed = there.client("scheduler").get_schedule(
        Name=found.deployed_name, GroupName=there.names["schedule_group"]
    )

    sent = schedules._settable(there, deployed)

    assert {"Arn", "CreationDate", "ResponseMetadata"}.isdisjoint(sent)
    assert sent["Target"] == deployed["Target"]
