"""The tags of what a function makes: its own. Budgets count by tag, and an endpoint costs most."""

from __future__ import annotations

from functions.common.clients import Client

Tags = list[dict[str, str]]
ARN_PARTS = 7  # an eighth would be a version or an alias, which has no tags of its own
RESERVED = "aws:"


def own_tags(function_arn: str, *, lambda_: Client) -> Tags:
    """As SageMaker takes them. Terraform gives the function the five that every resource must bear."""
    arn = ":".join(function_arn.split(":")[:ARN_PARTS])
    tags = lambda_.list_tags(Resource=arn)["Tags"]
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags) if not key.startswith(RESERVED)]
