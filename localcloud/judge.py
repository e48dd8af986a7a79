"""IAM's verdict on a call that MiniStack's own edge does not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from localcloud.settings import settings


@dataclass(frozen=True)
class Refusal:
    """Why a call is not allowed. `code` is set where the caller is unknown: then nobody was judged."""

    message: str
    code: str | None = None


def refusal(key: str, action: str, arn: str, context: Mapping[str, str] | None = None) -> Refusal | None:
    """What forbids the access key's identity to do `action` to `arn`; None when it may."""
    from ministack.core.iam_actions import identity_denial_message
    from ministack.core.iam_evaluator import AuthError, enforce

    service, region = action.partition(":")[0], settings().region
    denied = enforce(key, action, service, region, resource_arn=arn, service_context=dict(context or {}))
    if isinstance(denied, AuthError):
        return Refusal(denied.message, denied.code)
    if denied:
        explicit = denied.decision == "Deny"
        return Refusal(identity_denial_message(action, denied.principal_arn, arn, explicit))
    return None
