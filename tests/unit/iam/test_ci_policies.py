"""Who may become CI's roles, and what those may do: the documents of iam/ci, as text and as policy."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from ops import templates
from ops.names import Names
from ops.stack.base import Stack
from scripts.terraform_stages import GUARDS, read_stages

ROOT = Path(__file__).resolve().parents[3]
CI = ROOT / "iam/ci"
ISSUER = "token.actions.githubusercontent.com"
REPOSITORY = "octocat-123456/titanic-456789"


def values(env: str = "dev") -> dict[str, str]:
    """What the placeholders stand for, as terraform/modules/project and terraform/05_cicd say."""
    names = Names(env, "123456789012")
    stack: Any = Stack(session=None, names=names)  # type: ignore[arg-type]  # nothing is called
    return stack.values | {
        "audience": "sts.amazonaws.com",
        "catalog_database": f"{names.project}-{env}".replace("-", "_"),
        "function_name": names.function("*"),
        "issuer": ISSUER,
        "provider": f"arn:aws:iam::{names.account_id}:oidc-provider/{ISSUER}",
        "repository": REPOSITORY,
    }


def document(name: str, env: str = "dev") -> Any:
    return templates.render(CI / f"{name}.json", values(env))


def statements(*names: str) -> list[dict[str, Any]]:
    return [statement for name in names for statement in document(name)["statements"]]


def admits(role: str, **claims: str) -> bool:
    """Whether a job whose token has these claims may become the role."""
    token = {"aud": "sts.amazonaws.com", **claims}
    return any(
        all(
            token.get(key.removeprefix(f"{ISSUER}:")) in ([wanted] if isinstance(wanted, str) else wanted)
            for key, wanted in statement["Condition"]["StringEquals"].items()
        )
        for statement in document("trust")[role]["Statement"]
    )


PULL_REQUEST = {"sub": f"repo:{REPOSITORY}:pull_request", "ref": "refs/pull/7/merge"}
OF_DEV = {"sub": f"repo:{REPOSITORY}:environment:dev", "ref": "refs/heads/main"}
ON_MAIN = {"sub": f"repo:{REPOSITORY}:ref:refs/heads/main", "ref": "refs/heads/main"}


@pytest.mark.parametrize("role", ["deploy", "plan"])
def test_trust_is_exact(role: str) -> None:
    [statement] = document("trust")[role]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Principal"] == {"Federated": values()["provider"]}
    assert set(statement["Condition"]) == {"StringEquals"}
    conditions = statement["Condition"]["StringEquals"]
    assert conditions[f"{ISSUER}:aud"] == "sts.amazonaws.com"
    assert f"{ISSUER}:sub" in conditions
    assert "*" not in json.dumps(statement)


def test_a_deploy_role_is_for_jobs_of_its_environment_on_main() -> None:
    assert admits("deploy", **OF_DEV)


@pytest.mark.parametrize(
    "claims",
    [
        PULL_REQUEST,
        ON_MAIN,
        OF_DEV | {"sub": f"repo:{REPOSITORY}:environment:prod"},
        OF_DEV
        | {"ref": "refs/pull/7/merge"},  # a pull request that says `environment: dev` in its own workflow
        OF_DEV | {"ref": "refs/heads/feature"},
        OF_DEV | {"sub": "repo:somebody-1/titanic-456789:environment:dev"},
        OF_DEV | {"aud": "https://github.com/octocat"},
    ],
)
def test_a_deploy_role_is_for_nobody_else(claims: dict[str, str]) -> None:
    assert not admits("deploy", **claims)


def test_a_plan_role_is_for_pull_requests_and_main() -> None:
    assert admits("plan", **PULL_REQUEST)
    assert admits("plan", **ON_MAIN)
    assert not admits("plan", **OF_DEV)
    assert not admits("plan", sub="repo:somebody-1/fork-2:pull_request")


AS_WRITTEN = [
    statement
    for name in ("plan", "deploy")
    for statement in json.loads((CI / f"{name}.json").read_text(encoding="utf-8"))["statements"]
]


@pytest.mark.parametrize("statement", AS_WRITTEN, ids=lambda each: each["Sid"])
def test_a_statement_names_its_actions(statement: dict[str, Any]) -> None:
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    for part in ("Action", "Resource"):
        assert statement[part] == sorted(set(statement[part]))
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action) for action in statement["Action"])


@pytest.mark.parametrize("name", ["boundary", "deploy", "plan"])
def test_a_wildcard_resource_has_its_reason_and_no_other_has(name: str) -> None:
    read = document(name)
    wild = {statement["Sid"] for statement in read["statements"] if "*" in statement["Resource"]}
    assert set(read["reasons"]) == wild
    assert all(len(reason) > 20 for reason in read["reasons"].values())
    assert "*" not in [action for statement in read["statements"] for action in statement["Action"]]


def test_the_plan_role_only_reads_and_reads_no_data() -> None:
    for statement in statements("plan"):
        for action in statement["Action"]:
            assert re.match(r"[a-z0-9-]+:(Describe|Get|List|Validate|View)", action), action
        if "s3:GetObject" in statement["Action"]:
            keys = {resource.partition("/")[2].partition("/")[0] for resource in statement["Resource"]}
            assert keys <= {"*.tfstate", "functions", "glue_jobs", "pipeline", "releases"}


def test_ci_cannot_change_what_limits_it() -> None:
    """Nothing below /ci/, no policy that could be attached, no role without the boundary."""
    actions = {action for statement in statements("deploy") for action in statement["Action"]}
    assert not {
        action for action in actions if re.match(r"iam:(Attach|CreatePolicy|Delete.*Boundary)", action)
    }
    assert not {action for action in actions if "OpenIDConnect" in action or action.startswith("sts:")}
    guards = (
        "arn:aws:iam::123456789012:role/ci/titanic-sagemaker-dev-ci-deploy",
        "arn:aws:iam::123456789012:policy/ci/titanic-sagemaker-dev-boundary",
    )
    for statement in statements("deploy"):
        for resource in statement["Resource"]:
            assert resource == "*" or not any(fnmatchcase(guard, resource) for guard in guards)
    for statement in statements("deploy"):
        if {"iam:CreateRole", "iam:PutRolePolicy"} & set(statement["Action"]):
            [bounded] = statement["Condition"]["StringEquals"].values()
            assert bounded == guards[1]


def test_ci_gives_roles_of_the_project_to_services_that_are_named() -> None:
    [statement] = [each for each in statements("deploy") if "iam:PassRole" in each["Action"]]
    assert statement["Action"] == ["iam:PassRole"]
    assert statement["Resource"] == ["arn:aws:iam::123456789012:role/titanic-sagemaker-dev-*"]
    services = statement["Condition"]["StringEquals"]["iam:PassedToService"]
    assumed = {
        service
        for path in (ROOT / "iam").glob("*.json")
        for service in json.loads(path.read_text(encoding="utf-8"))["assumed_by"]
        if service.endswith(".amazonaws.com")
    }
    assert set(services) == assumed | {"lambda.amazonaws.com"}


def test_ci_writes_the_states_of_the_stages_it_applies_and_no_others() -> None:
    [statement] = [each for each in statements("deploy") if each["Sid"] == "WriteStates"]
    written = {resource.rpartition("/")[2] for resource in statement["Resource"]}
    applied = [stage.name for stage in read_stages(ROOT / "terraform") if stage.name not in GUARDS]
    assert written == {f"{name[:3]}*" for name in applied}


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_policies_are_as_short_as_aws_wants_them(env: str) -> None:
    """Characters without blanks: 10,240 for what is inline in a role, 6,144 for a policy that is attached."""
    for name, most in (("boundary", 6144), ("deploy", 10240), ("plan", 6144)):
        policy = {"Version": "2012-10-17", "Statement": document(name, env)["statements"]}
        assert len(json.dumps(policy, separators=(",", ":"))) <= most, name


def of_roles() -> list[Any]:
    """(whose, statement) for every statement of a role that the stages make."""
    functions = templates.render(ROOT / "functions/functions.json", values())
    owners = {path.stem: templates.render(path, values()) for path in sorted((ROOT / "iam").glob("*.json"))}
    owners |= functions["functions"] | {"every function": functions["defaults"]}
    return [
        pytest.param(statement, id=f"{owner}-{statement['Sid']}")
        for owner, read in owners.items()
        for statement in read["statements"]
        if statement["Effect"] == "Allow"
    ]


@pytest.mark.parametrize("statement", of_roles())
def test_what_a_role_may_do_is_within_the_boundary(statement: dict[str, Any]) -> None:
    for action in statement["Action"]:
        for resource in statement["Resource"]:
            assert any(
                any(fnmatchcase(action, allowed) for allowed in limit["Action"])
                and any(fnmatchcase(resource, allowed) for allowed in limit["Resource"])
                for limit in statements("boundary")
            ), f"{action} on {resource}: iam/ci/boundary.json must allow it too, or it is denied"
