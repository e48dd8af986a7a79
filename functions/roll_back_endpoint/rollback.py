"""Brings prod back to what it was before the run touched it, one step a call.

It looks before it acts, so it can be called at any time: SageMaker may have gone back by itself, somebody may
have deleted the endpoint or changed it meanwhile. Nothing that somebody else did is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.common.causes import explain
from functions.common.clients import Client
from functions.common.endpoints import IN_PROGRESS, Description, delete, find_endpoint
from functions.common.errors import RollbackFailed
from functions.common.inputs import StrictModel
from functions.common.instants import format_instant, parse_instant
from functions.common.promotion_run import PromotionRun, Rollback
from functions.common.serving_history import Entry, ServingHistory
from functions.common.settings import Settings

PATIENCE_SECONDS = 2700


class CaughtError(StrictModel):
    """`$.error`: why the machine goes back."""

    Error: str
    Cause: str


class RollBackEndpointEvent(StrictModel):
    """The task's payload."""

    run: PromotionRun
    error: CaughtError
    started_at: str


@dataclass(frozen=True)
class Attempt:
    """What one call needs to know and to reach."""

    event: RollBackEndpointEvent
    history: ServingHistory
    sagemaker: Client
    now: datetime

    def settled(
        self, prod: str, config: str | None, outcome: str | None = None, said: str | None = None
    ) -> Rollback:
        """`said` is what SageMaker itself gives as its reason."""
        if outcome:
            cause = explain(self.event.error.Error, self.event.error.Cause)
            reason = f"{cause.error}: {cause.words.rstrip('.')}. {said or ''}".strip()
            self.history.settle(self.event.run.run_id, outcome, format_instant(self.now), reason)
        done = prod in ("restored", "removed")
        return self._answer("rolled_back" if done else "nothing_to_roll_back", prod, config)

    def restoring(self, config: str | None) -> Rollback:
        """Raises `RollbackFailed` when this has gone on for too long."""
        waited = (self.now - parse_instant(self.event.started_at)).total_seconds()
        if waited > PATIENCE_SECONDS:
            raise RollbackFailed(
                f"Endpoint {self.event.run.prod_endpoint} is not back on {config or 'nothing'} after "
                f"{PATIENCE_SECONDS // 60} minutes: look at it with `titanic endpoints`."
            )
        return self._answer("rolling_back", "restoring", config)

    def _answer(self, status: str, prod: str, config: str | None) -> Rollback:
        return Rollback.model_validate(
            {
                "status": status,
                "prod": prod,
                "endpoint_config_name": config,
                "started_at": self.event.started_at,
            }
        )


def roll_back(
    event: RollBackEndpointEvent, settings: Settings, *, sagemaker: Client, s3: Client, now: datetime
) -> Rollback:
    """Does the next thing there is to do. Raises `RollbackFailed`."""
    endpoint = event.run.prod_endpoint
    history = ServingHistory(s3, settings.data_bucket, endpoint)
    attempt = Attempt(event, history, sagemaker, now)
    entry, found = history.of_run(event.run.run_id), find_endpoint(sagemaker, endpoint)
    if entry is None or entry["outcome"] == "refused":
        return attempt.settled("untouched", found["EndpointConfigName"] if found else None)
    return _step(attempt, entry, found)


def _step(attempt: Attempt, entry: Entry, found: Description | None) -> Rollback:
    previous: str | None = entry["previous_endpoint_config_name"]
    if found is None:
        removed = previous is None and entry["outcome"] == "removed"
        return attempt.settled("removed" if removed else "gone", None, None if removed else "gone")
    status, config = found["EndpointStatus"], found["EndpointConfigName"]
    if status in IN_PROGRESS:
        return attempt.restoring(previous)
    if config not in (previous, entry["endpoint_config_name"]):
        return attempt.settled("overtaken", config)
    if previous is None:
        return _remove(attempt)
    if status != "InService":
        raise RollbackFailed(
            f"Endpoint {found['EndpointName']} is {status} ({found.get('FailureReason', 'no reason given')}) "
            f"and can only be deleted: delete it, then create it again with the configuration {previous}."
        )
    if config == previous:
        return attempt.settled("restored", previous, "rolled_back", found.get("FailureReason"))
    attempt.sagemaker.update_endpoint(EndpointName=found["EndpointName"], EndpointConfigName=previous)
    return attempt.restoring(previous)


def _remove(attempt: Attempt) -> Rollback:
    """There was no endpoint before the run: one that failed its verification must not go on answering."""
    sagemaker, endpoint = attempt.sagemaker, attempt.event.run.prod_endpoint
    removal: Callable[[], object] = lambda: sagemaker.delete_endpoint(EndpointName=endpoint)  # noqa: E731
    delete(removal)
    return attempt.settled("removed", None, "removed")
