"""Binds a version to the run that made it, and approves it where the run may."""

from __future__ import annotations

from pydantic import Field

from functions.common.clients import Client
from functions.common.data_report import require_data_report
from functions.common.errors import ModelPackageNotFound
from functions.common.inputs import StrictModel
from functions.common.registry import decide, run_properties
from functions.common.training_run import Evaluation, Registration, TrainingRun


class Prepare(StrictModel):
    """`$.prepare`."""

    job_run_id: str


class Training(StrictModel):
    """`$.training`."""

    pipeline_execution_arn: str
    status: str


class RegisterModelEvent(StrictModel):
    """The task's payload."""

    run: TrainingRun
    prepare: Prepare
    training: Training
    evaluation: Evaluation = Field(description="the evaluation that EvalMetrics returned")


def register(event: RegisterModelEvent, *, sagemaker: Client, s3: Client) -> Registration:
    """The version with its run's metadata. Raises `ModelPackageNotFound`, `DataReportNotFound`."""
    arn = event.evaluation.model_package_arn
    if arn is None:
        raise ModelPackageNotFound(
            f"Run {event.run.run_id} has no model package to register: look at its pipeline execution "
            f"{event.training.pipeline_execution_arn}."
        )
    properties = run_properties(event.run, event.evaluation) | {
        "data_sha256": str(require_data_report(s3, event.run.data_report_uri)["data_sha256"]),
        "glue_job_run_id": event.prepare.job_run_id,
        "pipeline_execution_arn": event.training.pipeline_execution_arn,
    }
    approved = event.run.approval == "auto"
    if approved:
        properties |= {"decided_by": event.run.execution_arn, "decided_status": "Approved"}
    status = decide(
        sagemaker,
        arn,
        status="Approved" if approved else None,
        description=_description(event.run, approved),
        properties=properties,
    )
    return Registration(model_package_arn=arn, approval_status=status)


def _description(run: TrainingRun, approved: bool) -> str:
    how = (
        "Approved by the training run, as its input asked"
        if approved
        else "Passed every gate; a person approves"
    )
    return f"{how}. Run {run.run_id}, execution {run.execution_arn}"
