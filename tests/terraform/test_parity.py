"""Terraform and `titanic up` make the same things of the same files.

Each is asked what is there, through the APIs, on a cloud of its own. What differs on purpose is listed once,
in DIFFERENCES, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("terraform")

Aws = Callable[[str], Any]
Inventory = dict[str, Any]

DIFFERENCES = {
    "code version": "each works it out for itself; what a name says besides it is compared",
    "CodeBundleUri's default": "who starts the pipeline by hand may leave it out; `titanic up` serves "
    "runs of the training machine only, and those name theirs",
    "roles below /ci/, boundaries": "CI deploys with Terraform only, and only what CI makes needs a limit",
    "budgets and cost anomalies may publish to the topic": "they exist in Terraform only",
    "log groups, metric filters, dashboard, logs and traces of machines": "Terraform only: for who looks",
    "the tags owner and cost_center": "Terraform only: they say who pays it",
}
WHO_PAYS = ("cost_center", "owner")


@pytest.fixture(scope="session")
def inventories(applied: Any, up: Any) -> tuple[Inventory, Inventory]:
    """What Terraform made, and what `titanic up` made."""
    deployed, aws = up
    versions = (applied.code_version, deployed.code_version)
    of_terraform, of_up = inventory(applied.aws, applied.names), inventory(aws, applied.names)
    return without_version(of_terraform, versions[0]), without_version(of_up, versions[1])


KINDS = (
    "alarms",
    "failure destinations",
    "group",
    "functions",
    "job",
    "machines",
    "permissions",
    "pipeline",
    "queues",
    "roles",
    "rules",
    "schedules",
    "tags",
)


@pytest.mark.parametrize("kind", KINDS)
def test_terraform_and_up_agree(inventories: tuple[Inventory, Inventory], kind: str) -> None:
    of_terraform, of_up = inventories
    assert of_terraform[kind]
    assert of_terraform[kind] == of_up[kind]


def test_the_alerts_topic_admits_the_same_and_those_of_terraform(
    inventories: tuple[Inventory, Inventory],
) -> None:
    of_terraform, of_up = inventories
    own = ("budgets", "costalerts")
    shared = [entry for entry in of_terraform["topic"] if not any(name in json.dumps(entry) for name in own)]
    assert shared == of_up["topic"]


def without_version(found: Inventory, version: str) -> Inventory:
    text = json.dumps(found)
    assert version in text
    replaced: Inventory = json.loads(text.replace(version, "<version>"))
    return replaced


def inventory(aws: Aws, names: Any) -> Inventory:
    """Everything that both make, by kind and name, with documents parsed."""
    prefix = f"{names.project}-{names.env}"
    return {
        "alarms": dict(alarms(aws("cloudwatch"), names)),
        "failure destinations": dict(failure_destinations(aws("lambda"))),
        "functions": dict(functions(aws("lambda"))),
        "job": job(aws("glue"), names),
        "machines": dict(machines(aws("stepfunctions"))),
        "permissions": dict(permissions(aws("lambda"))),
        "pipeline": pipeline(aws("sagemaker"), names),
        "queues": dict(queues(aws("sqs"))),
        "roles": dict(roles(aws("iam"))),
        "rules": dict(rules(aws("events"), prefix)),
        "schedules": dict(schedules(aws("scheduler"), names)),
        "group": group(aws("sagemaker"), names),
        "tags": {name: without_payer(found) for name, found in tags(aws, names)},
        "topic": topic(aws("sns"), names),
    }


def chosen(answer: Mapping[str, Any], *keys: str) -> Inventory:
    return {key: answer.get(key) for key in keys}


def in_order(statements: list[Any]) -> list[Any]:
    """A policy's statements, whose order means nothing, in one that can be compared."""
    return sorted(statements, key=lambda statement: json.dumps(statement, sort_keys=True))


