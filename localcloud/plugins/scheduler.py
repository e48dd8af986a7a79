"""EventBridge Scheduler: schedules that fire when they are due, with the input AWS would give.

MiniStack looks every ten seconds, reads time zones as UTC, delivers `<aws.scheduler.scheduled-time>` as that
literal, forgets what cannot be delivered, and accepts expressions that never come true. What fell due while
no cloud ran is not made up for.

Registration points: `scheduler.start_scheduler`, `_create_schedule`, `_update_schedule`.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud import deliveries, schedules
from localcloud.settings import settings
from localcloud.trust import trusts

logger = logging.getLogger("localcloud.scheduler")

PRINCIPAL = "scheduler.amazonaws.com"
LONGEST_SLEEP_SECONDS = 60.0  # a computer that was asleep notices what it missed after waking

Key = tuple[str, str, str]  # account, region, "group/name"
Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


@dataclass
class Watched:
    """A schedule and when it is next due. An update makes a new record, so it is watched anew."""

    record: Record
    times: schedules.Times | None
    due: float | None

    def move_past(self, instant: float) -> None:
        self.due = self.times.after(instant) if self.times else None


class Timekeeper:
    """Fires each schedule when it is due, from one thread that sleeps until the next one is.

    `records` are the schedules there are now; `fire` is told key, record, due time and whether there will
    be another one, and must return at once.
    """

    def __init__(
        self,
        records: Callable[[], Mapping[Key, Record]],
        fire: Callable[[Key, Record, float, bool], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._fire, self._now = records, fire, now
        self._changed = threading.Condition()
        self._watched: dict[Key, Watched] = {}
        self._began = now()
        self._thread: threading.Thread | None = None
        self.stopped = threading.Event()

    def start(self) -> None:
        """Called again, it changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="timekeeper", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Nothing fires after this returns."""
        with self._changed:
            self.stopped.set()
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    def look_again(self) -> None:
        """A schedule was made or changed."""
        with self._changed:
            self._changed.notify_all()

    def fire_due(self) -> float:
        """Fires what is due now, each schedule at most once; seconds until the next one is."""
        now = self._now()
        self._watch_changes(now)
        for key, watched in self._watched.items():
            due = watched.due
            if due is not None and due <= now:
                watched.move_past(now)
                self._fire(key, watched.record, due, watched.due is not None)
        ahead = [watched.due - now for watched in self._watched.values() if watched.due is not None]
        return min(ahead, default=LONGEST_SLEEP_SECONDS)

    def _run(self) -> None:
        with self._changed:
            while not self.stopped.is_set():
                self._changed.wait(min(self.fire_due(), LONGEST_SLEEP_SECONDS))

    def _watch_changes(self, now: float) -> None:
        records = dict(self._records())
        for key in self._watched.keys() - records.keys():
            del self._watched[key]
        for key, record in records.items():
            known = self._watched.get(key)
            if known is None or known.record is not record:
                self._watched[key] = self._watch(record, now)

    def _watch(self, record: Record, now: float) -> Watched:
        if record.get("State") != "ENABLED":
            return Watched(record, None, None)
        try:
            times = schedules.times_of(record)
        except schedules.InvalidSchedule as error:  # only from a state folder that an older cloud left
            logger.warning("%s never fires: %s", record["Arn"], error)
            return Watched(record, None, None)
        changed = float(record.get("LastModificationDate", now))
        restored = changed < self._began
        return Watched(record, times, times.after(self._began if restored else changed - times.look_back))


@dataclass
class Invocation:
    """One firing of a schedule: its attempts, and the dead letter if none succeeds."""

    record: Record
    due: float
    pause: Callable[[float], bool]
    execution_id: str = ""
    payload: str = ""

    def run(self) -> None:
        target = self.record["Target"]
        failure = deliveries.persevere(self._attempt, deliveries.RetryPolicy.of(target), self.pause)
        if failure:
            deliveries.set_aside(target, self.payload, self._attributes(failure), self._role)

    @property
    def _role(self) -> deliveries.Role:
        return deliveries.Role(self.record["Target"]["RoleArn"])

    def _attempt(self, number: int) -> None:
        self.execution_id = secrets.token_hex(8)
        self.payload = self._input(number)
        deliveries.deliver(self.record["Target"], self.payload, self._role)

    def _input(self, number: int) -> str:
        text = str(self.record["Target"].get("Input") or self._default_input())
        attributes = {
            "attempt-number": str(number),
            "execution-id": self.execution_id,
            "schedule-arn": self.record["Arn"],
            "scheduled-time": _iso(self.due),
        }
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text

    def _default_input(self) -> str:
        """What a target without `Input` is told."""
        here = settings()
        notification = {
            "version": "0",
            "id": self.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": here.account_id,
            "time": _iso(self.due),
            "region": here.region,
            "resources": [self.record["Arn"]],
            "detail": "{}",
        }
        return json.dumps(notification)

    def _attributes(self, failure: deliveries.Failure) -> dict[str, str]:
        return failure.attributes() | {
            "ERROR_CODE": failure.error.code,
            "EXECUTION_ID": self.execution_id,
            "IS_PAYLOAD_TRUNCATED": "false",
            "SCHEDULED_TIME": _iso(self.due),
            "SCHEDULE_ARN": self.record["Arn"],
            "TARGET_ARN": self.record["Target"]["Arn"],
        }


def fire(key: Key, record: Record, due: float, again: bool) -> None:
    """Invokes the schedule's target in a thread of its own: a slow one keeps no other waiting."""
    threading.Thread(
        target=_invoke, args=(key, record, due, again), name=f"schedule-{record['Name']}", daemon=True
    ).start()


