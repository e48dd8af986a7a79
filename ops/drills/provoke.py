"""The ways of provoking alarms. Each does for real, on the local cloud, what its alarms watch."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ops import monitoring
from ops.drills import endpoint, what_if
from ops.drills.catalogue import Watch
from ops.errors import DrillFailed, DrillImpossible
from ops.runs import iso
from ops.target import Target

REFUSED = {"drill": True}
"""What no machine and no function takes."""
ENDED = frozenset({"Succeeded", "Failed", "Stopped"})
HOUR = 3600
LONG_WAIT_SECONDS = 10**7  # however much the local cloud shortens waits, longer than the second it is given
ODD_ROWS = b"3,0,90,1,0,7.25,2\n" * 200
LATE_SECONDS, DYING_SECONDS = 1.5, 0.2
TRIES = 6
STEP_SCRIPTS = {"TrainModel": "pipeline/code/train.py", "ModelEvaluation": "pipeline/code/evaluate.py"}


@dataclass
class Drill:
    """One drill under way. `order` undoes what it changed; `told_as` is what the alert says, where the alarm
    itself tells nobody."""

    target: Target
    watch: Watch
    order: ExitStack
    report: Callable[[str], None]
    id: str = field(default_factory=lambda: f"drill-{uuid.uuid4().hex[:10]}")
    told_as: str | None = None

    def client(self, service: str) -> Any:
        return self.target.client(service)

    @property
    def value(self) -> str:
        """The ARN or name of what the alarm watches."""
        return self.watch.alarm.value


Way = Callable[[Drill], str]


def way_of(watch: Watch) -> Way:
    """How the alarm is provoked. A way returns what it did, in words."""
    alarm = watch.alarm
    return WAYS[alarm.kind, alarm.name.rpartition("-")[2]]


def describe(way: Way) -> str:
    """The first line of its docstring: what a drill will do."""
    return (way.__doc__ or "").partition("\n")[0]


def fail_an_execution(drill: Drill) -> str:
    """Starts the machine with an input that it refuses."""
    arn = _start(drill, REFUSED)
    drill.told_as = arn
    return f"Execution {drill.id} was started with an input that no machine takes."


def outlive_the_limit(drill: Drill) -> str:
    """Starts the machine with a limit of one second and a long wait in front; then puts it back as it was."""
    states = drill.client("stepfunctions")
    deployed = states.describe_state_machine(stateMachineArn=drill.value)
    definition = json.loads(deployed["definition"])
    wait = {"Type": "Wait", "Seconds": LONG_WAIT_SECONDS, "Next": definition["StartAt"]}
    slow = {
        **definition,
        "TimeoutSeconds": 1,
        "StartAt": "Drill",
        "States": {"Drill": wait, **definition["States"]},
    }
    back = {"stateMachineArn": drill.value, "definition": deployed["definition"]}
    drill.order.callback(lambda: states.update_state_machine(**back))
    states.update_state_machine(stateMachineArn=drill.value, definition=json.dumps(slow))
    drill.told_as = _start(drill, {})
    return f"Execution {drill.id} was given a second and told to wait for longer."


def have_a_function_refuse(drill: Drill) -> str:
    """Calls the function with an event that it refuses."""
    answer = drill.client("lambda").invoke(FunctionName=drill.value, Payload=json.dumps(REFUSED))
    if not answer.get("FunctionError"):
        raise DrillFailed(f"{drill.value} took an event that says nothing but {json.dumps(REFUSED)}.")
    return f"{drill.value} was called with an event that it refuses."


def starve_a_function(drill: Drill) -> str:
    """Reserves no concurrency for the function, and calls it; then lifts the limit."""
    from botocore.config import Config
    from botocore.exceptions import ClientError

    functions = drill.target.session.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    drill.order.callback(lambda: functions.delete_function_concurrency(FunctionName=drill.value))
    functions.put_function_concurrency(FunctionName=drill.value, ReservedConcurrentExecutions=0)
    with suppress(ClientError):  # which is what is wanted: TooManyRequestsException
        functions.invoke(FunctionName=drill.value, Payload=json.dumps(REFUSED))
    return f"{drill.value} was called while it was allowed to run no times at once."


def fail_the_pipeline(drill: Drill) -> str:
    """Starts the pipeline by hand with a code bundle that is not there."""
    bucket = drill.target.names["data_bucket"]
    arn = _start_pipeline(drill, f"s3://{bucket}/pipeline/code/{drill.id}/absent.tar.gz")
    drill.told_as = arn
    return f"Pipeline execution {arn.rpartition('/')[2]} was started with a code bundle that is not there."


def fail_a_step(drill: Drill) -> str:
    """Starts the pipeline by hand with a code bundle whose step raises an error."""
    from botocore.exceptions import ClientError

    bucket, s3 = drill.target.names["data_bucket"], drill.client("s3")
    script, key = STEP_SCRIPTS[drill.value], f"pipeline/code/{drill.id}/pipeline_code.tar.gz"
    source = _deployed_bundle(drill).split("/", 3)[3]
    try:
        s3.head_object(Bucket=bucket, Key="curated/train.csv")
        bundle = s3.get_object(Bucket=bucket, Key=source)["Body"].read()
    except ClientError as error:
        raise DrillImpossible(
            f"The pipeline has nothing to train on or no code: {error}. `titanic up` and `titanic train` "
            "provide them."
        ) from error
    drill.order.callback(lambda: s3.delete_object(Bucket=bucket, Key=key))
    s3.put_object(Bucket=bucket, Key=key, Body=with_broken(bundle, script))
    drill.told_as = arn = _start_pipeline(drill, f"s3://{bucket}/{key}")
    return f"Pipeline execution {arn.rpartition('/')[2]} was started with a {script} that raises an error."


def lose_a_scheduled_start(drill: Drill) -> str:
    """Schedules the start of a machine that is not there; then takes the letter out of the queue."""
    scheduler, names = drill.client("scheduler"), drill.target.names
    schedule = {"Name": names.schedule(drill.id), "GroupName": names["schedule_group"]}
    at = datetime.now(UTC) + timedelta(seconds=1)
    target = {
        "Arn": names.arn("states", f"stateMachine:{drill.id}"),
        "RoleArn": names.role_arn("scheduler"),
        "Input": json.dumps({"drill": drill.id}),
        "RetryPolicy": {"MaximumRetryAttempts": 0},
        "DeadLetterConfig": {"Arn": names.arn("sqs", drill.value)},
    }
    drill.order.callback(_take_letter, drill)
    drill.order.callback(lambda: scheduler.delete_schedule(**schedule))
    scheduler.create_schedule(
        **schedule,
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    return "A machine that is not there was scheduled to start, and could not be."


def stop_the_clock(drill: Drill) -> str:
    """Has the alarm judged as of the day on which it is due, as if nothing had happened until then."""
    cloudwatch, alarm = drill.client("cloudwatch"), drill.watch.alarm
    parts = [name for name in drill.watch.parts if not name.endswith("-succeeded-before")]
    if not _has_succeeded(drill):
        raise DrillImpossible(
            f"No execution of {alarm.thing} has succeeded here: overdue is what comes after a success. "
            f"`titanic {'train' if alarm.thing == 'training' else 'predict'}` first."
        )
    if not drill.watch.deployed["ActionsEnabled"]:
        switched = {"AlarmNames": [alarm.deployed_name]}
        drill.order.callback(lambda: cloudwatch.disable_alarm_actions(**switched))
        cloudwatch.enable_alarm_actions(**switched)
    hours = max(_hours(drill, name) for name in parts) + 24
    drill.order.callback(lambda: what_if.judge_ahead(drill.target, parts, 0))
    what_if.judge_ahead(drill.target, parts, hours * HOUR)
    day = datetime.now(UTC) + timedelta(hours=hours)
    return f"The alarm was judged as of {iso(day)}, with nothing more having happened by then."


def break_the_endpoint(drill: Drill) -> str:
    """Lets the endpoint's containers die while they are asked. Where there is no endpoint, makes one."""
    name = _disturb(drill, endpoint.ask_while_dying, DYING_SECONDS)
    return f"The containers of {name} died while they were asked."


