"""Which states an execution went through and how long each took, from its history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.common.clients import Client
from functions.common.instants import format_instant

ENDS = ("ExecutionAborted", "ExecutionTimedOut", "ExecutionFailed", "ExecutionSucceeded")


@dataclass(frozen=True)
class Visit:
    """One stay in a state. `exited_at` is None while it lasts; `input` is None unless data was asked for.

    `failed` is that of the last try: a retry that succeeded leaves none.
    """

    name: str
    entered_at: datetime
    exited_at: datetime | None = None
    failed: bool = False
    input: str | None = None

    @property
    def document(self) -> Any:
        """The state document as this state got it."""
        return json.loads(self.input) if self.input else {}


def read_visits(states: Client, execution_arn: str, *, with_data: bool = False) -> tuple[Visit, ...]:
    """The execution's states in order, up to now or to its end."""
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=with_data
    )
    return visits_of(event for page in pages for event in page["events"])


def visits_of(events: Iterable[Mapping[str, Any]]) -> tuple[Visit, ...]:
    """What comes after the end counts for nothing: an abandoned task may still report."""
    visits: list[Visit] = []
    for event in events:
        kind = event["type"]
        if kind in ENDS:
            break
        if kind.endswith("StateEntered"):
            details = event["stateEnteredEventDetails"]
            visits.append(Visit(details["name"], event["timestamp"], input=details.get("input")))
        elif visits:
            visits[-1] = replace(visits[-1], **_change(kind, event["timestamp"]))
    return tuple(visits)


def _change(kind: str, moment: datetime) -> dict[str, Any]:
    if kind.endswith("StateExited"):
        return {"exited_at": moment}
    if kind.endswith(("Failed", "TimedOut")):
        return {"failed": True}
    return {"failed": False} if kind.endswith("Succeeded") else {}


def finished(visits: Iterable[Visit]) -> tuple[Visit, ...]:
    """Without the state that is still running, which for a recorder is the recorder's own."""
    return tuple(visit for visit in visits if visit.exited_at is not None)


def failed_state(visits: Iterable[Visit], error: str) -> str | None:
    """Where a failed execution went wrong, given `$.error.Error`.

    A Pass state that declares a failure is named like its error (TrainingFailed, TrainingTimedOut).
    Otherwise it is the first state whose task failed for good: what comes after it is tidying up.
    """
    ended = finished(visits)
    names = [visit.name for visit in ended]
    if error in names:
        return error
    failed = [visit.name for visit in ended if visit.failed]
    return next(iter(failed or names[-1:]), None)


def timings(visits: Iterable[Visit], now: datetime) -> list[dict[str, Any]]:
    """Per state in order of first entry: `name`, `entered_at`, `seconds` in all and the number of `visits`.

    A polling loop thus takes three lines, not hundreds. A state that has not ended counts up to `now`.
    """
    totals: dict[str, dict[str, Any]] = {}
    for visit in visits:
        total = totals.setdefault(
            visit.name,
            {"name": visit.name, "entered_at": format_instant(visit.entered_at), "seconds": 0.0, "visits": 0},
        )
        stay = ((visit.exited_at or now) - visit.entered_at).total_seconds()
        total["seconds"] = round(total["seconds"] + stay, 3)
        total["visits"] += 1
    return list(totals.values())
