"""EventBridge Scheduler on the local cloud: schedules fire, promptly, and failures are set aside."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import control, deliveries
from localcloud.deliveries import Undelivered
from localcloud.plugins.scheduler import Invocation, Timekeeper
from localcloud.settings import Settings

Aws = Callable[[str], Any]
Deploy = Callable[..., str]
Document = dict[str, Any]

DONE = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
ATTRIBUTES = ("scheduled-time", "execution-id", "schedule-arn", "attempt-number")


def soon() -> str:
    """An `at()` that is due within two seconds."""
    return f"at({datetime.now(UTC) + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S})"


def at_once() -> str:
    """An `at()` of this second: its minute is not over, so it is due."""
    return f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})"


def schedule(aws: Aws, target: Document, expression: str, **more: Any) -> str:
    name = f"schedule-{uuid.uuid4().hex[:8]}"
    aws("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
        **more,
    )
    return name


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 20
    while not (result := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)
    return result


def first_execution(aws: Aws, machine: str) -> Document:
    states = aws("stepfunctions")
    [found] = until(
        lambda: states.list_executions(stateMachineArn=machine)["executions"], "an execution starts"
    )
    described: Document = states.describe_execution(executionArn=found["executionArn"])
    return described


@pytest.fixture
def machine(deploy_machine: Deploy) -> str:
    return deploy_machine(DONE)


@pytest.fixture
def letters(aws: Aws) -> Callable[[], Document]:
    """Receives the next dead letter; `letters.arn` is the queue's ARN."""
    name = f"letters-{uuid.uuid4().hex[:8]}"
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]

    def receive() -> Document:
        [letter] = aws("sqs").receive_message(
            QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"]
        )["Messages"]
        attributes = {key: each["StringValue"] for key, each in letter["MessageAttributes"].items()}
        return {"body": letter["Body"], "attributes": attributes}

    receive.arn = f"arn:aws:sqs:eu-west-1:123456789012:{name}"  # type: ignore[attr-defined]
    return receive


def test_a_schedule_starts_its_machine_on_time_and_fills_in_its_attributes(
    aws: Aws, role: str, machine: str
) -> None:
    wanted = json.dumps({name: f"<aws.scheduler.{name}>" for name in ATTRIBUTES})
    expression = soon()
    name = schedule(aws, {"Arn": machine, "RoleArn": role, "Input": wanted}, expression)
    execution = first_execution(aws, machine)
    given = json.loads(execution["input"])
    assert given["scheduled-time"] == f"{expression[3:-1]}Z"
    assert given["schedule-arn"] == f"arn:aws:scheduler:eu-west-1:123456789012:schedule/default/{name}"
    assert given["attempt-number"] == "1"
    assert len(given["execution-id"]) == 16
    late = execution["startDate"] - datetime.fromisoformat(given["scheduled-time"])
    assert timedelta(0) <= late < timedelta(seconds=5)


def test_a_time_zone_decides_when_that_is(aws: Aws, role: str, machine: str) -> None:
    tokyo = datetime.now(UTC) + timedelta(hours=9, seconds=2)
    target = {"Arn": machine, "RoleArn": role, "Input": '{"at": "<aws.scheduler.scheduled-time>"}'}
    expression = f"at({tokyo:%Y-%m-%dT%H:%M:%S})"
    schedule(aws, target, expression, ScheduleExpressionTimezone="Asia/Tokyo")
    given = json.loads(first_execution(aws, machine)["input"])
    assert given["at"] == f"{tokyo - timedelta(hours=9):%Y-%m-%dT%H:%M:%SZ}"


def test_a_rate_begins_at_once(aws: Aws, role: str, machine: str) -> None:
    name = schedule(aws, {"Arn": machine, "RoleArn": role}, "rate(7 days)")
    notification = json.loads(first_execution(aws, machine)["input"])
    assert notification["source"] == "aws.scheduler"  # what AWS sends where a target names no input
    aws("scheduler").delete_schedule(Name=name)