def slow_the_endpoint(drill: Drill) -> str:
    """Lets the endpoint's containers hang while they are asked. Where there is no endpoint, makes one."""
    name = _disturb(drill, endpoint.ask_while_held, LATE_SECONDS)
    return f"The containers of {name} hung while they were asked."


def ask_odd_things(drill: Drill) -> str:
    """Asks prod about people nobody has seen before, and has the day looked at."""
    target, name = drill.target, drill.value
    drill.order.enter_context(endpoint.borrowed(target, name, capture=True))
    drill.order.callback(endpoint.forget_captured, target, name, drill.id)
    drill.report(f"requests to {name}")
    endpoint.ask_and_capture(target, name, ODD_ROWS, drill.id)
    drill.report("the monitoring job")
    looked = monitoring.monitor_now(target)
    if looked["outcome"] != monitoring.STARTED:
        raise DrillImpossible(f"Nothing could be compared: {looked['reason']}")
    drill.order.callback(endpoint.forget_report, target, looked["report_uri"])
    return f"{name} was asked about people of ninety, and the day's requests were compared with its baseline."


WAYS: dict[tuple[str, str], Way] = {
    ("state_machine", "failed"): fail_an_execution,
    ("state_machine", "out"): outlive_the_limit,
    ("machine_function", "errors"): have_a_function_refuse,
    ("machine_function", "throttles"): starve_a_function,
    ("lone_function", "errors"): have_a_function_refuse,
    ("lone_function", "throttles"): starve_a_function,
    ("pipeline", "failed"): fail_the_pipeline,
    ("pipeline_step", "failed"): fail_a_step,
    ("queue", "empty"): lose_a_scheduled_start,
    ("scheduled_machine", "overdue"): stop_the_clock,
    ("staging_endpoint", "errors"): break_the_endpoint,
    ("guard", "errors"): break_the_endpoint,
    ("guard", "latency"): slow_the_endpoint,
    ("endpoint", "slow"): slow_the_endpoint,
    ("monitored_endpoint", "quality"): ask_odd_things,
}
"""By the alarm's kind and the last word of its name."""


