"""Asks people whether a version may go to prod.

The token that opens the gate is kept in S3, encrypted, under the run's id: whoever may read it there may
answer. A mail holds only the command, because mails are forwarded.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.inputs import StrictModel
from functions.common.instants import format_instant
from functions.common.message import Message, command, console_link, pairs, runbook, write_message
from functions.common.promotion_run import CandidatePackage, Deployment, PromotionRun, SmokeTest, version_of
from functions.common.s3 import S3Uri
from functions.common.settings import Settings
from functions.common.training_run import four_digits


class RequestApprovalSettings(Settings):
    """Whom to ask, and how long the state waits for the answer."""

    alerts_topic_arn: str
    gate_seconds: int


class RequestApprovalEvent(StrictModel):
    """The task's payload."""

    run: PromotionRun
    package: CandidatePackage
    staging: Deployment
    smoke: SmokeTest
    task_token: str


def request_approval(
    event: RequestApprovalEvent, settings: RequestApprovalSettings, *, s3: Client, sns: Client, now: datetime
) -> S3Uri:
    """Keeps the token, then tells people. A retry has a new token, and the old one's place is taken."""
    expires = format_instant(now + timedelta(seconds=settings.gate_seconds))
    uri = approval_uri(settings.data_bucket, event.run.run_id)
    document = {
        "run_id": event.run.run_id,
        "execution_arn": event.run.execution_arn,
        "task_token": event.task_token,
        "model_package_arn": event.package.model_package_arn,
        "version": event.package.version,
        "requested_by": event.run.requested_by,
        "requested_at": format_instant(now),
        "expires_at": expires,
    }
    storage.write_json(s3, uri, document, ServerSideEncryption="AES256")
    text = write_request(event, expires, settings.env)
    sns.publish(TopicArn=settings.alerts_topic_arn, Subject=text.subject, Message=text.message)
    return uri


def approval_uri(bucket: str, run_id: str) -> S3Uri:
    """Where `titanic confirm` and `titanic decline` find the token."""
    return S3Uri(bucket, f"serving/approvals/{run_id}.json")


def write_request(event: RequestApprovalEvent, expires: str, env: str) -> Message:
    """What was found out, what prod serves now, and the two answers."""
    run, package = event.run, event.package
    live = package.live_model_package_arn
    facts = [
        ("Run", run.run_id),
        ("Asked by", run.requested_by),
        ("Package", package.model_package_arn),
        ("Training", package.training_run_id),
        ("Staging", event.staging.endpoint_name),
        (
            "Prod",
            f"{run.prod_endpoint}, now {f'version {version_of(live)}' if live else 'without a version'}",
        ),
        ("Until", f"{expires}; without an answer prod stays as it is"),
        ("Console", console_link(run.execution_arn)),
        ("Runbook", runbook("promotion-stuck-at-the-gate")),
    ]
    answers = [
        command(text, env)
        for text in (
            f"titanic confirm {run.run_id}",
            f"titanic decline {run.run_id} --reason '...'",
            f"titanic runs show {run.run_id}",
        )
    ]
    headline = f"Model version {package.version} passed in staging, awaits your word for prod"
    return write_message(env, headline, [_metrics(package), _smoke(event.smoke), pairs(facts)], answers)


def _metrics(package: CandidatePackage) -> str:
    return "\n".join(f"{name:<10}{four_digits(value):>8}" for name, value in package.metrics.items())


def _smoke(smoke: SmokeTest) -> str:
    latency = smoke.latency
    timed = (
        f"; a row takes {latency.p50:.0f} ms, at the 95th percentile {latency.p95:.0f} ms" if latency else ""
    )
    return f"Smoke test: {len(smoke.checks)} checks on {smoke.rows} rows passed{timed}."
