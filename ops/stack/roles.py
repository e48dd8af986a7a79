"""Roles and what they may do: those of `iam/`, and one for each function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ops.stack.base import Stack, existing
from ops.stack.functions import function_file


def put_roles(stack: Stack) -> None:
    for path in sorted((stack.root / "iam").glob("*.json")):
        put_role(stack, path.stem, stack.render(f"iam/{path.name}"))
    for name in stack.functions["functions"]:
        rendered = function_file(stack, name)
        statements = rendered["defaults"].get("statements", []) + rendered["functions"][name]["statements"]
        put_role(stack, name, {"assumed_by": ["lambda.amazonaws.com"], "statements": statements})


def put_role(stack: Stack, name: str, role: Mapping[str, Any]) -> None:
    """`role` has what a file of `iam/` has: `assumed_by`, `statements` and, maybe, a `source_account`."""
    iam, role_name = stack.client("iam"), stack.names.role(name)
    trust = [_trust(principal, role.get("source_account")) for principal in role["assumed_by"]]
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    with existing("EntityAlreadyExists"):
        iam.create_role(RoleName=role_name, AssumeRolePolicyDocument=document, Tags=stack.tags())
    iam.update_assume_role_policy(RoleName=role_name, PolicyDocument=document)
    policy = {"Version": "2012-10-17", "Statement": role["statements"]}
    iam.put_role_policy(RoleName=role_name, PolicyName=role_name, PolicyDocument=json.dumps(policy))


def _trust(principal: str, source_account: str | None) -> dict[str, Any]:
    """Lets a service assume the role on behalf of this account only, or people of the account."""
    kind = "AWS" if principal.startswith("arn:") else "Service"
    trust = {"Effect": "Allow", "Principal": {kind: principal}, "Action": "sts:AssumeRole"}
    if source_account is None:
        return trust
    return {**trust, "Condition": {"StringEquals": {"aws:SourceAccount": source_account}}}
