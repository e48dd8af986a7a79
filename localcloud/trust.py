"""Whether a service may assume a role: what the role's trust policy says of it, conditions included."""

from __future__ import annotations

import json
from typing import Any

from localcloud.settings import settings


def trusts(role_arn: str, service: str) -> bool:
    """Whether the role lets the service, `sagemaker.amazonaws.com` say, assume it for this account."""
    from ministack.core.iam_evaluator import EvalContext, _conditions_met, _service_principal_matches
    from ministack.services import iam

    here = settings()
    context = EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=here.region,
        service_context={"aws:sourceaccount": here.account_id},
    )
    role = iam._roles.get_scoped(here.account_id, None, role_arn.rsplit("/", 1)[-1]) or {}
    return any(
        statement.get("Effect") == "Allow"
        and _service_principal_matches(statement.get("Principal"), service)
        and _conditions_met(statement.get("Condition") or {}, context)
        for statement in _statements(role.get("AssumeRolePolicyDocument") or "{}")
    )


def _statements(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    parsed = json.loads(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]
