"""Under enforced IAM a state machine does what its role allows, and fails as on AWS where it does not."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import control
from localcloud.plugins.step_functions_access import MANAGED_RULES, function_arn, queue_arn

Document = dict[str, Any]
Clients = Callable[[str], Any]
Finish = Callable[..., Document]

PLACE = "eu-west-1:123456789012"
TOPIC = f"arn:aws:sns:{PLACE}:told"
QUEUE = f"arn:aws:sqs:{PLACE}:sent"
FUNCTION = f"arn:aws:lambda:{PLACE}:function:asked"
JOB = f"arn:aws:glue:{PLACE}:job/run"
CHILD = f"arn:aws:states:{PLACE}:stateMachine:child"
RULE = f"arn:aws:events:{PLACE}:rule/StepFunctionsGetEventsForSageMakerTransformJobsRule"


def allow(action: str | list[str], resource: str) -> Document:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


class Machines:
    """State machines of one task, each under a role of its own."""

    def __init__(self, aws: Clients, finish: Finish) -> None:
        self.aws, self._finish = aws, finish

    def role(self, *statements: Document, service: str = "states") -> str:
        iam, name = self.aws("iam"), f"role-{uuid.uuid4().hex[:8]}"
        principal = {"Service": f"{service}.amazonaws.com"}
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
        return arn

    def deploy(self, resource: str, parameters: Document, *statements: Document, **task: Any) -> str:
        work = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **task}
        caught = {"Type": "Pass", "Result": "caught", "End": True}
        definition = {"StartAt": "Work", "States": {"Work": work, "Caught": caught}}
        arn: str = self.aws("stepfunctions").create_state_machine(
            name=f"machine-{uuid.uuid4().hex[:8]}",
            definition=json.dumps(definition),
            roleArn=self.role(*statements),
        )["stateMachineArn"]
        return arn

    def run(self, resource: str, parameters: Document, *statements: Document, **task: Any) -> Document:
        machine = self.deploy(resource, parameters, *statements, **task)
        started = self.aws("stepfunctions").start_execution(stateMachineArn=machine)
        return self._finish(self.aws("stepfunctions"), started["executionArn"])


@pytest.fixture(scope="module")
def machines(
    tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[str], Clients], finish: Finish
) -> Iterator[Machines]:
    home = tmp_path_factory.mktemp("strict")
    cloud = control.start(home, port=0, enforce_iam=True)
    machines = Machines(clients_of(cloud.endpoint_url), finish)
    _make_what_is_used(machines)
    yield machines
    control.stop(home)


def _make_what_is_used(machines: Machines) -> None:
    aws = machines.aws
    aws("sns").create_topic(Name="told")
    aws("sqs").create_queue(QueueName="sent")
    location = {"LocationConstraint": "eu-west-1"}
    aws("s3").create_bucket(Bucket="kept", CreateBucketConfiguration=location)
    aws("s3").put_object(Bucket="kept", Key="some/thing", Body=b"print('done')")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as members:
        members.writestr("app.py", "def handler(event, context):\n    return {'asked': True}\n")
    aws("lambda").create_function(
        FunctionName="asked",
        Runtime="python3.13",
        Role=machines.role(),
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
    )
    script = {"Name": "glueetl", "ScriptLocation": "s3://kept/some/thing"}
    reader = machines.role(allow(["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::kept*"))
    aws("glue").create_job(Name="run", Role=reader, Command=script, GlueVersion="5.0")
    child = {"StartAt": "Nothing", "States": {"Nothing": {"Type": "Pass", "End": True}}}
    aws("stepfunctions").create_state_machine(
        name="child", definition=json.dumps(child), roleArn=machines.role()
    )


def queue_url(machines: Machines) -> str:
    url: str = machines.aws("sqs").get_queue_url(QueueName="sent")["QueueUrl"]
    return url


OPTIMISED = "arn:aws:states:::"
CALLS = {
    "lambda:invoke": (
        {"FunctionName": FUNCTION, "Payload": {}},
        allow("lambda:InvokeFunction", FUNCTION),
        "Lambda.AWSLambdaException",
        "(Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; Request ID: ",
    ),
    "sns:publish": (
        {"TopicArn": TOPIC, "Message": "all is well"},
        allow("sns:Publish", TOPIC),
        "SNS.AuthorizationErrorException",
        "(Service: AmazonSNS; Status Code: 403; Error Code: AuthorizationError; Request ID: ",
    ),
    "sqs:sendMessage": (
        {"QueueUrl": "the queue's", "MessageBody": "all is well"},
        allow("sqs:SendMessage", QUEUE),
        "SQS.AmazonSQSException",
        "(Service: AmazonSQS; Status Code: 403; Error Code: AccessDenied; Request ID: ",
    ),
    "glue:startJobRun": (
        {"JobName": "run"},
        allow("glue:StartJobRun", JOB),
        "Glue.AccessDeniedException",
        "(Service: AWSGlue; Status Code: 400; Error Code: AccessDeniedException; Request ID: ",
    ),
    "states:startExecution": (
        {"StateMachineArn": CHILD, "Input": {}},
        allow("states:StartExecution", CHILD),
        "StepFunctions.AWSStepFunctionsException",
        "(Service: AWSStepFunctions; Status Code: 400; Error Code: AccessDeniedException; Request ID: ",
    ),
    "aws-sdk:sns:publish": (
        {"TopicArn": TOPIC, "Message": "all is well"},
        allow("sns:Publish", TOPIC),
        "Sns.AuthorizationErrorException",
        "(Service: Sns, Status Code: 403, Request ID: ",
    ),
    "aws-sdk:glue:getJob": (
        {"JobName": "run"},
        allow("glue:GetJob", JOB),
        "Glue.AccessDeniedException",
        "(Service: Glue, Status Code: 403, Request ID: ",
    ),
    "aws-sdk:s3:listObjectsV2": (
        {"Bucket": "kept"},
        allow("s3:ListBucket", "arn:aws:s3:::kept"),
        "S3.S3Exception",
        "(Service: S3, Status Code: 403, Request ID: ",
    ),
    "aws-sdk:sagemaker:listModels": (
        {},
        allow("sagemaker:ListModels", "*"),
        "SageMaker.SageMakerException",
        "",
    ),
}
each_call = pytest.mark.parametrize("call", CALLS)


def asked(machines: Machines, call: str) -> tuple[str, Document]:
    """The task's resource and its parameters."""
    parameters = dict(CALLS[call][0])
    if "QueueUrl" in parameters:
        parameters["QueueUrl"] = queue_url(machines)
    return OPTIMISED + call, parameters


