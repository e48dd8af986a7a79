"""Every alarm is provoked, turns red, tells people once where it should, and is green afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops import monitoring
from ops.alerts import read_alerts
from ops.drills import catalogue, endpoint
from ops.drills.drill import Drilled, drill, set_state
from ops.errors import DrillImpossible, UsageError
from ops.names import Names
from ops.stack.alarm_files import THING, alarms
from ops.stack.base import Stack
from ops.target import LOCAL_CREDENTIALS, Choice, Target, open_target

pytestmark = pytest.mark.xdist_group("drills")

TITANIC = str(Path(sys.executable).parent / "titanic")
DESCRIBED = alarms(Stack(boto3.session.Session(region_name="eu-west-1"), Names("dev", "123456789012")))
RULES = [alarm.settings["rule"].replace(THING, alarm.value) for alarm in DESCRIBED if alarm.is_composite]
DRILLED = sorted(
    alarm.name for alarm in DESCRIBED if not any(f'"{alarm.deployed_name}"' in rule for rule in RULES)
)


@pytest.fixture(scope="module")
def target(drilled_project: Any) -> Target:
    return open_target(Choice(drilled_project.stack.endpoint_url, credentials=LOCAL_CREDENTIALS), "dev")


def rehearse(target: Target, name: str) -> Drilled:
    return drill(target, catalogue.find_watch(target, name), lambda _step: None)


def inventory(target: Target) -> dict[str, Any]:
    """What a drill changes and must put back."""
    states, names = target.client("stepfunctions"), target.names
    machines = [each["stateMachineArn"] for each in states.list_state_machines()["stateMachines"]]
    url = target.client("sqs").get_queue_url(QueueName=names["dead_letter_queue"])["QueueUrl"]
    waiting = target.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    schedules = target.client("scheduler").list_schedules(GroupName=names["schedule_group"])["Schedules"]
    sagemaker, watches = target.client("sagemaker"), catalogue.list_watches(target)
    pages = target.client("s3").get_paginator("list_objects_v2")
    kept = pages.paginate(Bucket=names["data_bucket"], Prefix="monitoring/")
    return {
        "monitoring": [item["Key"] for page in kept for item in page.get("Contents", [])],
        "definitions": {
            arn: states.describe_state_machine(stateMachineArn=arn)["definition"] for arn in machines
        },
        "letters": waiting["ApproximateNumberOfMessages"],
        "schedules": [schedule["Name"] for schedule in schedules],
        "endpoints": [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]],
        "configs": [
            each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ],
        "actions": {watch.alarm.name: watch.deployed["ActionsEnabled"] for watch in watches},
        "red": [watch.alarm.name for watch in watches if watch.state == "ALARM"],
    }


@pytest.mark.parametrize("name", DRILLED)
def test_what_an_alarm_watches_turns_it_red_and_is_told_once(target: Target, name: str) -> None:
    before, told_before = inventory(target), {alert.message_id for alert in read_alerts(target)}
    drilled = rehearse(target, name)
    assert drilled.reason
    told = [alert for alert in read_alerts(target) if alert.message_id not in told_before]
    of_the_alarm = [alert for alert in told if alert.subject == f"ALARM: {drilled.watch.alarm.deployed_name}"]
    assert len(of_the_alarm) == drilled.watch.alarm.tells_people
    assert drilled.alert is None or told.count(drilled.alert) == 1
    assert inventory(target) == before
    assert before["red"] == []


def test_requests_like_the_training_table_are_no_violation(target: Target, drilled_project: Any) -> None:
    table = drilled_project.read("curated/train.csv").decode().splitlines()
    rows = "".join(f"{row.split(',', 2)[2]}\n" for row in table[1:])
    name = target.names.endpoint("prod")
    with endpoint.borrowed(target, name, capture=True):
        endpoint.ask_and_capture(target, name, rows.encode(), "ordinary")
        started = monitoring.monitor_now(target)
    [report] = monitoring.latest_reports(target, 1)
    assert report.uri == started["report_uri"]
    assert report.rows == len(table) - 1
    assert report.violations == ()
    endpoint.forget_captured(target, name, "ordinary")


def test_a_failure_that_its_run_tells_of_is_one_message(target: Target) -> None:
    told_before = {alert.message_id for alert in read_alerts(target)}
    rehearse(target, "training-failed")
    assert len([a for a in read_alerts(target) if a.message_id not in told_before]) == 1


def test_an_alert_says_what_to_do(target: Target) -> None:
    alert = rehearse(target, "dead-letters-not-empty").alert
    assert alert is not None
    assert "Next: titanic alerts\nRunbook: docs/runbooks/dead-letters.md" in alert.text


def test_a_state_may_be_set_without_breaking_anything(target: Target) -> None:
    watch = catalogue.find_watch(target, "prod-errors")
    drilled = set_state(target, watch, lambda _step: None)
    assert drilled.alert is not None
    assert "A drill of arn:aws:iam" in drilled.alert.text
    assert catalogue.find_watch(target, "prod-errors").state == "OK"


def test_an_alarm_that_is_red_for_a_reason_is_left_alone(target: Target, drilled_project: Any) -> None:
    drilled_project.result(drilled_project.start({"no_such_key": 1}))
    with pytest.raises(DrillImpossible, match="red already"):
        rehearse(target, "training-failed")


def test_parts_and_strangers_are_refused(target: Target) -> None:
    with pytest.raises(UsageError, match="part of training-overdue"):
        catalogue.find_watch(target, "training-started")
    with pytest.raises(UsageError, match="no alarm 'nonsense'"):
        catalogue.find_watch(target, "nonsense")


def test_the_command_lists_alarms_and_drills_one(drilled_project: Any) -> None:
    def titanic(*words: str) -> Any:
        environment = {"AWS_ENDPOINT_URL": drilled_project.stack.endpoint_url, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [TITANIC, *words, "--json"], env=environment, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    listed = titanic("drill", "--list")
    assert [each["alarm"] for each in listed] == DRILLED
    assert all(each["drill"] for each in listed)
    drilled = titanic("drill", "promotion-failed")
    assert drilled["alert"]["subject"] == "[dev] Promotion failed at InitRun: InvalidInput"