def test_a_disabled_schedule_fires_once_it_is_enabled(aws: Aws, role: str, machine: str) -> None:
    target = {"Arn": machine, "RoleArn": role}
    name = schedule(aws, target, "at(2020-01-01T00:00:00)", State="DISABLED")
    aws("scheduler").update_schedule(
        Name=name, ScheduleExpression=at_once(), FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    assert first_execution(aws, machine)["status"] in ("RUNNING", "SUCCEEDED")


def test_a_schedule_that_is_done_can_delete_itself(aws: Aws, role: str, machine: str) -> None:
    target = {"Arn": machine, "RoleArn": role}
    name = schedule(aws, target, at_once(), ActionAfterCompletion="DELETE")
    first_execution(aws, machine)

    def gone() -> bool:
        try:
            aws("scheduler").get_schedule(Name=name)
        except ClientError as error:
            return error.response["Error"]["Code"] == "ResourceNotFoundException"
        return False

    until(gone, "the schedule is deleted")


def test_a_target_that_cannot_be_started_ends_in_the_queue(
    aws: Aws, role: str, machine: str, letters: Any
) -> None:
    target = {
        "Arn": f"{machine}-gone",
        "RoleArn": role,
        "Input": '{"scheduled_time": "<aws.scheduler.scheduled-time>"}',
        "DeadLetterConfig": {"Arn": letters.arn},
        "RetryPolicy": {"MaximumRetryAttempts": 3},
    }
    expression = at_once()
    name = schedule(aws, target, expression)
    letter = letters()
    scheduled = f"{expression[3:-1]}Z"
    assert json.loads(letter["body"]) == {"scheduled_time": scheduled}
    assert len(letter["attributes"].pop("EXECUTION_ID")) == 16
    assert letter["attributes"] == {
        "ERROR_CODE": "StateMachineDoesNotExist",
        "ERROR_MESSAGE": f"State machine {machine}-gone not found",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": scheduled,
        "SCHEDULE_ARN": f"arn:aws:scheduler:eu-west-1:123456789012:schedule/default/{name}",
        "TARGET_ARN": f"{machine}-gone",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ScheduleExpression": "cron(0 5 * * MON)"}, "Invalid Schedule Expression cron"),
        ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "Invalid Schedule Expression Timezone"),
        ({"Target": {"Input": "{not json"}}, "not valid JSON"),
        ({"Target": {"Arn": "arn:aws:ecs:eu-west-1:123456789012:cluster/c"}}, "targets of lambda, sns"),
    ],
)
def test_refuses_what_would_never_fire(
    aws: Aws, role: str, machine: str, change: Document, words: str
) -> None:
    request: Document = {
        "Name": "refused",
        "ScheduleExpression": "rate(7 days)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": machine, "RoleArn": role} | change.pop("Target", {}),
    }
    with pytest.raises(ClientError, match=words) as refused:
        aws("scheduler").create_schedule(**request | change)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[str], Aws]) -> Iterator[Aws]:
    home = tmp_path_factory.mktemp("enforcing")
    yield clients_of(control.start(home, port=0, enforce_iam=True).endpoint_url)
    control.stop(home)


