"""Decides what a run is called, what it reads and by what it is judged, before anything costs money."""

from __future__ import annotations

from typing import Any

from functions.common.batch_run import BatchRun
from functions.common.clients import Client
from functions.common.execution import Execution, Kind
from functions.common.inputs import StrictModel
from functions.common.promotion_run import PromotionRun
from functions.common.training_run import TrainingRun
from functions.init_run.batch_inference import start_batch_run
from functions.init_run.promotion import start_promotion
from functions.init_run.settings import InitRunSettings
from functions.init_run.training import start_training_run


class InitRunEvent(StrictModel):
    """The task's payload: which machine asks, the execution's input as it came, who the execution is."""

    kind: Kind
    input: Any
    execution: Execution


def start_run(
    event: InitRunEvent, settings: InitRunSettings, *, s3: Client, states: Client
) -> TrainingRun | BatchRun | PromotionRun:
    """The run that this execution is. Raises every `InitRun` error of `functions.common.errors`."""
    if event.kind == "batch_inference":
        return start_batch_run(event.input, event.execution, settings, s3=s3)
    if event.kind == "promotion":
        return start_promotion(event.input, event.execution, settings, states=states)
    return start_training_run(event.input, event.execution, settings, s3=s3, states=states)
