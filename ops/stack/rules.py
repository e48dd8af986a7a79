"""The EventBridge rules of `events/rules.json`, their patterns in `events/patterns/`.

A rule calls a function of ours, starts a machine, or tells people, and then only what no run says of
itself: the patterns leave out what people hear of anyway. What cannot be delivered ends in the dead letter
queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ops.stack.base import Stack, existing

RULES = "events/rules.json"
PATTERNS = "events/patterns"


def put_rules(stack: Stack) -> None:
    for name, rule in stack.read(RULES).items():
        put_rule(stack, name, rule)


def put_rule(stack: Stack, name: str, rule: Mapping[str, Any]) -> None:
    """`rule` has a `description` and a `function`, a `state_machine` with `role`, `values` and `input`, or
    `values` and a `text`."""
    events, rule_name = stack.client("events"), stack.names.rule(name)
    arn = events.put_rule(
        Name=rule_name,
        Description=rule["description"],
        EventPattern=json.dumps(stack.render(f"{PATTERNS}/{name}.json")),
        State="ENABLED",
        Tags=stack.tags(),
    )["RuleArn"]
    events.put_targets(Rule=rule_name, Targets=[_target(stack, rule)])
    if "function" in rule:
        _let_call(stack, arn, rule_name, rule["function"])


def _target(stack: Stack, rule: Mapping[str, Any]) -> dict[str, Any]:
    letters = {"DeadLetterConfig": {"Arn": stack.values["dead_letter_queue_arn"]}}
    if "function" in rule:
        name = rule["function"]
        return {"Id": name.replace("_", "-"), "Arn": stack.function_arn(name), **letters}
    if "state_machine" in rule:
        return _starting(stack, rule) | letters
    transformer = {
        "InputPathsMap": rule["values"],
        # A JSON string per line: EventBridge sends each as a line of text.
        "InputTemplate": "\n".join(json.dumps(line, ensure_ascii=False) for line in rule["text"]),
    }
    topic = stack.values["alerts_topic_arn"]
    return {"Id": "alerts-topic", "Arn": topic, "InputTransformer": transformer, **letters}


def _starting(stack: Stack, rule: Mapping[str, Any]) -> dict[str, Any]:
    name = rule["state_machine"]
    transformer = {"InputPathsMap": rule["values"], "InputTemplate": json.dumps(rule["input"])}
    return {
        "Id": name.replace("_", "-"),
        "Arn": stack.machine_arn(name),
        "RoleArn": stack.names.role_arn(rule["role"]),
        "InputTransformer": transformer,
    }


def _let_call(stack: Stack, rule_arn: str, rule_name: str, function: str) -> None:
    with existing("ResourceConflictException"):
        stack.client("lambda").add_permission(
            FunctionName=stack.names.function(function),
            StatementId=rule_name,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        )