def alarms(client: Any, names: Any) -> Iterator[tuple[str, Inventory]]:
    settings = (
        "AlarmDescription",
        "Namespace",
        "MetricName",
        "Dimensions",
        "Statistic",
        "ExtendedStatistic",
        "Period",
        "Threshold",
        "EvaluationPeriods",
        "ComparisonOperator",
        "TreatMissingData",
        "AlarmActions",
        "AlarmRule",
        "ActionsEnabled",
    )
    types = ["CompositeAlarm", "MetricAlarm"]
    pages = client.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{names.project}-{names.env}", AlarmTypes=types
    )
    for page in pages:
        for found in [*page["CompositeAlarms"], *page["MetricAlarms"]]:
            dimensions = sorted(found.get("Dimensions") or [], key=lambda one: one["Name"])
            yield found["AlarmName"], {**chosen(found, *settings), "Dimensions": dimensions}


def functions(client: Any) -> Iterator[tuple[str, Inventory]]:
    settings = (
        "Description",
        "Handler",
        "Runtime",
        "MemorySize",
        "Timeout",
        "Role",
        "Architectures",
        "CodeSha256",
    )
    for page in client.get_paginator("list_functions").paginate():
        for found in page["Functions"]:
            environment = found["Environment"]["Variables"]
            tracing = found["TracingConfig"]["Mode"]
            more = {"environment": environment, "tracing": tracing, "layers": found.get("Layers", [])}
            yield found["FunctionName"], chosen(found, *settings) | more


