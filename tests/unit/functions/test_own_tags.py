from __future__ import annotations

from functions.common.own_tags import own_tags

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:titanic-sagemaker-dev-deploy-endpoint"


class FakeLambda:
    """Refuses what Lambda refuses: the ARN of a version."""

    def __init__(self, **tags: str) -> None:
        self.tags = tags

    def list_tags(self, Resource: str) -> dict[str, dict[str, str]]:  # noqa: N803 - AWS's spelling
        assert Resource == ARN
        return {"Tags": self.tags}


def test_they_are_the_functions_own_in_the_form_sagemaker_takes() -> None:
    found = own_tags(ARN, lambda_=FakeLambda(project="p", env="dev"))
    assert found == [{"Key": "env", "Value": "dev"}, {"Key": "project", "Value": "p"}]


def test_a_version_of_the_function_bears_the_functions_tags() -> None:
    assert own_tags(f"{ARN}:7", lambda_=FakeLambda(project="p")) == [{"Key": "project", "Value": "p"}]


def test_tags_that_only_aws_may_set_are_left_out() -> None:
    assert own_tags(ARN, lambda_=FakeLambda(**{"aws:cloudformation:stack-name": "x"})) == []
