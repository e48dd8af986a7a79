"""An endpoint as the API shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from localcloud.sagemaker.times import now

Request = dict[str, Any]

IN_PROGRESS = frozenset({"Creating", "Updating", "RollingBack", "Deleting"})


@dataclass
class Pending:
    """An update under way: its configuration, and how far the new fleet is."""

    config: Request
    started: float = field(default_factory=now)
    share: float = 0.0
    status: str = "Creating"
    message: str = ""
    status_since: float = field(default_factory=now)


@dataclass
class Endpoint:
    """Times are seconds since 1970. `config` is the endpoint's own copy of its configuration, `models` what
    each variant serves (`models.ServedModel` as a dict), `folder` where the processes find the models."""

    name: str
    arn: str
    config: Request
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "Creating"
    created: float = field(default_factory=now)
    modified: float = field(default_factory=now)
    failure_reason: str | None = None
    deployment: Request | None = None
    models: dict[str, Request] = field(default_factory=dict)
    folder: str | None = None
    pending: Pending | None = None

    @property
    def ready(self) -> bool:
        return self.status == "InService"

    def describe(self) -> Request:
        """The DescribeEndpoint answer."""
        answer = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config["EndpointConfigName"],
            "ProductionVariants": [self._variant(variant) for variant in self.config["ProductionVariants"]],
            "DataCaptureConfig": self._capture(),
            "EndpointStatus": self.status,
            "FailureReason": self.failure_reason,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "LastDeploymentConfig": self.deployment,
            "PendingDeploymentSummary": self._pending(),
        }
        return {key: value for key, value in answer.items() if value is not None}

    def summary(self) -> Request:
        """One line of ListEndpoints."""
        keys = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        described = self.describe()
        return {key: described[key] for key in keys}

    def _variant(self, variant: Request) -> Request:
        running = variant["InitialInstanceCount"] if self.models and self.status != "Failed" else 0
        model = self.models.get(variant["VariantName"])
        images = [{"SpecifiedImage": model["image"], "ResolvedImage": model["image"]}] if model else None
        weight = variant.get("InitialVariantWeight", 1.0)
        shown = {
            "VariantName": variant["VariantName"],
            "DeployedImages": images,
            "CurrentWeight": weight,
            "DesiredWeight": weight,
            "CurrentInstanceCount": running,
            "DesiredInstanceCount": variant["InitialInstanceCount"],
        }
        return {key: value for key, value in shown.items() if value is not None}

    def _capture(self) -> Request | None:
        config = self.config.get("DataCaptureConfig")
        if not config:
            return None
        enabled = config.get("EnableCapture", True)
        return {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
            "DestinationS3Uri": config["DestinationS3Uri"],
            "KmsKeyId": config.get("KmsKeyId", ""),
        }

    def _pending(self) -> Request | None:
        pending = self.pending
        if pending is None:
            return None
        return {
            "EndpointConfigName": pending.config["EndpointConfigName"],
            "StartTime": pending.started,
            "ProductionVariants": [
                _pending_variant(v, pending) for v in pending.config["ProductionVariants"]
            ],
        }


def _pending_variant(variant: Request, pending: Pending) -> Request:
    wanted, weight = variant["InitialInstanceCount"], variant.get("InitialVariantWeight", 1.0)
    status = {"Status": pending.status, "StatusMessage": pending.message, "StartTime": pending.status_since}
    return {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": math.ceil(pending.share * wanted),
        "DesiredInstanceCount": wanted,
        "VariantStatus": [status],
    }
