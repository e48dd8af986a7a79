"""Two things that policies ask of a request and MiniStack does not say.

`iam:PermissionsBoundary`, by which AWS lets somebody write roles only within limits: of a new role what the
request brings, of one that is there what it has. And the claims of GitHub's tokens besides `aud` and `sub`,
which AWS takes as condition keys of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BOUNDARY = "iam:PermissionsBoundary"
_BRINGS_A_BOUNDARY = {"iam:CreateRole", "iam:PutRolePermissionsBoundary"}
_GITHUB = "token.actions.githubusercontent.com"
_GITHUB_CLAIMS = (
    "actor",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "workflow",
)


def install() -> None:
    from ministack.core import iam_actions
    from ministack.services import sts

    iam_actions.request_tag_context = _with_boundary(iam_actions.request_tag_context)
    sts._web_identity_principal = _with_claims(sts._web_identity_principal)


def _with_boundary(tags_of: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found = tags_of(service, action, body, params)
        boundary = _boundary(action, params) if service == "iam" else None
        return {**found, BOUNDARY: boundary} if boundary else found

    return context


def _boundary(action: str, params: dict[str, Any]) -> str | None:
    from ministack.core.responses import get_account_id
    from ministack.services import iam

    if action in _BRINGS_A_BOUNDARY:
        return iam._p(params, "PermissionsBoundary") or None
    name = iam._p(params, "RoleName")
    role = iam._roles.get_scoped(get_account_id(), None, name) if name else None
    return (role or {}).get("PermissionsBoundary") or None


def _with_claims(principal_of: Callable[..., tuple[str, dict[str, Any]]]) -> Callable[..., Any]:
    def principal(token: str, provider_id: str, role_arn: str) -> tuple[str, dict[str, Any]]:
        from ministack.services.cognito import _decode_id_token_unverified

        arn, keys = principal_of(token, provider_id, role_arn)
        if not arn.endswith(f"/{_GITHUB}"):
            return arn, keys
        claims = _decode_id_token_unverified(token)
        more = {f"{_GITHUB}:{name}": claims[name] for name in _GITHUB_CLAIMS if name in claims}
        return arn, {**more, **keys}

    return principal
