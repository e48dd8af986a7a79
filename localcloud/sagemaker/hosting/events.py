"""The EventBridge events of endpoints, laid out as SageMaker's documentation shows them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.sagemaker.events import put_event

logger = logging.getLogger("localcloud.sagemaker")

STATE, DEPLOYMENT = "SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"

_MEMBERS = ("EndpointName", "EndpointArn", "EndpointConfigName", "ProductionVariants", "FailureReason")


def send(
    detail_type: str,
    described: Mapping[str, Any],
    tags: list[dict[str, str]],
    put: Callable[[dict[str, Any]], None] = put_event,
) -> None:
    """Sends an event about a DescribeEndpoint answer. A rule's trouble is logged, not raised."""
    detail: dict[str, Any] = {key: described[key] for key in _MEMBERS if key in described}
    detail |= {
        "EndpointStatus": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", described["EndpointStatus"]).upper(),
        "CreationTime": _milliseconds(described["CreationTime"]),
        "LastModifiedTime": _milliseconds(described["LastModifiedTime"]),
        "Tags": {tag["Key"]: tag["Value"] for tag in tags},
    }
    if detail_type == DEPLOYMENT and "PendingDeploymentSummary" in described:
        detail["PendingDeploymentSummary"] = described["PendingDeploymentSummary"]
    entry = {
        "Source": "aws.sagemaker",
        "DetailType": detail_type,
        "Resources": [described["EndpointArn"]],
        "Detail": json.dumps(_with_milliseconds(detail)),
    }
    try:
        put(entry)
    except Exception:
        logger.exception("EventBridge did not take %s", detail_type)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _with_milliseconds(value: Any) -> Any:
    """Start times are milliseconds, too, wherever they are."""
    if isinstance(value, dict):
        return {
            key: _milliseconds(item) if key == "StartTime" else _with_milliseconds(item)
            for key, item in value.items()
        }
    return [_with_milliseconds(item) for item in value] if isinstance(value, list) else value
