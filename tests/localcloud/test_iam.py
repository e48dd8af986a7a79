"""What is judged under enforced IAM beyond what MiniStack judges, and what is kept of it."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import control
from localcloud.judgements import Judgement, read_judgements

pytestmark = pytest.mark.xdist_group("localcloud-iam")

Clients = Callable[[str], Any]
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{}"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Cloud]:
    home = tmp_path_factory.mktemp("strict-iam")
    yield control.start(home, port=0, enforce_iam=True)
    control.stop(home)


@pytest.fixture(scope="module")
def root(strict: control.Cloud, clients_of: Callable[[str], Clients]) -> Clients:
    return clients_of(strict.endpoint_url)


def make_role(root: Clients, *statements: dict[str, Any]) -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = root("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    root("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    return arn


def as_role(strict: control.Cloud, root: Clients, role: str) -> Clients:
    keys = root("sts").assume_role(RoleArn=role, RoleSessionName="someone")["Credentials"]
    session = boto3.session.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="eu-west-1"
    )
    return lambda service: session.client(service, endpoint_url=strict.endpoint_url)


def allow(sid: str, action: str, *resources: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": list(resources)}


def judged(strict: control.Cloud, role: str) -> list[Judgement]:
    return [one for one in read_judgements(strict.home) if one.role == role.rpartition("/")[2]]


def test_a_call_is_kept_with_the_statement_that_decided(strict: control.Cloud, root: Clients) -> None:
    role = make_role(root, allow("FindQueues", "sqs:ListQueues", "*"), allow("Other", "sqs:SendMessage", "*"))
    aws = as_role(strict, root, role)
    aws("sqs").list_queues()
    with pytest.raises(ClientError, match="AccessDenied"):
        aws("sqs").create_queue(QueueName="mine")
    kept = [(one.action, one.statement, one.allowed) for one in judged(strict, role)]
    assert kept == [("sqs:ListQueues", "FindQueues", True), ("sqs:CreateQueue", "", False)]


def test_an_explicit_denial_is_kept_with_its_statement(strict: control.Cloud, root: Clients) -> None:
    denial = {**allow("NeverFind", "sqs:ListQueues", "*"), "Effect": "Deny"}
    role = make_role(root, allow("FindQueues", "sqs:ListQueues", "*"), denial)
    with pytest.raises(ClientError, match="AccessDenied"):
        as_role(strict, root, role)("sqs").list_queues()
    [kept] = judged(strict, role)
    assert (kept.statement, kept.allowed) == ("NeverFind", False)


def test_who_may_do_everything_is_not_judged(strict: control.Cloud, root: Clients) -> None:
    before = len(list(read_judgements(strict.home)))
    root("sqs").list_queues()
    assert len(list(read_judgements(strict.home))) == before


@pytest.mark.parametrize("allowed", [("one",), ("one", "two"), ("*",)])
def test_alarms_are_judged_by_name(strict: control.Cloud, root: Clients, allowed: tuple[str, ...]) -> None:
    role = make_role(root, allow("Watch", "cloudwatch:DescribeAlarms", *map(ALARM.format, allowed)))
    cloudwatch = as_role(strict, root, role)("cloudwatch")
    cloudwatch.describe_alarms(AlarmNames=["one"])
    for names, needed in ((["one", "two"], "two"), ([], "*")):
        if needed in allowed or "*" in allowed:
            cloudwatch.describe_alarms(AlarmNames=names)
            continue
        with pytest.raises(ClientError, match="AccessDenied"):
            cloudwatch.describe_alarms(AlarmNames=names)


def test_alarms_are_judged_by_name_in_the_query_protocol(strict: control.Cloud, root: Clients) -> None:
    """Which Terraform and older clients speak."""
    from ministack.core.iam_actions import extract_resource_arn

    from localcloud.plugins import iam

    extract = iam.extract_resource_arn(extract_resource_arn)
    query = {"Action": ["DescribeAlarms"], "AlarmNames.member.1": ["a"], "AlarmNames.member.2": ["b"]}
    found: Any = extract("monitoring", "POST", "/", {}, b"", query, "eu-west-1", "123456789012")
    assert found.arns == (ALARM.format("a"), ALARM.format("b"))


def make_scheduler_role(root: Clients, account: str) -> str:
    """A role that EventBridge Scheduler may assume for the account."""
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    name = f"role-{uuid.uuid4().hex[:8]}"
    arn: str = root("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def make_schedule(root: Clients, role: str, group: str) -> None:
    root("scheduler").create_schedule(
        Name="nightly",
        GroupName=group,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:sqs:eu-west-1:123456789012:any", "RoleArn": role},
    )


def test_a_schedule_is_judged_in_its_group(strict: control.Cloud, root: Clients) -> None:
    target_role = make_scheduler_role(root, "123456789012")
    root("scheduler").create_schedule_group(Name="ours")
    for group in ("default", "ours"):
        make_schedule(root, target_role, group)
    ours = allow("See", "scheduler:GetSchedule", "arn:aws:scheduler:eu-west-1:123456789012:schedule/ours/*")
    scheduler = as_role(strict, root, make_role(root, ours))("scheduler")
    assert scheduler.get_schedule(Name="nightly", GroupName="ours")["GroupName"] == "ours"
    with pytest.raises(ClientError, match="AccessDenied"):
        scheduler.get_schedule(Name="nightly")


def test_a_service_assumes_no_role_that_is_there_for_another_account(root: Clients) -> None:
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        make_schedule(root, make_scheduler_role(root, "999999999999"), "default")


def test_a_batch_is_judged_as_what_it_does_many_times(strict: control.Cloud, root: Clients) -> None:
    """IAM knows no action `sqs:SendMessageBatch`."""
    url = root("sqs").create_queue(QueueName="batches")["QueueUrl"]
    role = make_role(root, allow("Send", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:batches"))
    entries = [{"Id": "1", "MessageBody": "one"}]
    sent = as_role(strict, root, role)("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    assert len(sent["Successful"]) == 1
    assert {one.action for one in judged(strict, role)} == {"sqs:SendMessage"}


LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def log_lines(root: Clients, group: str) -> list[str]:
    logs = root("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return []
    return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]


@pytest.mark.parametrize("may_write", [True, False])
def test_a_function_logs_what_its_role_may_write(
    strict: control.Cloud, root: Clients, may_write: bool
) -> None:
    name = f"function-{uuid.uuid4().hex[:8]}"
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{name}:*"
    statements = [allow(action.partition(":")[2], action, arn) for action in LOGS[1:]]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("function.py", "def handler(event, context):\n    print('heard')\n")
    root("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="function.handler",
        Role=make_role(root, *(statements if may_write else statements[:1])),
        Code={"ZipFile": code.getvalue()},
    )
    assert "FunctionError" not in root("lambda").invoke(FunctionName=name)
    assert ("heard" in log_lines(root, f"/aws/lambda/{name}")) is may_write


@pytest.mark.parametrize("may_write", [True, False])
def test_a_job_logs_what_its_role_may_write(strict: control.Cloud, root: Clients, may_write: bool) -> None:
    name = f"job-{uuid.uuid4().hex[:8]}"
    location = {"LocationConstraint": "eu-west-1"}
    root("s3").create_bucket(Bucket=name, CreateBucketConfiguration=location)
    root("s3").put_object(Bucket=name, Key="script.py", Body=f"print('heard {name}')".encode())
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws-glue/*"
    writing = [allow(action.partition(":")[2], action, group) for action in LOGS]
    reading = allow("Read", "s3:GetObject", f"arn:aws:s3:::{name}/*")
    role = make_role(root, reading, *(writing if may_write else writing[:2]))
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{name}/script.py"}
    root("glue").create_job(Name=name, Role=role, Command=command)
    run = root("glue").start_job_run(JobName=name)["JobRunId"]
    assert ended(root, name, run)["JobRunState"] == "SUCCEEDED"
    assert (f"heard {name}" in log_lines(root, "/aws-glue/jobs/output")) is may_write


def ended(root: Clients, job: str, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        run: dict[str, Any] = root("glue").get_job_run(JobName=job, RunId=run_id)["JobRun"]
        if run["JobRunState"] not in ("STARTING", "RUNNING"):
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.02)
