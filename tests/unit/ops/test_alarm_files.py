"""What the alarms' files say: whole, in words for people, and one message for one failure."""

from __future__ import annotations

import boto3
import pytest

from ops.drills.catalogue import Watch
from ops.drills.provoke import describe, way_of
from ops.names import ROOT, Names
from ops.stack.alarm_files import THING, Alarm, alarms
from ops.stack.alarms import tells_at_first
from ops.stack.base import Stack

STACK = Stack(boto3.session.Session(region_name="eu-west-1"), Names("dev", "123456789012"))
ALARMS = alarms(STACK)
RULES = [alarm.settings["rule"].replace(THING, alarm.value) for alarm in ALARMS if alarm.is_composite]
LONGEST_DESCRIPTION = 1024

each_alarm = pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)


def is_part(alarm: Alarm) -> bool:
    return any(f'"{alarm.deployed_name}"' in rule for rule in RULES)


@each_alarm
def test_an_alarm_that_tells_people_says_what_to_do(alarm: Alarm) -> None:
    assert len(alarm.description) <= LONGEST_DESCRIPTION
    if alarm.tells_people:
        assert "\nNext: " in alarm.description
        assert "\nRunbook: docs/runbooks/" in alarm.description


@each_alarm
def test_a_part_of_another_alarm_tells_nobody_by_itself(alarm: Alarm) -> None:
    if is_part(alarm):
        assert not alarm.tells_people
        assert "of the alarm '" in alarm.settings["description"]


@each_alarm
def test_an_alarm_that_stands_for_itself_can_be_drilled(alarm: Alarm) -> None:
    if not is_part(alarm):
        assert describe(way_of(Watch(alarm, {})))


@each_alarm
def test_cloudwatch_can_look_back_as_far(alarm: Alarm) -> None:
    """At most a day, and a week for periods of an hour and more."""
    if not alarm.is_composite:
        period = alarm.settings["period_seconds"]
        assert period * alarm.periods <= (7 * 86400 if period >= 3600 else 86400)


def test_names_are_each_ones_own() -> None:
    names = [alarm.deployed_name for alarm in ALARMS]
    assert len(set(names)) == len(names)


def test_every_machine_and_every_function_is_watched() -> None:
    things = {kind: {alarm.thing for alarm in ALARMS if alarm.kind == kind} for kind in ("state_machine",)}
    assert things["state_machine"] == set(STACK.machines)
    watched = {alarm.thing for alarm in ALARMS if alarm.kind in ("machine_function", "lone_function")}
    assert watched == set(STACK.functions["functions"])


def test_a_rule_names_alarms_that_there_are() -> None:
    names = {alarm.deployed_name for alarm in ALARMS}
    quoted = {word for rule in RULES for word in rule.split('"')[1::2]}
    assert quoted <= names


def test_what_is_overdue_is_told_while_its_schedule_is_on() -> None:
    told = {alarm.name: tells_at_first(STACK, alarm) for alarm in ALARMS if alarm.is_composite}
    assert told["training-overdue"]
    assert not told["batch-inference-overdue"]
    assert told["prod-slow"]


def test_functions_that_no_run_speaks_for_speak_for_themselves() -> None:
    errors = {alarm.thing: alarm.tells_people for alarm in ALARMS if alarm.name.endswith("-errors")}
    assert errors["record_stopped_run"]
    assert errors["start_monitoring"]
    assert not errors["init_run"]


def test_the_steps_that_are_watched_are_the_pipelines() -> None:
    definition = (ROOT / "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl").read_text()
    for alarm in ALARMS:
        if alarm.kind == "pipeline_step":
            assert f'"Name": "{alarm.value}"' in definition