class TestUnderEnforcedIam:
    """The schedule's role decides, and Scheduler must be allowed to take it."""

    @pytest.fixture
    def aws(self, enforcing: Aws) -> Aws:
        return enforcing

    @pytest.fixture
    def machine(self, aws: Aws) -> str:
        name = f"machine-{uuid.uuid4().hex[:8]}"
        role = self.role(aws, "states", [])
        made = aws("stepfunctions").create_state_machine(name=name, definition=DONE, roleArn=role)
        arn: str = made["stateMachineArn"]
        return arn

    def role(self, aws: Aws, trusted: str, allowed: list[str]) -> str:
        name = f"role-{uuid.uuid4().hex[:8]}"
        principal = {"Service": f"{trusted}.amazonaws.com"}
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        arn: str = aws("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )["Role"]["Arn"]
        if allowed:
            statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
            aws("iam").put_role_policy(
                RoleName=name, PolicyName="may", PolicyDocument=json.dumps({"Statement": [statement]})
            )
        return arn

    def test_a_role_that_may_start_the_machine_starts_it(self, aws: Aws, machine: str) -> None:
        role = self.role(aws, "scheduler", ["states:StartExecution"])
        schedule(aws, {"Arn": machine, "RoleArn": role}, at_once())
        first_execution(aws, machine)

    def test_a_role_that_may_not_ends_in_the_queue(self, aws: Aws, machine: str, letters: Any) -> None:
        role = self.role(aws, "scheduler", ["sqs:SendMessage"])
        target = {"Arn": machine, "RoleArn": role, "DeadLetterConfig": {"Arn": letters.arn}}
        schedule(aws, target, at_once())
        attributes = letters()["attributes"]
        assert attributes["ERROR_CODE"] == "AccessDeniedException"
        assert (
            f"is not authorized to perform: states:StartExecution on resource: {machine}"
            in (attributes["ERROR_MESSAGE"])
        )

    def test_a_role_that_scheduler_may_not_assume_is_refused(self, aws: Aws, machine: str) -> None:
        role = self.role(aws, "lambda", ["states:StartExecution"])
        with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
            schedule(aws, {"Arn": machine, "RoleArn": role}, "rate(7 days)")


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
KEY = ("123456789012", "eu-west-1", "default/one")


class TestTimekeeper:
    """Without threads: the clock stands where the test puts it."""

    @pytest.fixture(autouse=True)
    def build(self) -> None:
        self.now = NOON
        self.records: dict[tuple[str, str, str], Document] = {}
        self.fired: list[tuple[float, bool]] = []
        self.timekeeper = Timekeeper(
            lambda: self.records,
            lambda _key, _record, due, again: self.fired.append((due - NOON, again)),
            lambda: self.now,
        )

    def put(self, expression: str, changed: float = 0, **more: Any) -> None:
        self.records[KEY] = {
            "Arn": "arn",
            "ScheduleExpression": expression,
            "State": "ENABLED",
            "CreationDate": NOON + changed,
            "LastModificationDate": NOON + changed,
        } | more

    def at(self, seconds: float) -> float:
        self.now = NOON + seconds
        return self.timekeeper.fire_due()

    def test_sleeps_until_the_next_one_is_due_and_fires_it_once(self) -> None:
        self.put("at(2026-11-21T12:00:30)")
        assert self.at(0) == 30
        self.at(30)
        self.at(31)
        assert self.fired == [(30, False)]

    def test_an_at_in_the_minute_of_its_creation_is_not_too_late(self) -> None:
        self.put("at(2026-11-21T12:00:01)", changed=40)
        self.at(40)
        self.put("at(2026-11-21T12:00:01)", changed=70)
        self.at(70)
        assert self.fired == [(1, False)]

    def test_a_schedule_that_was_changed_keeps_to_its_new_time(self) -> None:
        self.put("at(2026-11-21T12:00:10)")
        self.at(0)
        self.put("cron(5 * * * ? *)", changed=5)
        self.at(10)
        self.at(300)
        assert self.fired == [(300, True)]

    def test_neither_a_deleted_nor_a_disabled_schedule_fires(self) -> None:
        self.put("at(2026-11-21T12:00:10)")
        self.at(0)
        self.put("at(2026-11-21T12:00:10)", State="DISABLED")
        self.at(10)
        self.records.clear()
        assert self.at(3600) >= 60
        assert self.fired == []

    def test_what_was_missed_while_the_computer_slept_fires_once_and_late(self) -> None:
        self.put("cron(*/5 * * * ? *)")
        self.at(0)
        self.at(3601)
        self.at(3602)
        assert self.fired == [(300, True)]

    def test_what_fell_due_while_no_cloud_ran_is_not_made_up_for(self) -> None:
        self.put("at(2026-11-21T11:59:59)", changed=-30)
        self.at(0)
        self.put("rate(1 hour)", changed=-3600 * 24)
        self.at(0)
        assert self.fired == []

    def test_a_schedule_of_an_older_cloud_that_makes_no_sense_does_not_stop_the_others(self) -> None:
        self.put("now and then")
        self.records[("1", "r", "default/two")] = dict(
            self.records[KEY], ScheduleExpression="at(2026-11-21T12:00:10)"
        )
        self.at(10)
        assert self.fired == [(10, False)]


class TestInvocation:
    """What is repeated, how often, and what the dead letter then says."""

    @pytest.fixture(autouse=True)
    def build(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.outcomes: list[Undelivered | None] = []
        self.attempts: list[str] = []
        self.letters: list[tuple[str, Document]] = []
        self.pauses: list[float] = []
        self.going_down = False
        here = Settings(home=tmp_path, port=0, wait_scale=0.001)
        monkeypatch.setattr(deliveries, "settings", lambda: here)
        monkeypatch.setattr(deliveries, "deliver", self.deliver)
        monkeypatch.setattr(
            deliveries, "set_aside", lambda _t, body, attributes, _c: self.letters.append((body, attributes))
        )

    def deliver(self, _target: Document, payload: str, _caller: object) -> None:
        self.attempts.append(payload)
        outcome = self.outcomes.pop(0)
        if outcome:
            raise outcome

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return self.going_down

    def run(self, outcomes: list[Undelivered | None], **policy: int) -> Document | None:
        self.outcomes = outcomes
        target = {"Arn": "arn:t", "RoleArn": "arn:r", "Input": "<aws.scheduler.attempt-number>"}
        record = {"Arn": "arn:s", "Target": target | ({"RetryPolicy": policy} if policy else {})}
        Invocation(record, NOON, self.pause).run()
        return self.letters[0][1] if self.letters else None

    def test_what_may_pass_is_repeated_and_each_attempt_has_its_number(self) -> None:
        assert self.run([throttled(), throttled(), None]) is None
        assert self.attempts == ["1", "2", "3"]
        assert self.pauses == [0.001, 0.002]

    def test_the_letter_says_that_the_attempts_were_used_up(self) -> None:
        letter = self.run([throttled()] * 3, MaximumRetryAttempts=2)
        assert letter is not None
        assert (letter["RETRY_ATTEMPTS"], letter["EXHAUSTED_RETRY_CONDITION"]) == (
            "2",
            "MaximumRetryAttempts",
        )
        assert self.letters[0][0] == "3"

    def test_the_letter_says_that_the_time_was_used_up(self) -> None:
        letter = self.run([throttled()] * 9, MaximumEventAgeInSeconds=60)
        assert letter is not None
        assert letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
        assert letter["RETRY_ATTEMPTS"] == "5"  # 1 + 2 + 4 + 8 + 16 seconds, and 32 more would be too many

    def test_by_default_it_goes_on_for_a_day_as_on_aws(self) -> None:
        letter = self.run([throttled()] * 500)
        assert letter is not None
        assert 180 <= int(letter["RETRY_ATTEMPTS"]) <= 185
        assert sum(self.pauses) <= 86.4

    def test_what_cannot_pass_is_not_repeated(self) -> None:
        letter = self.run([Undelivered("NO_RESOURCE", "StateMachineDoesNotExist", "gone")])
        assert letter is not None
        assert (letter["RETRY_ATTEMPTS"], letter["ERROR_CODE"]) == ("0", "StateMachineDoesNotExist")
        assert "EXHAUSTED_RETRY_CONDITION" not in letter

    def test_a_cloud_that_goes_down_sets_aside_what_it_cannot_repeat(self) -> None:
        self.going_down = True
        assert self.run([throttled()] * 9) is not None
        assert self.attempts == ["1"]


def throttled() -> Undelivered:
    return Undelivered("THROTTLING", "ThrottlingException", "Rate exceeded", transient=True)