def tags(aws: Aws, names: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Those of everything that bears any, by a name that says what it is."""
    for name in functions_by_name(aws):
        yield (
            f"function {name}",
            aws("lambda").list_tags(Resource=names.arn("lambda", f"function:{name}"))["Tags"],
        )
    for machine in aws("stepfunctions").list_state_machines()["stateMachines"]:
        listed = aws("stepfunctions").list_tags_for_resource(resourceArn=machine["stateMachineArn"])["tags"]
        yield f"machine {machine['name']}", {tag["key"]: tag["value"] for tag in listed}
    for role in compared_roles(aws("iam")):
        yield f"role {role['RoleName']}", by_key(aws("iam").list_role_tags(RoleName=role["RoleName"]))
    for url in aws("sqs").list_queues()["QueueUrls"]:
        yield f"queue {url.rpartition('/')[2]}", aws("sqs").list_queue_tags(QueueUrl=url)["Tags"]
    job = names.arn("glue", f"job/{names['prepare_job']}")
    yield "job", aws("glue").get_tags(ResourceArn=job)["Tags"]
    topic = names.arn("sns", names["alerts_topic"])
    yield "topic", by_key(aws("sns").list_tags_for_resource(ResourceArn=topic))
    for kind in ("pipeline", "model_package_group"):
        arn = names.arn("sagemaker", f"{kind.replace('_', '-')}/{names[kind]}")
        yield kind, by_key(aws("sagemaker").list_tags(ResourceArn=arn))


def functions_by_name(aws: Aws) -> list[str]:
    pages = aws("lambda").get_paginator("list_functions").paginate()
    return [found["FunctionName"] for page in pages for found in page["Functions"]]


def by_key(answer: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


def without_payer(found: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in found.items() if key not in WHO_PAYS}


def permissions(client: Any) -> Iterator[tuple[str, Any]]:
    for page in client.get_paginator("list_functions").paginate():
        for found in page["Functions"]:
            try:
                policy = client.get_policy(FunctionName=found["FunctionName"])["Policy"]
            except client.exceptions.ResourceNotFoundException:
                continue
            yield found["FunctionName"], json.loads(policy)["Statement"]


def failure_destinations(client: Any) -> Iterator[tuple[str, Any]]:
    for page in client.get_paginator("list_functions").paginate():
        for name in (found["FunctionName"] for found in page["Functions"]):
            configs = client.list_function_event_invoke_configs(FunctionName=name)[
                "FunctionEventInvokeConfigs"
            ]
            for config in configs:
                yield (
                    name,
                    chosen(config, "DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"),
                )


def roles(client: Any) -> Iterator[tuple[str, Inventory]]:
    for found in compared_roles(client):
        name = found["RoleName"]
        policies = client.list_role_policies(RoleName=name)["PolicyNames"]
        yield (
            name,
            {
                "assumed by": found["AssumeRolePolicyDocument"],
                "policies": {
                    policy: client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                    for policy in policies
                },
                "attached": client.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
            },
        )


def compared_roles(client: Any) -> Iterator[Inventory]:
    """All but CI's, which Terraform alone makes."""
    for page in client.get_paginator("list_roles").paginate():
        yield from (role for role in page["Roles"] if role["Path"] != "/ci/")


def machines(client: Any) -> Iterator[tuple[str, Inventory]]:
    for found in client.list_state_machines()["stateMachines"]:
        described = client.describe_state_machine(stateMachineArn=found["stateMachineArn"])
        definition = json.loads(described["definition"])
        yield found["name"], {"definition": definition, **chosen(described, "roleArn", "type")}


def job(client: Any, names: Any) -> Inventory:
    found = client.get_job(JobName=names["prepare_job"])["Job"]
    settings = ("Name", "Description", "Role", "Command", "DefaultArguments", "MaxRetries", "Timeout")
    return chosen(found, *settings, "GlueVersion", "WorkerType", "NumberOfWorkers")


def pipeline(client: Any, names: Any) -> Inventory:
    found = client.describe_pipeline(PipelineName=names["pipeline"])
    definition = json.loads(found["PipelineDefinition"])
    for parameter in definition["Parameters"]:
        if parameter["Name"] == "CodeBundleUri":
            parameter.pop("DefaultValue", None)
    return {"definition": definition, **chosen(found, "PipelineName", "RoleArn")}


def group(client: Any, names: Any) -> Inventory:
    found = client.describe_model_package_group(ModelPackageGroupName=names["model_package_group"])
    return chosen(found, "ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupStatus")


def queues(client: Any) -> Iterator[tuple[str, Inventory]]:
    for url in client.list_queues()["QueueUrls"]:
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        policy = in_order(json.loads(found["Policy"])["Statement"])
        yield url.rpartition("/")[2], {"policy": policy, **chosen(found, "MessageRetentionPeriod")}


def topic(client: Any, names: Any) -> list[Any]:
    arn = names.arn("sns", names["alerts_topic"])
    policy = json.loads(client.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"]
    listed = client.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    arns = [subscription["SubscriptionArn"] for subscription in listed]
    found = [client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"] for arn in arns]
    subscriptions = [
        {**chosen(one, "Endpoint", "Protocol"), "redrive": json.loads(one["RedrivePolicy"])} for one in found
    ]
    return [*in_order(policy), *subscriptions]


def rules(client: Any, prefix: str) -> Iterator[tuple[str, Inventory]]:
    for found in client.list_rules(NamePrefix=prefix)["Rules"]:
        targets = [
            comparable(target) for target in client.list_targets_by_rule(Rule=found["Name"])["Targets"]
        ]
        yield (
            found["Name"],
            {
                "pattern": json.loads(found["EventPattern"]),
                "targets": targets,
                **chosen(found, "Description", "State"),
            },
        )


def comparable(target: Inventory) -> Inventory:
    """The target; a template that is one JSON document is compared as such."""
    template = target.get("InputTransformer", {}).get("InputTemplate", "")
    if not template.startswith("{"):
        return target
    return {
        **target,
        "InputTransformer": {**target["InputTransformer"], "InputTemplate": json.loads(template)},
    }


def schedules(client: Any, names: Any) -> Iterator[tuple[str, Inventory]]:
    for found in client.list_schedules(GroupName=names["schedule_group"])["Schedules"]:
        described = client.get_schedule(Name=found["Name"], GroupName=names["schedule_group"])
        target = {**described["Target"], "Input": json.loads(described["Target"]["Input"])}
        settings = (
            "Description",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "State",
            "FlexibleTimeWindow",
        )
        yield found["Name"], {**chosen(described, *settings), "target": target}
