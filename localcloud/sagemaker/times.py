"""Timestamps: seconds since 1970 in the API's JSON, ISO 8601 in events and definitions."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> float:
    """Milliseconds are all that SageMaker keeps."""
    return round(time.time(), 3)


def iso(seconds: float) -> str:
    """`2026-11-21T06:41:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(value: float | str) -> float:
    """A timestamp parameter, which a client may write as a number or as ISO 8601."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return float(value)