@each_call
def test_a_call_that_the_role_allows_is_made(machines: Machines, call: str) -> None:
    ended = machines.run(*asked(machines, call), CALLS[call][1])
    assert ended["status"] == "SUCCEEDED", ended


@each_call
def test_a_call_that_the_role_does_not_allow_fails_as_on_aws(machines: Machines, call: str) -> None:
    _parameters, statement, error, suffix = CALLS[call]
    ended = machines.run(*asked(machines, call))
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    action = statement["Action"]
    assert f"is not authorized to perform: {action} on resource: " in ended["cause"]
    assert f"because no identity-based policy allows the {action} action" in ended["cause"]
    assert suffix in ended["cause"]


@each_call
def test_what_is_allowed_elsewhere_is_not_allowed_here(machines: Machines, call: str) -> None:
    statement = CALLS[call][1]
    elsewhere = statement | {"Resource": f"{statement['Resource']}-of-others"}
    assert machines.run(*asked(machines, call), elsewhere)["error"] == CALLS[call][2]


def test_a_denial_reaches_the_catch_of_its_task(machines: Machines) -> None:
    catch = [{"ErrorEquals": ["SNS.AuthorizationErrorException"], "ResultPath": "$.error", "Next": "Caught"}]
    ended = machines.run(*asked(machines, "sns:publish"), Catch=catch)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", "caught")


def test_a_denial_is_a_task_that_failed(machines: Machines) -> None:
    catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]
    assert machines.run(*asked(machines, "lambda:invoke"), Catch=catch)["status"] == "SUCCEEDED"


def test_a_function_that_is_the_resource_itself_is_judged_too(machines: Machines) -> None:
    assert machines.run(FUNCTION, {})["error"] == "Lambda.AWSLambdaException"
    assert machines.run(FUNCTION, {}, allow("lambda:InvokeFunction", FUNCTION))["status"] == "SUCCEEDED"


