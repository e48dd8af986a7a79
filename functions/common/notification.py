"""The one message about a run that reaches a person. Pure functions: a manifest in, a text out.

SNS takes a subject of fewer than 100 ASCII characters without line breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.common.training_run import four_digits, package_version, shortfalls

LONGEST_SUBJECT = 99
DEFAULT_ENV = "dev"  # what the operator's command assumes

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Notification:
    """What SNS publishes."""

    subject: str
    message: str


def build_notification(manifest: Manifest, manifest_uri: str, env: str) -> Notification:
    """The message for a run's manifest: what happened, why, where to look and what to type."""
    headline = _headline(manifest)
    paragraphs = [
        f"{headline} ({env}).",
        _why(manifest),
        _metrics_table(manifest["checks"]),
        _where(manifest, manifest_uri),
        "\n".join(["Next:", *(f"  {command}" for command in next_commands(manifest, env))]),
    ]
    return Notification(
        subject=_subject(f"[{env}] {headline}"),
        message="\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n",
    )


def console_link(execution_arn: str) -> str:
    """The execution in the AWS console."""
    region = execution_arn.split(":")[3]
    return (
        f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        f"#/v2/executions/details/{execution_arn}"
    )


def next_commands(manifest: Manifest, env: str) -> list[str]:
    """The commands that take the matter on, the first one first."""
    show = f"titanic runs show {manifest['run_id']}"
    approve = f"titanic approve {package_version(manifest['arns']['model_package'] or '')}"
    commands = [approve, show] if _awaits_approval(manifest) else [show]
    return [f"{command}{'' if env == DEFAULT_ENV else f' --env {env}'}" for command in commands]


def _headline(manifest: Manifest) -> str:
    outcome, failure = manifest["outcome"], manifest["failure"]
    if failure:
        verb = {"failed": "failed", "aborted": "was stopped", "timed_out": "timed out"}[outcome]
        place = failure["step"] or failure["state"]
        reason = f": {failure['error']}" if outcome == "failed" else ""
        return f"Training {verb}{f' at {place}' if place else ''}{reason}"
    if outcome == "rejected":
        return f"Model rejected: {', '.join(shortfalls(manifest['checks']))}"
    version = package_version(manifest["arns"]["model_package"])
    return f"Model version {version} registered, {_approval(manifest)}"


def _approval(manifest: Manifest) -> str:
    if _awaits_approval(manifest):
        return "awaits your approval"
    return "approved" if manifest["approval"]["status"] == "Approved" else str(manifest["approval"]["status"])


def _awaits_approval(manifest: Manifest) -> bool:
    outcome, status = manifest["outcome"], manifest["approval"]["status"]
    return bool(outcome == "registered" and status == "PendingManualApproval")


def _why(manifest: Manifest) -> str:
    failure = manifest["failure"]
    if not failure:
        return ""
    lines = [("State", failure["state"]), ("Step", failure["step"]), ("Error", failure["error"])]
    return _pairs([*lines, ("Cause", failure["cause"])])


def _metrics_table(checks: list[dict[str, Any]]) -> str:
    """Metric, value, threshold and verdict in columns that line up in plain text."""
    if not checks:
        return ""
    rows = [f"{'metric':<10}{'value':>8}{'at least':>10}"]
    for check in checks:
        verdict = "passed" if check["passed"] else "below"
        value, least = four_digits(check["value"]), four_digits(check["threshold"])
        rows.append(f"{check['metric']:<10}{value:>8}{least:>10}  {verdict}")
    return "\n".join(rows)


def _where(manifest: Manifest, manifest_uri: str) -> str:
    return _pairs(
        [
            ("Run", manifest["run_id"]),
            ("Source", manifest["source_uri"]),
            ("Package", manifest["arns"]["model_package"]),
            ("Record", manifest_uri),
            ("Console", console_link(manifest["execution_arn"])),
        ]
    )


def _pairs(pairs: list[tuple[str, str | None]]) -> str:
    return "\n".join(f"{name + ':':<9}{value}" for name, value in pairs if value)


def _subject(text: str) -> str:
    """Within what SNS accepts; the message has it whole."""
    ascii_text = " ".join(text.encode("ascii", "replace").decode().split())
    return ascii_text if len(ascii_text) <= LONGEST_SUBJECT else ascii_text[: LONGEST_SUBJECT - 3] + "..."
