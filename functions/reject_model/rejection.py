"""Closes a version that missed the bar."""

from __future__ import annotations

from pydantic import Field

from functions.common.clients import Client
from functions.common.inputs import StrictModel
from functions.common.registry import decide, run_properties
from functions.common.training_run import Evaluation, Registration, TrainingRun, shortfalls


class RejectModelEvent(StrictModel):
    """The task's payload."""

    run: TrainingRun
    evaluation: Evaluation = Field(description="the evaluation that EvalMetrics returned")


def reject(event: RejectModelEvent, *, sagemaker: Client) -> Registration:
    """The version, now `Rejected`. Nothing to do where the pipeline's own gate registered none.

    Raises `ModelPackageNotFound`.
    """
    arn = event.evaluation.model_package_arn
    if arn is None:
        return Registration(model_package_arn=None, approval_status=None)
    reasons = ", ".join(shortfalls([check.model_dump() for check in event.evaluation.checks]))
    status = decide(
        sagemaker,
        arn,
        status="Rejected",
        description=f"Run {event.run.run_id}: {reasons}",
        properties=run_properties(event.run, event.evaluation),
    )
    return Registration(model_package_arn=arn, approval_status=status)
