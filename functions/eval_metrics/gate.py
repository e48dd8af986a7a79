"""The second gate: the run's own evaluation against the run's own thresholds."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.errors import MetricsUnavailable, ModelPackageNotFound
from functions.common.inputs import StrictModel
from functions.common.pipeline_execution import evaluation_prefix, read_steps, registered_package
from functions.common.registry import describe_package
from functions.common.s3 import S3Uri
from functions.common.training_run import METRICS, Evaluation, MetricCheck, Thresholds, TrainingRun

REPORT_SECTION = "binary_classification_metrics"


class EvalMetricsEvent(StrictModel):
    """The task's payload."""

    run: TrainingRun
    pipeline_execution_arn: str = Field(description="the ARN of the run's pipeline execution")


def evaluate(event: EvalMetricsEvent, *, sagemaker: Client, s3: Client) -> Evaluation:
    """Whether the model may be registered, and by which numbers. Raises `MetricsUnavailable`."""
    steps = read_steps(sagemaker, event.pipeline_execution_arn)
    prefix = evaluation_prefix(sagemaker, steps)
    if prefix is None:
        raise MetricsUnavailable(
            f"Pipeline execution {event.pipeline_execution_arn} has no ModelEvaluation job with an output "
            "'evaluation': look at its steps, then train again."
        )
    uri = S3Uri.parse(f"{prefix.rstrip('/')}/evaluation.json")
    metrics = read_metrics(_read_report(s3, uri), str(uri))
    checks = check_metrics(metrics, event.run.thresholds)
    package_arn = registered_package(steps)
    _confirm_package(sagemaker, package_arn, event.pipeline_execution_arn, checks)
    return Evaluation(
        passed=all(check.passed for check in checks),
        metrics=metrics,
        checks=checks,
        model_package_arn=package_arn,
        evaluation_uri=str(uri),
    )


def read_metrics(report: Any, uri: str) -> dict[str, float]:
    """Every metric of the report: finite numbers, with at least accuracy, f1 and auc among them."""
    section = report.get(REPORT_SECTION) if isinstance(report, dict) else None
    if not isinstance(section, dict):
        raise MetricsUnavailable(
            f"{uri} has no object '{REPORT_SECTION}': correct pipeline_code/evaluate.py."
        )
    found = {
        name: entry["value"]
        for name, entry in section.items()
        if isinstance(entry, dict) and "value" in entry
    }
    for name in [*METRICS, *found]:
        if not _is_finite_number(found.get(name)):
            raise MetricsUnavailable(
                f"{uri} has {found.get(name)!r} for {REPORT_SECTION}.{name}.value, not a finite number: "
                "correct pipeline_code/evaluate.py or look at the evaluation data."
            )
    return {name: float(value) for name, value in found.items()}


def check_metrics(metrics: dict[str, float], thresholds: Thresholds) -> list[MetricCheck]:
    """One check per gated metric; at the threshold is enough."""
    return [
        MetricCheck(
            metric=name,
            value=metrics[name],
            threshold=(threshold := getattr(thresholds, name)),
            passed=metrics[name] >= threshold,
        )
        for name in METRICS
    ]


def _read_report(s3: Client, uri: S3Uri) -> Any:
    try:
        report = storage.read_json(s3, uri)
    except ValueError as error:
        raise MetricsUnavailable(f"{uri} is not JSON ({error}): correct pipeline_code/evaluate.py.") from None
    if report is None:
        raise MetricsUnavailable(f"There is no {uri}: look at the evaluation job's log, then train again.")
    return report


def _confirm_package(
    sagemaker: Client, package_arn: str | None, pipeline_execution_arn: str, checks: list[MetricCheck]
) -> None:
    """The pipeline registers what reaches the accuracy threshold: registry and report must agree on that."""
    if package_arn is None:
        if all(check.passed for check in checks):
            raise MetricsUnavailable(
                f"Every metric passes, yet pipeline execution {pipeline_execution_arn} registered no model: "
                "look at its steps CheckAccuracy and RegisterModel, then train again."
            )
        return
    try:
        describe_package(sagemaker, package_arn)
    except ModelPackageNotFound as error:
        raise MetricsUnavailable(str(error)) from error


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
