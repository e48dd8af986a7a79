"""When schedules are due. Madrid is an hour ahead of UTC, in summer two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from localcloud.schedules import InvalidSchedule, times_of


def utc(text: str) -> float:
    return datetime.fromisoformat(f"{text}Z").timestamp()


def due(expression: str, after: str, zone: str | None = None, **more: Any) -> str | None:
    """The next due time, in UTC."""
    record = {"ScheduleExpression": expression, "ScheduleExpressionTimezone": zone, **more}
    instant = times_of(record).after(utc(after))
    return None if instant is None else datetime.fromtimestamp(instant, UTC).isoformat()[:19]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("UTC", "2026-07-01T07:30:15"), ("Europe/Madrid", "2026-07-01T05:30:15"), (None, "2026-07-01T07:30:15")],
)
def test_at_is_a_wall_clock_time_in_its_zone(zone: str | None, expected: str) -> None:
    assert due("at(2026-07-01T07:30:15)", "2026-01-01T00:00:00", zone) == expected


def test_at_is_due_once() -> None:
    assert due("at(2026-07-01T07:30:15)", "2026-07-01T07:30:15") is None


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-01-10T00:00:00", "2026-01-12T04:00:00"),
        ("2026-01-12T04:00:00", "2026-01-19T04:00:00"),
        ("2026-03-28T00:00:00", "2026-03-30T03:00:00"),
        ("2026-10-24T00:00:00", "2026-10-26T04:00:00"),
    ],
)
def test_cron_keeps_its_wall_clock_time_in_summer_and_in_winter(after: str, expected: str) -> None:
    assert due("cron(0 5 ? * MON *)", after, "Europe/Madrid") == expected


def test_cron_skips_the_hour_that_spring_skips() -> None:
    assert due("cron(30 2 * * ? *)", "2026-03-28T12:00:00", "Europe/Madrid") == "2026-03-30T00:30:00"


def test_cron_happens_once_in_the_hour_that_autumn_repeats() -> None:
    nightly = ("cron(30 2 * * ? *)", "Europe/Madrid")
    first = due(nightly[0], "2026-10-24T12:00:00", nightly[1])
    assert first == "2026-10-25T00:30:00"
    assert due(nightly[0], first, nightly[1]) == "2026-10-26T01:30:00"


def test_cron_begun_within_the_repeated_hour_does_not_look_back() -> None:
    assert due("cron(30 2 * * ? *)", "2026-10-25T01:10:00", "Europe/Madrid") == "2026-10-26T01:30:00"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 9 L * ? *)", "2026-02-28T09:00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-03-02T09:00:00"),
        ("cron(*/15 * * * ? *)", "2026-02-10T12:15:00"),
        ("cron(0 0 1 1 ? 2030)", "2030-01-01T00:00:00"),
        ("cron(0 0 1 1 ? 2020)", None),
    ],
)
def test_cron_knows_awss_own_signs(expression: str, expected: str | None) -> None:
    assert due(expression, "2026-02-10T12:00:30") == expected


def test_a_rate_begins_at_once_and_counts_from_there() -> None:
    rate = {"CreationDate": utc("2026-01-01T00:00:07.5")}
    assert due("rate(5 minutes)", "2026-01-01T00:00:07", **rate) == "2026-01-01T00:00:08"
    assert due("rate(5 minutes)", "2026-01-01T00:00:08", **rate) == "2026-01-01T00:05:08"
    assert due("rate(1 day)", "2026-03-28T23:00:00", "Europe/Madrid", **rate) == "2026-03-29T00:00:08"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-01-01T00:00:00", "2026-02-01T00:00:00"),
        ("2026-02-01T00:00:00", "2026-02-01T01:00:00"),
        ("2026-02-01T02:00:00", None),
    ],
)
@pytest.mark.parametrize("expression", ["rate(1 hour)", "cron(0 * * * ? *)"])
def test_recurring_schedules_keep_to_their_dates(expression: str, after: str, expected: str | None) -> None:
    dates = {"StartDate": utc("2026-02-01T00:00:00"), "EndDate": "2026-02-01T02:00:00Z"}
    assert due(expression, after, **dates) == expected


def test_at_ignores_the_dates_of_recurring_schedules() -> None:
    dates = {"StartDate": utc("2027-01-01T00:00:00")}
    assert due("at(2026-07-01T07:30:15)", "2026-01-01T00:00:00", **dates) == "2026-07-01T07:30:15"


@pytest.mark.parametrize(
    "expression",
    [
        *("", "every monday", "at(tomorrow)", "at(2026-02-30T00:00:00)", "at(2026-02-01T00:00)"),
        *("rate(0 minutes)", "rate(5 seconds)", "rate(-1 hours)", "rate(1.5 hours)"),
        *("cron(0 5 * * *)", "cron(0 5 * * MON *)", "cron(0 25 ? * MON *)", "cron(0 5 ? * FUNDAY *)"),
        *("cron(60 5 ? * MON *)", "cron(0 5 32 * ? *)", "cron(0 5 ? 12-1 * *)", "cron(*/0 5 ? * * *)"),
    ],
)
def test_refuses_what_is_no_expression(expression: str) -> None:
    with pytest.raises(InvalidSchedule, match="Invalid Schedule Expression"):
        times_of({"ScheduleExpression": expression})


@pytest.mark.parametrize("zone", ["Madrid", "../etc/passwd", "Europe/Atlantis"])
def test_refuses_what_is_no_time_zone(zone: str) -> None:
    with pytest.raises(InvalidSchedule, match="Timezone"):
        times_of({"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": zone})
