"""A request is judged by the resource and the action that AWS's policies name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.plugins import iam_resources

RESOURCES = iam_resources._with_resources(lambda *_request: "as MiniStack says")
ACTIONS = iam_resources._with_actions(lambda _service, action: action)


def arn(
    service: str, *, target: str = "", path: str = "/", form: dict[str, Any] | None = None, **body: Any
) -> str:
    headers = {"x-amz-target": f"AWS.{target}"} if target else {}
    content = json.dumps(body).encode() if body else b""
    return RESOURCES(service, "POST", path, headers, content, form or {}, "eu-west-1", "123456789012")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (arn("budgets", BudgetName="b"), "arn:aws:budgets::123456789012:budget/b"),
        (arn("budgets", Budget={"BudgetName": "b"}), "arn:aws:budgets::123456789012:budget/b"),
        (arn("events", Name="r"), "arn:aws:events:eu-west-1:123456789012:rule/r"),
        (arn("events", Rule="r", EventBusName="default"), "arn:aws:events:eu-west-1:123456789012:rule/r"),
        (arn("events", ResourceARN="arn:x"), "arn:x"),
        (arn("glue", target="GetJob", JobName="j"), "arn:aws:glue:eu-west-1:123456789012:job/j"),
        (arn("glue", target="CreateJob", Name="j"), "arn:aws:glue:eu-west-1:123456789012:job/j"),
        (
            arn("glue", target="CreateDatabase", DatabaseInput={"Name": "d"}),
            "arn:aws:glue:eu-west-1:123456789012:database/d",
        ),
        (arn("glue", target="GetTags", ResourceArn="arn:x"), "arn:x"),
        (
            arn("lambda", path="/2015-03-31/functions", FunctionName="f"),
            "arn:aws:lambda:eu-west-1:123456789012:function:f",
        ),
        (
            arn("monitoring", form={"Action": "DeleteAlarms", "AlarmNames.member.1": "a"}),
            "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a",
        ),
        (arn("monitoring", DashboardName="d"), "arn:aws:cloudwatch::123456789012:dashboard/d"),
        (
            arn("scheduler", path="/schedule-groups/g"),
            "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/g",
        ),
        (arn("scheduler", path="/tags/arn%3Ax"), "arn:x"),
        (arn("sns", form={"ResourceArn": ["arn:x"]}), "arn:x"),
        (arn("states", resourceArn="arn:x"), "arn:x"),
        (
            arn("iam", form={"Path": "/ci/", "RoleName": "r"}),
            "arn:aws:iam::123456789012:role/ci/r",
        ),
        (arn("iam", form={"OpenIDConnectProviderArn": "arn:x"}), "arn:x"),
    ],
)
def test_a_resource_is_named_as_aws_names_it(found: str, expected: str) -> None:
    assert found == expected


@pytest.mark.parametrize(
    "found",
    [
        arn("s3", path="/bucket/key"),
        arn("scheduler", path="/schedules/s", GroupName="g"),
        arn("monitoring", form={"Action": "DescribeAlarms", "AlarmNames.member.1": "a"}),
        arn("lambda", path="/2015-03-31/functions/f"),
        arn("events", Entries=[{"EventBusName": "default"}], Name="x"),
        arn("events", Name="r", EventBusName="another"),
        arn("glue", target="GetTable", Name="t", DatabaseName="d"),
        arn("sns", form={"TopicArn": "arn:x"}),
    ],
)
def test_whatever_ministack_names_rightly_is_left_to_it(found: str) -> None:
    assert found == "as MiniStack says"


def test_budgets_have_two_permissions() -> None:
    assert ACTIONS("budgets", "budgets:DescribeBudget") == "budgets:ViewBudget"
    assert ACTIONS("budgets", "budgets:CreateNotification") == "budgets:ModifyBudget"
    assert ACTIONS("budgets", "budgets:ListTagsForResource") == "budgets:ListTagsForResource"
    assert ACTIONS("sns", "sns:Publish") == "sns:Publish"
    assert ACTIONS("s3", None) is None