@pytest.mark.parametrize("call", ["lambda:invoke", "sns:publish", "sqs:sendMessage"])
def test_nobody_waits_for_an_answer_to_what_was_never_sent(machines: Machines, call: str) -> None:
    resource, parameters = asked(machines, call)
    ended = machines.run(f"{resource}.waitForTaskToken", parameters, TimeoutSeconds=60)
    assert ended["error"] == CALLS[call][2]


def test_a_job_that_may_not_be_looked_at_fails_its_task(machines: Machines) -> None:
    start = allow("glue:StartJobRun", JOB)
    _let_all_runs_end(machines)
    denied = machines.run(f"{OPTIMISED}glue:startJobRun.sync", {"JobName": "run"}, start)
    assert denied["error"] == "Glue.AccessDeniedException"
    assert "glue:GetJobRun " in denied["cause"]


def test_a_job_that_is_waited_for_needs_two_permissions(machines: Machines) -> None:
    both = allow(["glue:StartJobRun", "glue:GetJobRun"], JOB)
    _let_all_runs_end(machines)
    ended = machines.run(f"{OPTIMISED}glue:startJobRun.sync", {"JobName": "run"}, both)
    assert ended["status"] == "SUCCEEDED", ended


def test_an_integration_that_nobody_judges_is_refused(machines: Machines) -> None:
    ended = machines.run(f"{OPTIMISED}dynamodb:getItem", {}, allow("dynamodb:*", "*"))
    assert ended["error"] == "States.Runtime"
    assert "use the aws-sdk form of it" in ended["cause"]


def test_a_role_that_may_not_make_rules_gets_no_machine_that_waits_for_sagemaker(machines: Machines) -> None:
    resource = f"{OPTIMISED}sagemaker:createTransformJob.sync"
    with pytest.raises(ClientError, match="is not authorized to create managed-rule") as refused:
        machines.deploy(resource, {}, allow(["events:PutRule", "events:PutTargets"], RULE))
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    complete = allow(["events:DescribeRule", "events:PutRule", "events:PutTargets"], RULE)
    assert machines.deploy(resource, {}, complete)


def test_a_machine_cannot_be_given_such_a_role_later(machines: Machines) -> None:
    complete = allow(["events:DescribeRule", "events:PutRule", "events:PutTargets"], RULE)
    machine = machines.deploy(f"{OPTIMISED}sagemaker:createTransformJob.sync", {}, complete)
    with pytest.raises(ClientError, match="managed-rule"):
        machines.aws("stepfunctions").update_state_machine(stateMachineArn=machine, roleArn=machines.role())


def test_a_role_of_another_service_gets_no_machine(machines: Machines) -> None:
    with pytest.raises(ClientError, match="is authorized to assume the provided role") as refused:
        machines.aws("stepfunctions").create_state_machine(
            name="unassumed", definition="{}", roleArn=machines.role(service="lambda")
        )
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_only_what_is_waited_for_by_a_rule_needs_one() -> None:
    assert all(rule.endswith("Rule") for rule in MANAGED_RULES.values())
    assert not any(name.startswith("glue:") for name in MANAGED_RULES)


@pytest.mark.parametrize(
    ("named", "arn"),
    [
        ({"FunctionName": "asked"}, FUNCTION),
        ({"FunctionName": "123456789012:function:asked"}, FUNCTION),
        ({"FunctionName": FUNCTION}, FUNCTION),
        ({"FunctionName": f"{FUNCTION}:live"}, f"{FUNCTION}:live"),
        ({"FunctionName": "asked", "Qualifier": "live"}, f"{FUNCTION}:live"),
    ],
)
def test_a_function_is_known_by_each_of_its_names(named: Document, arn: str, here: None) -> None:
    assert function_arn(named) == arn


def test_a_queue_is_known_by_its_address(here: None) -> None:
    assert queue_arn({"QueueUrl": "http://127.0.0.1:4566/123456789012/sent"}) == QUEUE


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The settings of a server process, in this one."""
    from localcloud.plugins import step_functions_access
    from localcloud.settings import Settings

    monkeypatch.setattr(step_functions_access, "settings", lambda: Settings(home=tmp_path, port=0))


def _let_all_runs_end(machines: Machines) -> None:
    """The job allows one run at a time."""
    glue, going = machines.aws("glue"), {"STARTING", "RUNNING"}
    while going & {run["JobRunState"] for run in glue.get_job_runs(JobName="run")["JobRuns"]}:
        time.sleep(0.02)