def create_schedule(original: Callable[[str, Record], Response]) -> Callable[[str, Record], Response]:
    """Wraps `_create_schedule` and `_update_schedule`: refuses what AWS refuses, wakes the timekeeper."""

    def create(name: str, body: Record) -> Response:
        from ministack.services import scheduler

        refused = _refusal(body)
        if refused:
            answer: Response = scheduler._error(400, "ValidationException", refused)
            return answer
        response = original(name, body)
        timekeeper.look_again()
        return response

    return create


def install() -> None:
    from ministack.services import scheduler

    scheduler.start_scheduler = timekeeper.start
    scheduler._create_schedule = create_schedule(scheduler._create_schedule)
    scheduler._update_schedule = create_schedule(scheduler._update_schedule)


def _records() -> Mapping[Key, Record]:
    from ministack.services import scheduler

    records: Mapping[Key, Record] = scheduler._schedules._data
    return records


timekeeper = Timekeeper(_records, fire)


def _invoke(key: Key, record: Record, due: float, again: bool) -> None:
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import scheduler

    account_id, region, _name = key
    set_request_account_id(account_id)
    set_request_region(region)
    Invocation(record, due, pause=timekeeper.stopped.wait).run()
    finished = not again and record.get("ActionAfterCompletion") == "DELETE"
    if finished and scheduler._schedules._data.get(key) is record:
        del scheduler._schedules._data[key]


def _refusal(body: Record) -> str | None:
    """Why AWS would not take this schedule; None where it would, or where MiniStack says so itself."""
    target = body.get("Target") or {}
    if not (body.get("ScheduleExpression") and target.get("Arn") and target.get("RoleArn")):
        return None
    try:
        schedules.times_of(body)
    except schedules.InvalidSchedule as error:
        return str(error)
    service = target["Arn"].split(":")[2] if target["Arn"].count(":") >= 5 else ""
    if service not in deliveries.TARGETS:
        known = ", ".join(deliveries.TARGETS)
        return f"The local cloud starts targets of {known} only, not {target['Arn']}."
    if service in ("lambda", "states") and not _is_json(target.get("Input") or "{}"):
        return f"Invalid RequestJson provided. Reason The field 'Input' is not valid JSON: {target['Input']}"
    if settings().enforce_iam and not trusts(target["RoleArn"], PRINCIPAL):
        return "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _iso(instant: float) -> str:
    """`2026-11-21T05:00:00Z`."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
