"""Points in time: parsed strictly, written in one form."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """ISO 8601 with a time zone, in UTC. Raises `ValueError` for anything else.

    Without a zone the same text would mean another day elsewhere, so it is refused.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """`2026-11-21T06:54:22.123Z`: sorts as text, and a Choice state can compare it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
