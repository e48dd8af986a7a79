"""The shapes the batch inference machine passes between its states."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from functions.common.inputs import StrictModel
from functions.common.message import Message


class BatchRun(StrictModel):
    """`$.run`: what InitRun decides and every later state reads. A URI that ends in `/` is a folder."""

    run_id: str
    run_date: str
    kind: Literal["batch_inference"]
    execution_arn: str
    started_at: str
    source_uri: str
    inference_uri: str = Field(description="where PrepareData leaves the rows to be scored")
    data_report_uri: str
    transform_output_uri: str
    prediction_check_uri: str
    predictions_uri: str
    drift_threshold: float


class ApprovedModel(StrictModel):
    """`$.approved`: the version to predict with. There may be nothing at `baseline_uri`."""

    model_package_arn: str
    version: int
    baseline_uri: str | None
    code_bundle_uri: str | None
    approved_by: str | None


class Model(StrictModel):
    """`$.model`: the version's SageMaker model."""

    model_name: str


class Shift(StrictModel):
    """How far one variable has moved from the baseline.

    `psi` is the population stability index. `noise` is what it stays below in 999 of 1000 batches of this
    size that come from the same population. Only what is above both the threshold and the noise counts.
    """

    psi: float
    noise: float
    above: bool


class Drift(StrictModel):
    """The batch against the model's validation data. Where it could not be compared, `reason` says why."""

    threshold: float
    above_threshold: bool
    reason: str | None
    baseline_uri: str | None
    baseline_rows: int | None
    score: Shift | None
    features: dict[str, Shift]

    @property
    def shifts(self) -> dict[str, Shift]:
        """The score's and each feature's, the furthest first."""
        found = ({"score": self.score} if self.score else {}) | self.features
        return dict(sorted(found.items(), key=lambda item: -item[1].psi))


class Predictions(StrictModel):
    """`$.predictions`: the checked output of the transform, and a `warning` when it has drifted."""

    rows: int
    files: int
    check_uri: str
    drift: Drift
    warning: Message | None


class CheckedFile(StrictModel):
    """One file of the transform's output, as it was when it was checked."""

    uri: str
    etag: str
    rows: int


class PredictionCheck(StrictModel):
    """`runs/<run_id>/prediction_check.json`: in S3 and not in the state, which has room for 256 KiB."""

    run_id: str
    rows: int
    files: list[CheckedFile]
    drift: Drift


class Publication(StrictModel):
    """`$.publication`. `is_latest` is false where a later run's set had been published before."""

    predictions_uri: str
    manifest_uri: str
    latest_uri: str
    is_latest: bool
