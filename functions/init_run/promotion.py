"""A promotion: one at a time, of one version, first to staging and then to prod."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from functions.common.clients import Client
from functions.common.errors import InvalidInput, PromotionInProgress
from functions.common.execution import Execution
from functions.common.inputs import StrictModel, describe_value, parse_input
from functions.common.instants import format_instant, parse_instant
from functions.common.promotion_run import PromotionRun
from functions.common.run_identity import identify
from functions.init_run.settings import InitRunSettings
from functions.init_run.single_flight import earlier_run


class PromotionInput(StrictModel):
    """The execution input of the promotion machine."""

    model_package_arn: Annotated[
        str, Field(description="the ARN of a version of the project's model package group")
    ]
    requested_by: Annotated[
        str | None, Field(max_length=256, description="who asks, in at most 256 characters")
    ]
    canary_percent: Annotated[int, Field(ge=1, le=50, description="a whole number from 1 to 50")]
    bake_seconds: Annotated[int, Field(ge=0, le=3600, description="a whole number from 0 to 3600")]
    instance_type: Annotated[
        str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$", description="a type like 'ml.m5.large'")
    ]
    instance_count: Annotated[int, Field(ge=1, le=10, description="a whole number from 1 to 10")]


def start_promotion(
    given: Any, execution: Execution, settings: InitRunSettings, *, states: Client
) -> PromotionRun:
    """Raises `InvalidInput`, `PromotionInProgress`."""
    filled = _defaults(settings) | given if isinstance(given, dict) else given
    wanted = parse_input(filled, PromotionInput, "Execution input")
    _require_own_version(wanted.model_package_arn, execution, settings.model_package_group)
    _yield_to_earlier_promotion(states, execution)
    return _describe_run(execution, wanted, settings)


def _defaults(settings: InitRunSettings) -> dict[str, Any]:
    return {
        "requested_by": None,
        "canary_percent": settings.canary_percent,
        "bake_seconds": settings.bake_seconds,
        "instance_type": settings.instance_type,
        "instance_count": settings.instance_count,
    }


def _require_own_version(arn: str, execution: Execution, group: str) -> None:
    """Of this account, this region and this group: nothing else may get to prod."""
    region, account = execution.id.split(":")[3:5]
    prefix = f"arn:aws:sagemaker:{region}:{account}:model-package/{group}/"
    if not re.fullmatch(re.escape(prefix) + r"[1-9]\d*", arn, re.ASCII):
        raise InvalidInput(
            f"Execution input: key 'model_package_arn' is {describe_value(arn)}, give {prefix}VERSION."
        )


def _yield_to_earlier_promotion(states: Client, execution: Execution) -> None:
    earlier = earlier_run(states, execution)
    if earlier:
        run_id = identify(earlier.arn, earlier.started_at, {}).run_id
        raise PromotionInProgress(
            f"Promotion {run_id} started at {format_instant(earlier.started_at)} and has not ended: answer "
            f"its gate with `titanic confirm {run_id}` or `titanic decline {run_id}`, or wait for its end, "
            "then start again."
        )


def _describe_run(execution: Execution, wanted: PromotionInput, settings: InitRunSettings) -> PromotionRun:
    started_at = parse_instant(execution.start_time)
    identity = identify(execution.id, started_at, {})
    return PromotionRun(
        run_id=identity.run_id,
        run_date=identity.run_date,
        kind="promotion",
        execution_arn=execution.id,
        started_at=format_instant(started_at),
        staging_endpoint=settings.staging_endpoint,
        prod_endpoint=settings.prod_endpoint,
        **wanted.model_dump(),
    )
