"""Takes down a staging endpoint that no promotion uses.

A promotion takes its own staging down at every end. What is left is a promotion that was stopped, or an
endpoint that somebody made by hand. A promotion under way, also one that waits for a person, keeps staging:
it goes at the end of that, or the night after. Prod is out of reach, by name and by permission.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from functions.common.clients import Client
from functions.common.endpoints import (
    IN_PROGRESS,
    delete,
    deployment_removals,
    endpoint_removal,
    find_endpoint,
    wanted_config,
)
from functions.common.inputs import StrictModel
from functions.common.settings import Settings

Outcome = Literal["stopped", "nothing_to_stop", "promotion_in_progress", "endpoint_changing"]


class StopStagingEvent(StrictModel):
    """What the schedule sends."""

    scheduled_time: str = Field(description="the instant it was due, as EventBridge Scheduler writes it")


class StopStagingSettings(Settings):
    staging_endpoint: str
    promotion_state_machine_arn: str


class Stopped(StrictModel):
    """What came of it; `reason` says it in words, `deleted` names what went."""

    outcome: Outcome
    reason: str
    deleted: list[str]


def stop_staging(settings: StopStagingSettings, *, sagemaker: Client, states: Client) -> Stopped:
    """Looks for promotions last: one that starts after that finds staging going, and says so."""
    endpoint = settings.staging_endpoint
    found = find_endpoint(sagemaker, endpoint)
    if found is None:
        return _kept("nothing_to_stop", f"There is no endpoint {endpoint}.")
    if found["EndpointStatus"] in IN_PROGRESS:
        return _kept("endpoint_changing", f"{endpoint} is {found['EndpointStatus']}: the next night will do.")
    promotion = _running(states, settings.promotion_state_machine_arn)
    if promotion:
        return _kept("promotion_in_progress", f"{endpoint} is needed by {promotion}, which has not ended.")
    removals = [endpoint_removal(sagemaker, endpoint)]
    config = wanted_config(found)
    if config.startswith(f"{endpoint}-v"):  # of another's making it stays: the endpoint can be made again
        removals += deployment_removals(sagemaker, config)
    deleted = [name for name, remove in removals if delete(remove)]
    return Stopped(outcome="stopped", reason=f"{endpoint} was not in use.", deleted=deleted)


def _kept(outcome: Outcome, reason: str) -> Stopped:
    return Stopped(outcome=outcome, reason=reason, deleted=[])


def _running(states: Client, machine_arn: str) -> str | None:
    """ARN of an execution that has not ended."""
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=machine_arn, statusFilter="RUNNING"
    )
    return next((str(found["executionArn"]) for page in pages for found in page["executions"]), None)
