"""The shapes the training machine passes between its states."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

from pydantic import Field

from functions.common.inputs import StrictModel

METRICS = ("accuracy", "f1", "auc")


class Thresholds(StrictModel):
    """A model passes with values at or above these."""

    accuracy: float
    f1: float
    auc: float


class TrainingRun(StrictModel):
    """`$.run`: what InitRun decides and every later state reads. URIs are `s3://…`, times UTC."""

    run_id: str
    run_date: str
    execution_arn: str
    source_uri: str
    code_bundle_uri: str
    accuracy_threshold: str = Field(description="the accuracy threshold as text, for PipelineParameters")
    thresholds: Thresholds
    approval: Literal["manual", "auto"]
    train_uri: str
    validation_uri: str
    data_report_uri: str
    client_request_token: str
    training_deadline: str


class MetricCheck(StrictModel):
    """One metric against its threshold."""

    metric: str
    value: float
    threshold: float
    passed: bool


class Evaluation(StrictModel):
    """`$.evaluation`: what EvalMetrics found. Without an ARN the pipeline's own gate registered nothing."""

    passed: bool
    metrics: dict[str, float]
    checks: list[MetricCheck]
    model_package_arn: str | None
    evaluation_uri: str


class Registration(StrictModel):
    """`$.registration`: where the version stands in the registry; both null when there is none."""

    model_package_arn: str | None
    approval_status: str | None


def git_sha(code_bundle_uri: str) -> str | None:
    """The commit in `…/pipeline/code/<git sha>/…`."""
    found = re.search(r"/pipeline/code/([^/]+)/", code_bundle_uri)
    return found[1] if found else None


def package_version(model_package_arn: str) -> str:
    """`arn:…:model-package/group/7` -> `7`."""
    return model_package_arn.rsplit("/", 1)[-1]


def four_digits(value: float) -> str:
    """Rounded down, so that what is below a threshold never reads as if it reached it."""
    return str(Decimal(str(value)).quantize(Decimal("0.0001"), ROUND_DOWN))


def shortfalls(checks: list[dict[str, Any]]) -> list[str]:
    """`f1 0.6200 is below 0.7000` for each failed check."""
    return [
        f"{check['metric']} {four_digits(check['value'])} is below {four_digits(check['threshold'])}"
        for check in checks
        if not check["passed"]
    ]
