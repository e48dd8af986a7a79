"""Roles and what they may do: those of `iam/`, and one for each function."""

from __future__ import annotations

import json
from typing import Any

from ops.stack.base import Stack, existing
from ops.stack.functions import function_file


def put_roles(stack: Stack) -> None:
    for path in sorted((stack.root / "iam").glob("*.json")):
        role = stack.render(f"iam/{path.name}")
        put_role(stack, path.stem, role["assumed_by"], role["statements"])
    for name in stack.functions["functions"]:
        rendered = function_file(stack, name)
        statements = rendered["defaults"].get("statements", []) + rendered["functions"][name]["statements"]
        put_role(stack, name, ["lambda.amazonaws.com"], statements)


def put_role(stack: Stack, name: str, assumed_by: list[str], statements: list[dict[str, Any]]) -> None:
    iam, role_name = stack.client("iam"), stack.names.role(name)
    trust = [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        for service in assumed_by
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    with existing("EntityAlreadyExists"):
        iam.create_role(RoleName=role_name, AssumeRolePolicyDocument=document, Tags=stack.tags())
    iam.update_assume_role_policy(RoleName=role_name, PolicyDocument=document)
    policy = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=role_name, PolicyName=role_name, PolicyDocument=json.dumps(policy))
