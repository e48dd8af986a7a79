"""Names of a run, from its execution alone: a retry, a recorder and a person all compute the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.common.instants import parse_instant


@dataclass(frozen=True)
class RunIdentity:
    """`run_id` is `<yyyymmdd>-<10 hex>`; `client_request_token` is 64 hex, within SageMaker's 32 to 128."""

    run_id: str
    run_date: str
    client_request_token: str


def identify(execution_arn: str, started_at: datetime, execution_input: Any) -> RunIdentity:
    """The run of an execution. Called by InitRun and by both recorders, which may never see `$.run`.

    The date is the scheduled one where the input has it, so that a late start keeps its day. An input
    that InitRun refuses falls back to the start date.
    """
    digest = hashlib.sha256(execution_arn.encode()).hexdigest()
    date = (_scheduled_time(execution_input) or started_at).date()
    return RunIdentity(
        run_id=f"{date:%Y%m%d}-{digest[:10]}",
        run_date=date.isoformat(),
        client_request_token=digest,
    )


def _scheduled_time(execution_input: Any) -> datetime | None:
    if not isinstance(execution_input, dict) or "scheduled_time" not in execution_input:
        return None
    try:
        return parse_instant(execution_input["scheduled_time"])
    except (TypeError, ValueError):
        return None
