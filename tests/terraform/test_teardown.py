"""Destroying every stage leaves nothing. Named so that it comes last in its group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("terraform")


def test_destroy_leaves_nothing(applied: Any) -> None:
    _give_up_models(applied)
    applied.runner.destroy()
    assert list(_left(applied.aws)) == []


def _give_up_models(applied: Any) -> None:
    """What is not Terraform's: runs made it, and SageMaker deletes no group that still has versions."""
    sagemaker = applied.aws("sagemaker")
    for endpoint in sagemaker.list_endpoints()["Endpoints"]:
        sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
    for model in sagemaker.list_models()["Models"]:
        sagemaker.delete_model(ModelName=model["ModelName"])
    for version in applied.versions():
        sagemaker.delete_model_package(ModelPackageName=version["ModelPackageArn"])


def _left(aws: Callable[[str], Any]) -> list[str]:
    alarms = aws("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    logs = aws("logs").describe_log_groups()["logGroups"]
    sagemaker, listed = aws("sagemaker"), aws("s3").list_buckets()["Buckets"]
    return [
        *[bucket["Name"] for bucket in listed],
        *[role["RoleName"] for role in aws("iam").list_roles()["Roles"]],
        *[policy["Arn"] for policy in aws("iam").list_policies(Scope="Local")["Policies"]],
        *[found["Arn"] for found in aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]],
        *[function["FunctionName"] for function in aws("lambda").list_functions()["Functions"]],
        *[machine["name"] for machine in aws("stepfunctions").list_state_machines()["stateMachines"]],
        *[job["Name"] for job in aws("glue").get_jobs()["Jobs"]],
        *[database["Name"] for database in aws("glue").get_databases()["DatabaseList"]],
        *[pipeline["PipelineName"] for pipeline in sagemaker.list_pipelines()["PipelineSummaries"]],
        *[
            group["ModelPackageGroupName"]
            for group in sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        ],
        *[topic["TopicArn"] for topic in aws("sns").list_topics()["Topics"]],
        *aws("sqs").list_queues().get("QueueUrls", []),
        *[rule["Name"] for rule in aws("events").list_rules()["Rules"]],
        *[schedule["Name"] for schedule in aws("scheduler").list_schedules()["Schedules"]],
        *[alarm["AlarmName"] for alarm in [*alarms["MetricAlarms"], *alarms["CompositeAlarms"]]],
        *[
            dashboard["DashboardName"]
            for dashboard in aws("cloudwatch").list_dashboards()["DashboardEntries"]
        ],
        *[group["logGroupName"] for group in logs if group["logGroupName"].startswith(MADE_BY_STAGES)],
    ]


MADE_BY_STAGES = (
    "/aws/lambda/",
    "/aws/vendedlogs/",
)  # Glue and SageMaker make their own groups, and keep them
