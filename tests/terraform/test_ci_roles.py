"""CI's roles as they stand on a cloud: who becomes them, and where their rights end."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts import release
from scripts.permissions import REFUSED

pytestmark = pytest.mark.xdist_group("terraform")

COMMIT = "1234567890123456789012345678901234567890"


@pytest.fixture(scope="module")
def of_dev(applied: Any) -> dict[str, str]:
    """Claims of a job of GitHub's environment dev, on main."""
    repository = applied.runner.variables["github_repository"]
    return {"sub": f"repo:{repository}:environment:dev", "ref": "refs/heads/main"}


@pytest.mark.parametrize(
    "other",
    [
        {"sub": "repo:octocat-123456/titanic-456789:pull_request", "ref": "refs/pull/1/merge"},
        {"sub": "repo:octocat-123456/titanic-456789:environment:prod"},
        {"sub": "repo:somebody-1/titanic-456789:environment:dev"},
        {"ref": "refs/pull/1/merge"},
        {"aud": "https://github.com/octocat"},
    ],
    ids=[
        "pull request",
        "another environment",
        "another repository",
        "environment named off main",
        "audience",
    ],
)
def test_the_deploy_role_is_for_jobs_of_its_environment_on_main(
    applied: Any, of_dev: dict[str, str], other: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        applied.as_ci("deploy", **{**of_dev, **other})


def test_every_role_that_ci_made_has_the_boundary(applied: Any) -> None:
    iam = applied.aws("iam")
    boundary = applied.runner.outputs("00_foundations")["boundary_arn"]
    roles = [role for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    made = [role["RoleName"] for role in roles if role["Path"] == "/"]
    bounds = {
        name: iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        for name in made
    }
    assert len(made) > 20
    assert set(bounds.values()) == {boundary}


@pytest.fixture(scope="module")
def ci(applied: Any, of_dev: dict[str, str]) -> Any:
    """The cloud under the deploy role, for what it must not do."""
    return applied.target_of(applied.as_ci("deploy", REFUSED, **of_dev))


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


def test_ci_makes_no_role_without_the_boundary(ci: Any) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        ci.client("iam").create_role(RoleName="titanic-sagemaker-dev-free", AssumeRolePolicyDocument=TRUST)


def test_ci_does_not_widen_its_own_rights(ci: Any) -> None:
    name = "titanic-sagemaker-dev-ci-deploy"
    with pytest.raises(ClientError, match="AccessDenied"):
        ci.client("iam").put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=EVERYTHING)
    with pytest.raises(ClientError, match="AccessDenied"):
        ci.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=TRUST)


def test_ci_does_not_write_the_boundary(applied: Any, ci: Any) -> None:
    boundary = applied.runner.outputs("00_foundations")["boundary_arn"]
    with pytest.raises(ClientError, match="AccessDenied"):
        ci.client("iam").create_policy_version(
            PolicyArn=boundary, PolicyDocument=EVERYTHING, SetAsDefault=True
        )


def test_ci_reads_no_data(applied: Any, ci: Any) -> None:
    assert applied.has("raw/titanic.csv")
    with pytest.raises(ClientError, match="AccessDenied"):
        ci.client("s3").get_object(Bucket=applied.bucket, Key="raw/titanic.csv")


def test_who_may_only_look_changes_nothing(applied: Any) -> None:
    repository = applied.runner.variables["github_repository"]
    plan = applied.target_of(applied.as_ci("plan", REFUSED, sub=f"repo:{repository}:pull_request"))
    with pytest.raises(ClientError, match="AccessDenied"):
        plan.client("s3").put_object(Bucket=applied.names["state_bucket"], Key="01_data_ingestion.tfstate")
    with pytest.raises(ClientError, match="AccessDenied"):
        plan.client("lambda").update_function_configuration(
            FunctionName=applied.names.function("init_run"), Timeout=1
        )


def test_a_trial_run_under_cis_role_is_evidence(applied: Any, of_dev: dict[str, str]) -> None:
    """What `make smoke` and `make evidence` do on GitHub, with the credentials they would have."""
    runner = applied.as_ci("deploy", **of_dev)
    target = applied.target_of(runner)
    record = release.smoke(target, COMMIT, {**os.environ, **runner.environment})
    assert record["decision"] == "registered"
    assert record["metrics"]["auc"] > 0.8
    assert release.evidence(target, COMMIT) == record


def test_ci_publishes_a_commits_code_once(applied: Any, of_dev: dict[str, str]) -> None:
    target = applied.target_of(applied.as_ci("deploy", **of_dev))
    assert release.publish(target) == release.publish(target)
