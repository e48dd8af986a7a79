"""An execution's history, read as the states it went through. Pure: events in, visits and rows out.

Step Functions reports events (`TaskStateEntered`, `TaskFailed`, …); a person wants states, how long each
took, and which one is running. `ops.watch` feeds a `History` while a run goes on, `titanic runs show`
when it is over. Only machines without Parallel and Map states are understood, which is all we have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from functions.common.causes import explain

TERMINAL = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}
_TRY_FAILED = ("Failed", "TimedOut")


@dataclass(frozen=True)
class Failure:
    """An error as Step Functions reports it: a name to match on and a cause to read."""

    error: str
    cause: str


@dataclass
class Visit:
    """One stay in one state. `failure` is that of the last try; retries before a success leave none."""

    name: str
    kind: str
    entered_at: datetime
    exited_at: datetime | None = None
    tries: int = 0
    failure: Failure | None = None

    def seconds(self, now: datetime) -> float:
        """How long it lasted, or has lasted by `now`."""
        return max(0.0, ((self.exited_at or now) - self.entered_at).total_seconds())


@dataclass
class Row:
    """A line of the display: one state, or a loop of states folded into one (`rounds` > 1)."""

    first: Visit
    last: Visit
    rounds: int = 1

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def running(self) -> bool:
        return self.last.exited_at is None

    @property
    def failure(self) -> Failure | None:
        return self.last.failure

    @property
    def tries(self) -> int:
        """Attempts of the one visit; a loop's rounds are not attempts."""
        return self.first.tries if self.first is self.last else 1

    def seconds(self, now: datetime) -> float:
        """From first entry to last exit: for a loop that includes its waits."""
        return max(0.0, ((self.last.exited_at or now) - self.first.entered_at).total_seconds())


@dataclass
class History:
    """What is known of an execution so far. Feed it events in order; repeated ones are ignored."""

    visits: list[Visit] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """One per state in the order of first entry, loops folded."""
    status: str = "RUNNING"
    failure: Failure | None = None
    data: dict[str, Any] = field(default_factory=dict)
    """The state machine's data after the last state that kept it whole (it holds `run`)."""
    last_event_id: int = 0
    _row_of: dict[str, int] = field(default_factory=dict)

    def apply(self, events: Iterable[Mapping[str, Any]]) -> bool:
        """Takes in what is new among `events`; true when anything was."""
        before = self.last_event_id
        for event in sorted(events, key=lambda event: int(event["id"])):
            if event["id"] > self.last_event_id:
                self.last_event_id = int(event["id"])
                self._apply_one(event)
        return self.last_event_id > before

    @property
    def finished(self) -> bool:
        return self.status != "RUNNING"

    def failed_visit(self) -> Visit | None:
        """The state that went wrong first: the recording that follows is not what failed."""
        return next((visit for visit in self.visits if visit.failure and visit.kind != "Fail"), None)

    def _apply_one(self, event: Mapping[str, Any]) -> None:
        kind, moment = str(event["type"]), event["timestamp"]
        if kind.endswith("StateEntered"):
            self._enter(kind.removesuffix("StateEntered"), event["stateEnteredEventDetails"], moment)
        elif kind.endswith("StateExited"):
            self._exit(event["stateExitedEventDetails"], moment)
        elif kind in TERMINAL:
            self._end(kind, event, moment)
        elif self.visits:
            _note_try(self.visits[-1], kind, _details(event))

    def _enter(self, kind: str, details: Mapping[str, Any], moment: datetime) -> None:
        self._close(moment)
        visit = Visit(details["name"], kind, moment)
        self.visits.append(visit)
        self._add_to_rows(visit)
        self._remember(details.get("input"))

    def _add_to_rows(self, visit: Visit) -> None:
        position = self._row_of.setdefault(visit.name, len(self.rows))
        if position == len(self.rows):
            self.rows.append(Row(visit, visit))
            return
        loop = self.rows[position]
        del self.rows[position + 1 :]
        self._row_of = {name: min(row, position) for name, row in self._row_of.items()}
        loop.last = visit
        loop.rounds += visit.name == loop.name

    def _exit(self, details: Mapping[str, Any], moment: datetime) -> None:
        self._close(moment)
        self._remember(details.get("output"))

    def _end(self, kind: str, event: Mapping[str, Any], moment: datetime) -> None:
        interrupted = next((v for v in self.visits[-1:] if v.exited_at is None), None)
        self._close(moment)
        self.status = TERMINAL[kind]
        if self.status != "SUCCEEDED":
            self.failure = _failure_in(_details(event), unnamed=kind)
            if interrupted:
                interrupted.failure = self.failure

    def _close(self, moment: datetime) -> None:
        if self.visits and self.visits[-1].exited_at is None:
            self.visits[-1].exited_at = moment

    def _remember(self, document: str | None) -> None:
        data = _json_object(document)
        if "run" in data or "record" in data or "error" in data:
            self.data = data


def _note_try(visit: Visit, kind: str, details: Mapping[str, Any]) -> None:
    if kind.endswith("Scheduled"):
        visit.tries += 1
        visit.failure = None
    elif kind.endswith(_TRY_FAILED):
        visit.failure = _failure_in(details)


def _failure_in(details: Mapping[str, Any], unnamed: str = "") -> Failure:
    return Failure(str(details.get("error") or unnamed), str(details.get("cause") or ""))


def _details(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one `…EventDetails` object of an event; some events have none."""
    found = [value for key, value in event.items() if key.endswith("EventDetails")]
    return found[0] if found else {}


def _json_object(document: str | None) -> dict[str, Any]:
    try:
        loaded = json.loads(document or "{}")
    except json.JSONDecodeError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def in_words(failure: Failure) -> Failure:
    """The failure as a person should read it: services wrap theirs in JSON, prefixes and tracebacks."""
    said = explain(failure.error, failure.cause)
    return Failure(said.error, said.words)


def new_events(client: Any, execution_arn: str, after: int) -> list[dict[str, Any]]:
    """Events with an id above `after`, oldest first.

    Reads backwards from the newest, so that one more look at a long run costs one page.
    """
    found: list[dict[str, Any]] = []
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn,
        reverseOrder=True,
        includeExecutionData=True,
        PaginationConfig={"PageSize": 100},
    )
    for page in pages:
        fresh = [event for event in page["events"] if event["id"] > after]
        found += fresh
        if len(fresh) < len(page["events"]):
            break
    return found[::-1]


def read(client: Any, execution_arn: str) -> History:
    """The history of an execution up to now."""
    history = History()
    history.apply(new_events(client, execution_arn, after=0))
    return history
