"""Single things that a user of the local cloud waits for, from a client's side."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from itertools import pairwise

from benchmarks.clouds import DeployedCloud, deployed_cloud
from benchmarks.measure import Row, timed

STATES = 100
TARGET_SECONDS = 3.0


def from_nothing(times: int) -> Row:
    """Cloud started and stack deployed, each time in a new folder."""
    raw: dict[str, list[float]] = {"ready": [], "deployed": []}
    for _ in range(times):
        with deployed_cloud() as here:
            raw["ready"].append(here.ready)
            raw["deployed"].append(here.deployed)
    whole = sorted(a + b for a, b in zip(raw["ready"], raw["deployed"], strict=True))
    middle = whole[len(whole) // 2]
    figure = (
        f"**{middle:.2f} s** ({whole[0]:.2f} to {whole[-1]:.2f}), {min(raw['ready']):.2f} s of it until ready"
    )
    return Row(
        "local cloud from nothing to ready, stack deployed",
        "-",
        figure,
        f"≤ {TARGET_SECONDS:g} s",
        middle <= TARGET_SECONDS,
        raw,
    )


def measure(here: DeployedCloud, times: int) -> list[Row]:
    return [
        Row.of_times("one Step Functions state that does nothing", states(here, max(3, times // 20))),
        Row.of_times(
            "an execution of one such state, start to end seen by a client", executions(here, times)
        ),
        Row.of_times("one Lambda call (warm)", lambda_calls(here, times)),
        Row.of_times("one alert, published to received", alerts(here, times)),
    ]


def states(here: DeployedCloud, times: int) -> list[float]:
    """Seconds of each of many states in a row, from the engine's own history."""
    names = [f"S{number:03d}" for number in range(STATES)]
    chain = {name: {"Type": "Pass", "Next": then} for name, then in pairwise(names)}
    arn = _machine(here, {"StartAt": names[0], "States": chain | {names[-1]: {"Type": "Pass", "End": True}}})
    seconds = []
    for _ in range(times):
        here.execute(arn)
        client = here.client("stepfunctions")
        last = client.list_executions(stateMachineArn=arn, maxResults=1)["executions"][0]
        taken = last["stopDate"] - last["startDate"]
        seconds.append(taken.total_seconds() / STATES)
    return seconds


def executions(here: DeployedCloud, times: int) -> list[float]:
    arn = _machine(here, {"StartAt": "Nothing", "States": {"Nothing": {"Type": "Pass", "End": True}}})
    return [here.execute(arn) for _ in range(times)]


def lambda_calls(here: DeployedCloud, times: int) -> list[float]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("app.py", "def handler(event, context):\n    return event\n")
    client, name = here.client("lambda"), f"bench-{uuid.uuid4().hex[:8]}"
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=here.names.role_arn("training_state_machine"),
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    client.invoke(FunctionName=name, Payload=b"{}")

    def call() -> None:
        client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()

    return [timed(call) for _ in range(times)]


def alerts(here: DeployedCloud, times: int) -> list[float]:
    """From SNS to a queue whose reader waits for it."""
    sns, sqs = here.client("sns"), here.client("sqs")
    name = f"bench-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        sns.publish(TopicArn=topic, Message=str(number))
        [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
        seconds.append(time.perf_counter() - start)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return seconds


def _machine(here: DeployedCloud, definition: dict[str, object]) -> str:
    arn: str = here.client("stepfunctions").create_state_machine(
        name=f"bench-{uuid.uuid4().hex[:8]}",
        definition=json.dumps(definition),
        roleArn=here.names.role_arn("training_state_machine"),
    )["stateMachineArn"]
    return arn