def with_broken(bundle: bytes, script: str) -> bytes:
    """The code bundle with one script that only raises an error."""
    broken = b'raise RuntimeError("this is a drill")\n'
    content = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(bundle)) as old, tarfile.open(fileobj=content, mode="w") as new:
        for member in old.getmembers():
            stream = old.extractfile(member)
            body = stream.read() if stream else b""
            if member.name == script:
                body = broken
                member.size = len(body)
            new.addfile(member, io.BytesIO(body))
    return gzip.compress(content.getvalue())


def _disturb(drill: Drill, ask: Callable[[Target, str, float], None], seconds: float) -> str:
    """The endpoint's name. Requests may slip past what is too brief, so it is tried again for longer."""
    name = _endpoint_name(drill)
    drill.report(f"endpoint {name}")
    drill.order.enter_context(endpoint.borrowed(drill.target, name))
    for attempt in range(1, TRIES + 1):
        ask(drill.target, name, attempt * seconds)
        if _settles_red(drill):
            break
    return name


def _endpoint_name(drill: Drill) -> str:
    """Of a composite alarm `value` is the beginning of its parts' names."""
    alarm = drill.watch.alarm
    return drill.target.names.endpoint(alarm.thing) if alarm.is_composite else alarm.value


def _settles_red(drill: Drill) -> bool:
    """Endpoints publish their metrics every second."""
    deadline = time.monotonic() + 5
    asked = {
        "AlarmNames": [drill.watch.alarm.deployed_name],
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
    }
    while time.monotonic() < deadline:
        found = drill.client("cloudwatch").describe_alarms(**asked)
        if any(each["StateValue"] == "ALARM" for each in [*found["MetricAlarms"], *found["CompositeAlarms"]]):
            return True
        time.sleep(drill.target.poll_seconds)
    return False


def _start(drill: Drill, execution_input: dict[str, Any]) -> str:
    drill.report(f"execution {drill.id}")
    answer = drill.client("stepfunctions").start_execution(
        stateMachineArn=drill.value, name=drill.id, input=json.dumps(execution_input)
    )
    return str(answer["executionArn"])


def _start_pipeline(drill: Drill, bundle_uri: str) -> str:
    """The ARN of an execution that has ended."""
    drill.report("an execution of the pipeline")
    sagemaker = drill.client("sagemaker")
    arn = sagemaker.start_pipeline_execution(
        PipelineName=drill.target.names["pipeline"],
        PipelineParameters=[{"Name": "CodeBundleUri", "Value": bundle_uri}],
    )["PipelineExecutionArn"]
    status = "Executing"
    while status not in ENDED:
        time.sleep(drill.target.poll_seconds)
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
    return str(arn)


def _deployed_bundle(drill: Drill) -> str:
    """URI of the code bundle that runs use unless they name another."""
    function = drill.target.names.function("init_run")
    settings = drill.client("lambda").get_function_configuration(FunctionName=function)
    return str(settings["Environment"]["Variables"]["CODE_BUNDLE_URI"])


def _has_succeeded(drill: Drill) -> bool:
    """Whether the part of the alarm that remembers a success is on."""
    [latch] = [name for name in drill.watch.parts if name.endswith("-succeeded-before")]
    return bool(_metric_alarm(drill, latch)["StateValue"] == "ALARM")


def _hours(drill: Drill, name: str) -> int:
    """How far back the alarm looks."""
    alarm = _metric_alarm(drill, name)
    return int(alarm["Period"] * alarm["EvaluationPeriods"] // HOUR)


def _metric_alarm(drill: Drill, name: str) -> dict[str, Any]:
    [found] = drill.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    alarm: dict[str, Any] = found
    return alarm


def _take_letter(drill: Drill) -> None:
    """Deletes the drill's own letter and leaves every other where it is."""
    sqs = drill.client("sqs")
    url = sqs.get_queue_url(QueueName=drill.value)["QueueUrl"]
    taken = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        taken += messages
    for message in taken:
        receipt = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
        if drill.id in message["Body"]:
            sqs.delete_message(**receipt)
        else:
            sqs.change_message_visibility(**receipt, VisibilityTimeout=0)
