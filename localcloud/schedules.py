"""When a schedule is due: the `at()`, `rate()` and `cron()` expressions of EventBridge Scheduler.

Instants are seconds since 1970. A wall clock in the schedule's time zone decides about `at()` and `cron()`:
what falls into the hour that spring skips is skipped, what falls into the hour that autumn repeats happens
once. `rate()` counts real time, a day is 24 hours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


class InvalidSchedule(ValueError):
    """The expression or its time zone is not one that EventBridge Scheduler takes."""


class Times(Protocol):
    """The instants at which a schedule is due."""

    look_back: ClassVar[float]
    """Seconds by which an instant may lie before the schedule's creation and still count."""

    def after(self, instant: float) -> float | None:
        """The first one later than `instant`; None when there is none."""


@dataclass(frozen=True)
class At:
    """Once. AWS is exact to the minute, so the minute in which a schedule is created is not too late."""

    look_back: ClassVar[float] = 60.0
    instant: float

    def after(self, instant: float) -> float | None:
        return self.instant if self.instant > instant else None


@dataclass(frozen=True)
class Rate:
    """Every `seconds`, beginning at `first`."""

    look_back: ClassVar[float] = 0.0
    first: int
    seconds: int

    def after(self, instant: float) -> float | None:
        if instant < self.first:
            return self.first
        return self.first + (math.floor((instant - self.first) / self.seconds) + 1) * self.seconds


@dataclass(frozen=True)
class Cron:
    """At the minutes that `fields`, MiniStack's parsed expression, name on a wall clock in `zone`."""

    look_back: ClassVar[float] = 0.0
    fields: Any
    zone: ZoneInfo

    def after(self, instant: float) -> float | None:
        from ministack.services.eventbridge import _cron_next_fire

        wall = self._wall(instant)
        while (wall := _cron_next_fire(self.fields, wall)) is not None:
            due = wall.replace(tzinfo=self.zone).timestamp()
            skipped_by_spring = self._wall(due) != wall
            if due > instant and not skipped_by_spring:
                return float(due)
        return None

    def _wall(self, instant: float) -> datetime:
        """What a clock in the zone shows, written as if it were UTC: MiniStack counts in UTC only."""
        return datetime.fromtimestamp(instant, self.zone).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Between:
    """Those of `times` that are not before `start` and not after `end`."""

    look_back: ClassVar[float] = 0.0
    times: Times
    start: float
    end: float

    def after(self, instant: float) -> float | None:
        due = self.times.after(max(instant, self.start - 0.001))  # the start itself counts
        return due if due is not None and due <= self.end else None


def times_of(schedule: Mapping[str, Any]) -> Times:
    """When `schedule`, a record as the API takes it, is due. Raises `InvalidSchedule`.

    `CreationDate` is where a rate without `StartDate` begins counting; it may be missing.
    """
    expression = str(schedule["ScheduleExpression"])
    zone = _zone(schedule.get("ScheduleExpressionTimezone") or "UTC")
    start, end = _instant(schedule.get("StartDate")), _instant(schedule.get("EndDate"))
    once = _AT.fullmatch(expression)
    if once:
        return At(_moment(once[1], expression).replace(tzinfo=zone).timestamp())
    begins = math.floor(schedule.get("CreationDate", 0.0)) + 1 if start is None else math.ceil(start)
    return Between(
        _recurring(expression, zone, begins),
        -math.inf if start is None else start,
        math.inf if end is None else end,
    )


def _recurring(expression: str, zone: ZoneInfo, begins: int) -> Times:
    from ministack.services.eventbridge import _parse_cron_fields, _parse_rate_seconds

    seconds = _parse_rate_seconds(expression)
    if seconds:
        return Rate(begins, seconds)
    fields = _parse_cron_fields(expression)
    if fields is None or not _are_in_range(fields):
        raise InvalidSchedule(f"Invalid Schedule Expression {expression}.")
    return Cron(fields, zone)


def _are_in_range(fields: Any) -> bool:
    """Whether every field names something there is: MiniStack takes an hour 25, and then breaks on it."""
    minutes, hours, days, months, weekdays, years, *_text = fields
    plain = [(minutes, 0, 59), (hours, 0, 23), (months, 1, 12)]
    if years is not None:
        plain.append((years, 1970, 2199))
    special = [(days["days"], 1, 31), (weekdays["days"], 1, 7)]  # beside L, W and #, which it checks
    return all(values and low <= min(values) <= max(values) <= high for values, low, high in plain) and all(
        low <= value <= high for values, low, high in special for value in values
    )


def _moment(text: str, expression: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidSchedule(f"Invalid Schedule Expression {expression}.") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidSchedule(f"Invalid Schedule Expression Timezone {name}.") from error


def _instant(value: float | str | None) -> float | None:
    """A date of a request: a number, or text from clients that write ISO 8601."""
    if value is None:
        return None
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)
