"""What a deployment does beyond reading a file. That the whole of it works, the e2e tests see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.names import ROOT
from ops.stack import alerts, functions, machines, rules, schedules, unattended
from ops.stack.base import Stack
from ops.target import Target

RULES = json.loads((ROOT / rules.RULES).read_text(encoding="utf-8"))
SCHEDULES = json.loads((ROOT / schedules.SCHEDULES).read_text(encoding="utf-8"))


@pytest.fixture
def stack(aws: Target) -> Stack:
    return Stack(aws.session, aws.names)


def queue_policy(stack: Stack, name: str) -> list[dict[str, Any]]:
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName=stack.names[name])["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    statements: list[dict[str, Any]] = json.loads(attributes["Policy"])["Statement"]
    return statements


def test_every_rule_has_a_pattern_and_every_pattern_a_rule() -> None:
    assert set(RULES) == {path.stem for path in (ROOT / rules.PATTERNS).glob("*.json")}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_calls_a_function_starts_a_machine_or_tells_people_in_words(name: str, stack: Stack) -> None:
    rule = RULES[name]
    assert len(rule["description"]) > 20
    if "function" in rule:
        assert rule["function"] in stack.functions["functions"]
    elif "state_machine" in rule:
        assert rule["state_machine"] in stack.machines
        assert (stack.root / "iam" / f"{rule['role']}.json").exists()
        assert all(f"<{value}>" in json.dumps(rule["input"]) for value in rule["values"])
    else:
        assert set(rule) == {"description", "values", "text"}
        text = "".join(rule["text"])
        assert all(f"<{value}>" in text for value in rule["values"])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_starts_a_machine_or_calls_a_function_of_ours_and_passes_the_time_it_was_meant_for(
    name: str, stack: Stack
) -> None:
    settings = schedules.schedule_settings(stack, name, SCHEDULES[name])
    machines = {stack.machine_arn(machine) for machine in stack.machines}
    functions = {stack.function_arn(function) for function in stack.functions["functions"]}
    assert settings["Target"]["Arn"] in machines | functions
    assert json.loads(settings["Target"]["Input"]) == {"scheduled_time": "<aws.scheduler.scheduled-time>"}
    assert settings["Target"]["DeadLetterConfig"]["Arn"].endswith("-dead-letters")
    assert settings["Target"]["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert settings["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_every_schedule_is_on_but_batch_inference_which_waits_to_be_switched_on() -> None:
    assert {name: schedule["state"] for name, schedule in SCHEDULES.items()} == {
        "weekly_training": "ENABLED",
        "daily_batch_inference": "DISABLED",
        "nightly_staging_shutdown": "ENABLED",
        "daily_monitoring": "ENABLED",
    }


def test_a_later_deployment_leaves_a_schedule_as_the_operator_set_it(stack: Stack) -> None:
    scheduler, group = stack.client("scheduler"), stack.names["schedule_group"]
    schedules.put_schedules(stack)
    known = {"Name": stack.names.schedule("weekly_training"), "GroupName": group}
    wanted = schedules.schedule_settings(stack, "weekly_training", SCHEDULES["weekly_training"])
    scheduler.update_schedule(
        **wanted | {"State": "DISABLED", "ScheduleExpression": "rate(1 hour)", "Description": "by hand"}
    )

    schedules.put_schedules(stack)

    deployed = scheduler.get_schedule(**known)
    assert deployed["State"] == "DISABLED"
    assert deployed["ScheduleExpression"] == SCHEDULES["weekly_training"]["expression"]


def test_alerts_reach_the_queue_that_keeps_them_and_only_from_the_topic(stack: Stack) -> None:
    alerts.put_alerts(stack)
    alerts.put_alerts(stack)

    [subscription] = stack.client("sns").list_subscriptions()["Subscriptions"]
    assert subscription["TopicArn"] == stack.values["alerts_topic_arn"]
    [statement] = queue_policy(stack, "alerts_queue")
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": stack.values["alerts_topic_arn"]}}


def test_what_cannot_be_delivered_is_set_aside_by_the_projects_own_rules_and_topics(stack: Stack) -> None:
    alerts.put_alerts(stack)

    senders = {each["Principal"]["Service"] for each in queue_policy(stack, "dead_letter_queue")}
    assert senders == {"events.amazonaws.com", "sns.amazonaws.com"}
    [arn] = [s["SubscriptionArn"] for s in stack.client("sns").list_subscriptions()["Subscriptions"]]
    kept = stack.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert json.loads(kept["RedrivePolicy"])["deadLetterTargetArn"] == stack.values["dead_letter_queue_arn"]


def test_a_rule_that_calls_a_function_may_call_it_and_has_a_place_for_what_fails(stack: Stack) -> None:
    class Lambda:
        def __init__(self) -> None:
            self.allowed: list[dict[str, str]] = []

        def add_permission(self, **permission: str) -> None:
            self.allowed.append(permission)

    stack._clients["lambda"] = Lambda()
    rules.put_rule(stack, "stopped_runs", RULES["stopped_runs"])

    name = stack.names.rule("stopped_runs")
    [target] = stack.client("events").list_targets_by_rule(Rule=name)["Targets"]
    assert target["Arn"] == stack.function_arn("record_stopped_run")
    assert target["DeadLetterConfig"]["Arn"] == stack.values["dead_letter_queue_arn"]
    [permission] = stack.client("lambda").allowed
    assert permission["SourceArn"].endswith(f"rule/{name}")


def test_what_nobody_waits_for_leaves_its_failures_in_the_dead_letter_queue(stack: Stack) -> None:
    class Lambda:
        def __init__(self) -> None:
            self.put: dict[str, str] = {}

        def put_function_event_invoke_config(self, **config: Any) -> None:
            self.put[config["FunctionName"]] = config["DestinationConfig"]["OnFailure"]["Destination"]

    stack._clients["lambda"] = Lambda()
    unattended.set_failures_aside(stack)

    queue = stack.values["dead_letter_queue_arn"]
    called = ["record_stopped_run", "start_monitoring", "stop_staging"]
    assert stack.client("lambda").put == {stack.names.function(name): queue for name in called}
    for name in called:
        statements = functions.function_file(stack, name)["functions"][name]["statements"]
        assert any(one["Action"] == ["sqs:SendMessage"] and one["Resource"] == [queue] for one in statements)


def test_a_rules_words_are_lines_with_the_events_values_in_them(stack: Stack) -> None:
    rule = {
        "description": "Tells of pipelines",
        "values": {"status": "$.detail.status"},
        "text": ["It is <status>.", 'It said "no".'],
    }
    rules.put_rule(stack, "stopped_runs", rule)  # its pattern serves any rule

    [target] = stack.client("events").list_targets_by_rule(Rule=stack.names.rule("stopped_runs"))["Targets"]
    assert target["InputTransformer"] == {
        "InputPathsMap": {"status": "$.detail.status"},
        "InputTemplate": '"It is <status>."\n"It said \\"no\\"."',
    }


def test_every_machine_has_a_name_and_a_role_and_nothing_is_left_to_fill_in(stack: Stack) -> None:
    roles = {path.stem for path in (ROOT / "iam").glob("*.json")}
    for name in RULES:
        assert "${" not in json.dumps(stack.render(f"{rules.PATTERNS}/{name}.json"))
    for name in stack.machines:
        assert stack.machine_arn(name).endswith(f":{stack.names[f'{name}_state_machine']}")
        assert f"{name}_state_machine" in roles
        assert "${" not in json.dumps(stack.render(f"statemachines/{name}.asl.json"))


def test_a_machine_that_is_there_is_updated(aws: Target) -> None:
    class StepFunctions:
        def __init__(self) -> None:
            self.updated: list[dict[str, str]] = []

        def create_state_machine(self, **_: Any) -> None:
            answer = {"Error": {"Code": "StateMachineAlreadyExists", "Message": "it is there"}}
            raise ClientError(answer, "CreateStateMachine")

        def update_state_machine(self, **settings: str) -> None:
            self.updated.append(settings)

    states = StepFunctions()
    stack = Stack(aws.session, aws.names, _clients={"stepfunctions": states})

    machines.put_machine(stack, "training")

    [settings] = states.updated
    assert settings["stateMachineArn"] == stack.machine_arn("training")
    assert settings["roleArn"].endswith(":role/titanic-sagemaker-dev-training-state-machine")
