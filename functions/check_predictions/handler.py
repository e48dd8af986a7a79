"""Task of state `CheckPredictions`. Its named errors go to the recorder; drift is an answer, not an error."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.check_predictions.checking import CheckPredictionsEvent, check
from functions.common.batch_run import Drift
from functions.common.clients import client
from functions.common.inputs import parse_input
from functions.common.observability import bind_run, count, measure, stage
from functions.common.settings import Settings, read_settings


@cache
def settings() -> Settings:
    return read_settings(Settings)


@stage("CheckPredictions")
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """`{"run", "approved"}` -> what becomes `$.predictions`."""
    request = parse_input(event, CheckPredictionsEvent, "CheckPredictions event")
    bind_run(request.run.run_id)
    found = check(request, settings(), s3=client("s3"))
    _measure(found.drift)
    return found.model_dump(mode="json")


def _measure(drift: Drift) -> None:
    """An index per variable to look at, and one number to alarm on; nothing where nothing was compared."""
    for variable, shift in drift.shifts.items():
        measure("PopulationStabilityIndex", shift.psi, variable=variable)
    if drift.shifts:
        count("DriftedVariables", sum(shift.above for shift in drift.shifts.values()))
