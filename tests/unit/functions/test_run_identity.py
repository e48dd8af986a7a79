from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.common.instants import format_instant, parse_instant
from functions.common.run_identity import identify

STARTED = datetime(2026, 11, 21, 6, 54, tzinfo=UTC)


def test_another_execution_is_another_run() -> None:
    assert identify("arn:a", STARTED, {}) == identify("arn:a", STARTED, {})
    assert identify("arn:a", STARTED, {}).run_id != identify("arn:b", STARTED, {}).run_id


@pytest.mark.parametrize(
    "execution_input",
    [
        None,
        [],
        "text",
        {},
        {"scheduled_time": None},
        {"scheduled_time": 5},
        {"scheduled_time": "soon"},
        {"scheduled_time": "2026-11-20T06:00:00"},
    ],
)
def test_an_input_without_a_usable_schedule_falls_back_to_the_start_date(execution_input: Any) -> None:
    assert identify("arn:a", STARTED, execution_input).run_date == "2026-11-21"


def test_the_token_fits_sagemaker() -> None:
    assert 32 <= len(identify("arn:a", STARTED, {}).client_request_token) <= 128


@pytest.mark.parametrize(
    "text", ["2026-11-21T06:54:00Z", "2026-11-21T07:54:00+01:00", "2026-11-21T06:54:00.000Z"]
)
def test_an_instant_is_read_in_any_zone_and_written_in_one_form(text: str) -> None:
    assert format_instant(parse_instant(text)) == "2026-11-21T06:54:00.000Z"


@pytest.mark.parametrize("text", ["", "21/11/2026", "2026-11-21", "2026-11-21T06:54:00", "06:54:00Z"])
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Python's own
        parse_instant(text)
