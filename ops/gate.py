"""The manual gate of a promotion: state `RequestApproval` waits for a person, who confirms or declines.

What the state waits with, its task token, lies in the data bucket: it is worth the same as the permission
to promote, so it is in no message, and who answers needs to read it there.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops import runs
from ops.aws_errors import error_code
from ops.errors import GateClosed, OpsError, RunNotFound, UsageError
from ops.runs import Run
from ops.target import Target

LATEST = "latest"
START_SECONDS = 60
"""Longest that an approval may take to start its promotion."""
_GONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


@dataclass(frozen=True)
class Answer:
    """What a person said at the gate, and when."""

    run: Run
    confirmed: bool
    by: str
    at: str
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run.run_id,
            "execution_arn": self.run.execution_arn,
            "confirmed": self.confirmed,
            "by": self.by,
            "at": self.at,
            "reason": self.reason,
        }


def find_waiting(target: Target, wanted: str) -> Run:
    """The promotion meant; `latest` is the newest that goes on. Raises `RunNotFound`, `UsageError`."""
    if wanted == LATEST:
        run = next(iter(running(target)), None)
        if run is None:
            raise RunNotFound(
                f"No promotion is going on in {target.label}. `titanic runs` lists those there were."
            )
        return run
    run = runs.find_run(target, wanted)
    if run.kind != runs.PROMOTION:
        raise UsageError(
            f"Run {run.run_id} is a {run.title.lower()} run: only a promotion waits for a person."
        )
    return run


def running(target: Target) -> list[Run]:
    """The promotions that go on, newest first."""
    return runs.running(target, runs.PROMOTION)


def started_by_approval(target: Target, package_arn: str) -> Run:
    """The promotion that the approval of a version has started. Raises `OpsError` where none comes."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for summary in runs.executions(target, runs.PROMOTION):
            run = runs.describe_run(target, summary["executionArn"])
            if run.input.get("model_package_arn") == package_arn:
                return run
        time.sleep(target.poll_seconds)
    raise OpsError(
        f"The approval of {package_arn} has started no promotion: look whether the rule "
        f"{target.names.rule('approved_version')} is enabled. `titanic promote VERSION` starts one by hand."
    )


def wait_until_asked(target: Target, run: Run) -> None:
    """Returns when the gate can be answered, or the run has ended without asking."""
    while _request(target, run.run_id) is None and runs.describe_run(target, run.execution_arn).running:
        time.sleep(target.poll_seconds)


def answer(target: Target, run: Run, reason: str | None, *, confirmed: bool) -> Answer:
    """Lets the promotion go on to prod, or ends it before. Raises `GateClosed` when it does not wait."""
    said = " ".join((reason or "").split()) or None
    given = Answer(run, confirmed, target.identity["Arn"], runs.iso(datetime.now(UTC)), said)
    output = {
        "decision": "approved" if confirmed else "declined",
        "by": given.by,
        "at": given.at,
        "reason": given.reason,
    }
    _send(target, run, json.dumps(output))
    return given


def approval_key(run_id: str) -> str:
    """Where state `RequestApproval` leaves what is needed to answer it."""
    return f"serving/approvals/{run_id}.json"


def _send(target: Target, run: Run, output: str) -> None:
    """Answers the waiting task; whoever is second hears that somebody was first."""
    from botocore.exceptions import ClientError

    token = _token(target, run)
    try:
        target.client("stepfunctions").send_task_success(taskToken=token, output=output)
    except ClientError as error:
        if error_code(error) not in _GONE:
            raise
        raise GateClosed(_too_late(runs.describe_run(target, run.execution_arn))) from error


def _token(target: Target, run: Run) -> str:
    if not run.running:
        raise GateClosed(_too_late(run))
    request = _request(target, run.run_id)
    if request is None:
        raise GateClosed(
            f"Promotion {run.run_id} has not come to its gate yet: nothing was asked. `titanic runs show "
            f"{run.run_id}` tells how far it is; staging is deployed and tested first."
        )
    return str(request["task_token"])


def _too_late(run: Run) -> str:
    now = "goes on" if run.running else f"has ended: {run.decision or run.status.lower()}"
    return (
        f"Promotion {run.run_id} does not wait for an answer any more: it was answered, or the time was "
        f"over, and the run {now}. `titanic runs show {run.run_id}` tells who answered, and what came of it."
    )


def _request(target: Target, run_id: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        found = target.client("s3").get_object(Bucket=target.names["data_bucket"], Key=approval_key(run_id))
    except ClientError as error:
        if error_code(error) in {"NoSuchKey", "404", "NotFound"}:
            return None
        raise
    loaded: dict[str, Any] = json.loads(found["Body"].read())
    return loaded
