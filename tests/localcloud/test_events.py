"""EventBridge rules on the local cloud: events look as on AWS, and what cannot be delivered is set aside."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import control, deliveries
from localcloud.deliveries import Undelivered
from localcloud.plugins import events
from localcloud.settings import Settings
from ops.templates import render

Aws = Callable[[str], Any]
Deploy = Callable[..., str]
Document = dict[str, Any]

EVENTS = Path(__file__).resolve().parents[2] / "events"
PREFIX = "arn:aws:{}:eu-west-1:123456789012:"
TOKEN = "token-" + "0" * 30


class Queue:
    """A queue and the parsed messages in it."""

    def __init__(self, aws: Aws) -> None:
        name = f"queue-{uuid.uuid4().hex[:8]}"
        self._sqs = aws("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"{PREFIX.format('sqs')}{name}"

    def receive(self) -> Document:
        """The next message; waits for it."""
        [message] = self._sqs.receive_message(
            QueueUrl=self.url, WaitTimeSeconds=20, MessageAttributeNames=["All"]
        )["Messages"]
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        attributes = {key: each["StringValue"] for key, each in message.get("MessageAttributes", {}).items()}
        return {"body": json.loads(message["Body"]), "attributes": attributes}

    def until(self, wanted: Callable[[Document], bool]) -> Document:
        """The first event that is as wanted; those before it are dropped."""
        while not wanted(event := self.receive()["body"]):
            pass
        return event


@pytest.fixture
def queue(aws: Aws) -> Queue:
    return Queue(aws)


@pytest.fixture
def letters(aws: Aws) -> Queue:
    return Queue(aws)


Rule = Callable[..., str]


@pytest.fixture
def rule(aws: Aws) -> Iterator[Rule]:
    """Makes a rule with targets; answers with its name."""
    made: list[tuple[str, list[str]]] = []

    def make(pattern: Document, *targets: Document) -> str:
        name = f"rule-{uuid.uuid4().hex[:8]}"
        numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        aws("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
        aws("events").put_targets(Rule=name, Targets=numbered)
        made.append((name, [target["Id"] for target in numbered]))
        return name

    yield make
    for name, ids in made:
        aws("events").remove_targets(Rule=name, Ids=ids)
        aws("events").delete_rule(Name=name)


def send(aws: Aws, source: str, detail: Document) -> None:
    entry = {"Source": source, "DetailType": "Something Happened", "Detail": json.dumps(detail)}
    aws("events").put_events(Entries=[entry])


def sample(name: str) -> Document:
    loaded: Document = json.loads((EVENTS / "samples" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize(
    "target",
    [
        {"Arn": f"{PREFIX.format('sns')}gone"},
        {"Arn": f"{PREFIX.format('sqs')}gone"},
        {"Arn": f"{PREFIX.format('lambda')}function:gone"},
        {"Arn": f"{PREFIX.format('states')}stateMachine:gone", "RoleArn": "arn:aws:iam::123456789012:role/r"},
        {"Arn": f"{PREFIX.format('logs')}log-group:/gone"},  # a service this cloud does not deliver to
        {"Arn": "arn:aws:sns:us-east-1:123456789012:elsewhere"},
    ],
    ids=lambda target: target["Arn"].split(":")[2] + target["Arn"].split(":")[3],
)
def test_an_event_whose_target_is_gone_is_set_aside_whole(
    aws: Aws, rule: Rule, letters: Queue, target: Document
) -> None:
    source = f"source-{uuid.uuid4().hex[:8]}"
    transformer = {"InputPathsMap": {"n": "$.detail.number"}, "InputTemplate": '{"n": <n>}'}
    more = {"InputTransformer": transformer, "DeadLetterConfig": {"Arn": letters.arn}}
    name = rule({"source": [source]}, target | more)
    send(aws, source, {"number": 7})
    letter = letters.receive()
    assert letter["body"]["source"] == source
    assert letter["body"]["detail"] == {"number": 7}
    assert letter["attributes"].pop("ERROR_MESSAGE")
    assert letter["attributes"] == {
        "ERROR_CODE": "NO_RESOURCE",
        "RETRY_ATTEMPTS": "0",
        "RULE_ARN": f"{PREFIX.format('events')}rule/{name}",
        "TARGET_ARN": target["Arn"],
    }


def test_what_a_target_does_not_take_is_set_aside(
    aws: Aws, rule: Rule, deploy_function: Deploy, letters: Queue
) -> None:
    source = f"source-{uuid.uuid4().hex[:8]}"
    function = deploy_function("def handler(event, context): pass")
    target = {"Arn": f"{PREFIX.format('lambda')}function:{function}", "Input": '"x'}
    rule({"source": [source]}, target | {"DeadLetterConfig": {"Arn": letters.arn}})
    send(aws, source, {})
    assert letters.receive()["attributes"]["ERROR_CODE"] == "INVALID_JSON"


def test_one_lost_target_costs_the_others_nothing(aws: Aws, rule: Rule, queue: Queue) -> None:
    source = f"source-{uuid.uuid4().hex[:8]}"
    rule({"source": [source]}, {"Arn": f"{PREFIX.format('sns')}gone"}, {"Arn": queue.arn})
    send(aws, source, {"number": 7})
    assert queue.receive()["body"]["detail"] == {"number": 7}


def test_a_rule_can_say_it_in_words_through_a_topic(aws: Aws, rule: Rule, queue: Queue) -> None:
    source = f"source-{uuid.uuid4().hex[:8]}"
    topic = aws("sns").create_topic(Name=source)["TopicArn"]
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    transformer = {"InputPathsMap": {"who": "$.detail.who"}, "InputTemplate": '"<who> was here."'}
    rule({"source": [source]}, {"Arn": topic, "InputTransformer": transformer})
    send(aws, source, {"who": "Ana"})
    assert queue.receive()["body"]["Message"] == '"Ana was here."'


def test_a_state_machine_is_started_under_a_role_or_not_at_all(aws: Aws, rule: Rule) -> None:
    machine = f"{PREFIX.format('states')}stateMachine:any"
    with pytest.raises(ClientError, match="RoleArn is required for target"):
        rule({"source": ["x"]}, {"Arn": machine})


class TestUnderEnforcedIam:
    @pytest.fixture
    def aws(self, enforcing: Aws) -> Aws:
        return enforcing

    def topic(self, aws: Aws, principal: str) -> str:
        arn: str = aws("sns").create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": principal},
            "Action": "sns:Publish",
            "Resource": arn,
            "Condition": {"ArnLike": {"aws:SourceArn": f"{PREFIX.format('events')}rule/*"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        aws("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
        return arn

    def allow(self, aws: Aws, queue: Queue, principal: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": principal},
            "Action": "sqs:SendMessage",
            "Resource": queue.arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        aws("sqs").set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy})

    def test_a_topic_that_lets_events_publish_gets_them(self, aws: Aws, rule: Rule, queue: Queue) -> None:
        topic = self.topic(aws, "events.amazonaws.com")
        self.allow(aws, queue, "sns.amazonaws.com")
        aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
        rule({"source": ["allowed"]}, {"Arn": topic})
        send(aws, "allowed", {"number": 7})
        assert json.loads(queue.receive()["body"]["Message"])["detail"] == {"number": 7}

    def test_a_topic_that_does_not_has_them_set_aside(self, aws: Aws, rule: Rule, letters: Queue) -> None:
        topic = self.topic(aws, "s3.amazonaws.com")
        self.allow(aws, letters, "events.amazonaws.com")
        rule({"source": ["refused"]}, {"Arn": topic, "DeadLetterConfig": {"Arn": letters.arn}})
        send(aws, "refused", {})
        attributes = letters.receive()["attributes"]
        assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
        assert f"sns:Publish on resource: {topic}" in attributes["ERROR_MESSAGE"]


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[str], Aws]) -> Iterator[Aws]:
    home = tmp_path_factory.mktemp("enforcing")
    yield clients_of(control.start(home, port=0, enforce_iam=True).endpoint_url)
    control.stop(home)


class TestRepeating:
    """A target that refuses for the moment."""

    @pytest.fixture(autouse=True)
    def build(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        here = Settings(home=tmp_path, port=0, wait_scale=0)
        self.attempts = 0
        self.letters: list[Document] = []
        self.done = threading.Event()
        monkeypatch.setattr(deliveries, "settings", lambda: here)
        monkeypatch.setattr(deliveries, "deliver", self.deliver)
        monkeypatch.setattr(deliveries, "set_aside", self.set_aside)

    def deliver(self, _target: Document, _payload: str, _caller: object) -> None:
        self.attempts += 1
        if self.attempts <= self.refusals:
            raise Undelivered("THROTTLING", "ThrottlingException", "Rate exceeded", transient=True)
        self.done.set()

    def set_aside(self, _target: Document, _body: str, attributes: Document, _caller: object) -> None:
        self.letters.append(attributes)
        self.done.set()

    def run(self, refusals: int, retries: int) -> None:
        self.refusals = refusals
        target = {"Arn": f"{PREFIX.format('sns')}t", "RetryPolicy": {"MaximumRetryAttempts": retries}}
        original = lambda *_given: events.dispatch("arn", "payload")  # noqa: E731
        events.invoke_target(original)(target, {"Detail": "{}"}, {"Arn": "rule"})
        assert self.done.wait(10)

    def test_is_asked_again(self) -> None:
        self.run(refusals=2, retries=5)
        assert (self.attempts, self.letters) == (3, [])

    @pytest.mark.parametrize("retries", [0, 2])
    def test_is_given_up_after_its_retries(self, retries: int) -> None:
        self.run(refusals=9, retries=retries)
        assert self.attempts == retries + 1
        [letter] = self.letters
        assert letter["ERROR_CODE"] == "THROTTLING"
        assert letter["RETRY_ATTEMPTS"] == str(retries)
        assert letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"


class TestEventsOfSageMaker:
    """What the local SageMaker sends has the members of AWS's documented samples."""

    @pytest.fixture
    def sent(self, aws: Aws, rule: Rule, queue: Queue) -> Queue:
        rule({"source": ["aws.sagemaker"]}, {"Arn": queue.arn})
        return queue

    def processing(self, role: str, bucket: str) -> Document:
        path = "/opt/ml/processing"
        return {
            "ProcessingInputs": [
                {
                    "InputName": "in",
                    "S3Input": {
                        "S3Uri": f"s3://{bucket}/in.csv",
                        "LocalPath": f"{path}/in",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "out",
                        "S3Output": {
                            "S3Uri": f"s3://{bucket}/out",
                            "LocalPath": f"{path}/out",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["/bin/sh", "-c", "exit 1"]},
            "NetworkConfig": {"EnableNetworkIsolation": False},
            "RoleArn": role,
            "ExperimentConfig": {},
        }

    def test_a_job(self, aws: Aws, sent: Queue, role: str, bucket: str) -> None:
        aws("s3").put_object(Bucket=bucket, Key="in.csv", Body=b"1")
        name = f"job-{uuid.uuid4().hex[:8]}"
        aws("sagemaker").create_processing_job(ProcessingJobName=name, **self.processing(role, bucket))
        event = sent.until(lambda event: event["detail"].get("ProcessingJobStatus") == "Failed")
        documented = sample("processing_job_state_change")
        assert event.keys() == documented.keys()
        assert event["detail"].keys() >= documented["detail"].keys()
        assert event["resources"] == [event["detail"]["ProcessingJobArn"]]
        times = {key: type(event["detail"][key]) for key in documented["detail"] if key.endswith("Time")}
        assert set(times.values()) == {int}

    def test_a_pipeline_and_its_step(self, aws: Aws, sent: Queue, role: str, bucket: str) -> None:
        name = f"pipeline-{uuid.uuid4().hex[:8]}"
        arguments = self.processing(role, bucket)
        arguments["AppSpecification"]["ContainerEntrypoint"] = ["/bin/sh", "-c", "echo done"]
        steps = [{"Name": "Work", "Type": "Processing", "Arguments": arguments}]
        aws("s3").put_object(Bucket=bucket, Key="in.csv", Body=b"1")
        aws("sagemaker").create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": steps}),
            RoleArn=role,
            ClientRequestToken=TOKEN,
        )
        aws("sagemaker").start_pipeline_execution(
            PipelineName=name,
            PipelineExecutionDisplayName="run-1",
            PipelineExecutionDescription="by hand",
            ClientRequestToken=TOKEN,
        )
        of_step = sent.until(lambda event: event["detail"].get("currentStepStatus") == "Succeeded")
        of_pipeline = sent.until(lambda e: e["detail"].get("currentPipelineExecutionStatus") == "Succeeded")
        for event, documented in (
            (of_step, sample("pipeline_step_state_change")),
            (of_pipeline, sample("pipeline_execution_state_change")),
        ):
            assert event.keys() == documented.keys()
            assert event["detail-type"] == documented["detail-type"]
            assert event["detail"].keys() == documented["detail"].keys()
            assert len(event["resources"]) == len(documented["resources"])
        assert of_step["detail"]["metadata"].keys() == {"processingJob"}

    def test_a_model_package(self, aws: Aws, sent: Queue) -> None:
        sagemaker, group = aws("sagemaker"), f"group-{uuid.uuid4().hex[:8]}"
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
        metrics = {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/e.json"}}
        }
        container = {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}
        arn = sagemaker.create_model_package(
            ModelPackageGroupName=group,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            ModelMetrics=metrics,
            MetadataProperties={"GeneratedBy": "a test"},
        )["ModelPackageArn"]
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        event = sent.until(lambda event: event["detail"].get("ModelApprovalStatus") == "Approved")
        documented = sample("model_package_state_change")
        assert event.keys() == documented.keys()
        assert event["detail"].keys() >= documented["detail"].keys() - {"ModelLifeCycle"}
        assert event["detail"]["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
        assert event["resources"] == [arn]


def test_a_failure_that_no_catch_can_see_is_told(
    aws: Aws, rule: Rule, queue: Queue, deploy_machine: Deploy
) -> None:
    lost = {"Type": "Pass", "InputPath": "$.no_such_field", "End": True}
    machine = deploy_machine(json.dumps({"StartAt": "Lost", "States": {"Lost": lost}}))
    values = {
        "TrainingStateMachineArn": machine,
        "BatchInferenceStateMachineArn": f"{machine}-2",
        "PromotionStateMachineArn": f"{machine}-3",
    }
    pattern = render(EVENTS / "patterns" / "execution_state_change.json", values)
    rule(pattern, {"Arn": queue.arn})
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    event = queue.receive()["body"]
    assert event["detail"]["executionArn"] == execution
    assert event["detail"].keys() >= sample("step_functions_execution_failed")["detail"].keys()


def test_executions_are_counted_and_an_alarm_sees_the_failed_ones(
    aws: Aws, queue: Queue, deploy_machine: Deploy, finish: Callable[..., Document]
) -> None:
    states = {"Broken": {"Type": "Fail", "Error": "Broken"}}
    machine = deploy_machine(json.dumps({"StartAt": "Broken", "States": states}))
    dimensions = [{"Name": "StateMachineArn", "Value": machine}]
    topic = aws("sns").create_topic(Name=f"alarms-{uuid.uuid4().hex[:8]}")["TopicArn"]
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    aws("cloudwatch").put_metric_alarm(
        AlarmName=machine.rsplit(":", 1)[-1],
        Namespace="AWS/States",
        MetricName="ExecutionsFailed",
        Dimensions=dimensions,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[topic],
    )
    execution = aws("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    finish(aws("stepfunctions"), execution)
    assert json.loads(queue.receive()["body"]["Message"])["NewStateValue"] == "ALARM"
    now = time.time()
    sums = {
        name: sum(
            point["Sum"]
            for point in aws("cloudwatch").get_metric_statistics(
                Namespace="AWS/States",
                MetricName=name,
                Dimensions=dimensions,
                StartTime=now - 600,
                EndTime=now + 600,
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
        )
        for name in ("ExecutionsStarted", "ExecutionsFailed", "ExecutionsSucceeded", "ExecutionTime")
    }
    assert sums.pop("ExecutionTime") >= 0  # one that fails at once may take less than a millisecond
    assert sums == {"ExecutionsStarted": 1, "ExecutionsFailed": 1, "ExecutionsSucceeded": 0}
