"""The one message about a run's end that reaches a person. Pure functions: a manifest in, a text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.common.batch_run import Drift
from functions.common.drift_message import drift_table, moved
from functions.common.message import Message, command, console_link, pairs, runbook, write_message
from functions.common.promotion_message import (
    PROMOTION_OUTCOMES,
    promotion_commands,
    promotion_headline,
    promotion_paragraphs,
)
from functions.common.training_run import four_digits, package_version, shortfalls

__all__ = ["build_notification", "console_link", "next_commands"]

MOST_VERSIONS = 5
WORK = {"training": "Training", "batch_inference": "Batch inference", "promotion": "Promotion"}
ENDINGS = {"failed": "failed", "aborted": "was stopped", "timed_out": "timed out"}
RUNBOOKS = {
    "training": "retrain-failed",
    "batch_inference": "no-predictions-today",
    "promotion": "regression-after-promotion",
}

Manifest = Mapping[str, Any]


def build_notification(manifest: Manifest, manifest_uri: str, env: str) -> Message:
    """The message for a run's manifest: what happened, why, where to look and what to type."""
    paragraphs = [
        _why(manifest),
        *(promotion_paragraphs(manifest) if manifest["kind"] == "promotion" else []),
        _waiting(manifest),
        _metrics_table(manifest["checks"]),
        _rows(manifest),
        _drift(manifest),
        _where(manifest, manifest_uri),
    ]
    return write_message(env, _headline(manifest), paragraphs, next_commands(manifest, env))


def next_commands(manifest: Manifest, env: str) -> list[str]:
    """The commands that take the matter on, the first one first."""
    commands = [*_first_commands(manifest), f"titanic runs show {manifest['run_id']}"]
    return [command(text, env) for text in commands]


def _first_commands(manifest: Manifest) -> list[str]:
    if manifest["kind"] == "promotion":
        return promotion_commands(manifest)
    if _awaits_approval(manifest):
        return [f"titanic approve {package_version(manifest['arns']['model_package'])}"]
    if manifest["outcome"] != "no_approved_model":
        return []
    waiting = manifest["waiting_versions"]
    return [f"titanic approve {waiting[0]}" if waiting else "titanic train", "titanic predict"]


def _headline(manifest: Manifest) -> str:
    outcome, failure = manifest["outcome"], manifest["failure"]
    if outcome in ENDINGS:
        place = failure["step"] or failure["state"]
        reason = f": {failure['error']}" if outcome == "failed" else ""
        return f"{WORK[manifest['kind']]} {ENDINGS[outcome]}{f' at {place}' if place else ''}{reason}"
    headlines = {
        "registered": _registered,
        "rejected": lambda manifest: f"Model rejected: {', '.join(shortfalls(manifest['checks']))}",
        "published": _published,
        "no_approved_model": _no_approved_model,
    } | dict.fromkeys(PROMOTION_OUTCOMES, promotion_headline)
    return headlines[outcome](manifest)


def _registered(manifest: Manifest) -> str:
    version = package_version(manifest["arns"]["model_package"])
    status = manifest["approval"]["status"]
    standing = "awaits your approval" if _awaits_approval(manifest) else str(status).lower()
    return f"Model version {version} registered, {standing}"


def _published(manifest: Manifest) -> str:
    drift = Drift.model_validate(manifest["drift"])
    return f"{manifest['predictions']['rows']} predictions published" + (
        f", drift in {moved(drift)}" if drift.above_threshold else ""
    )


def _no_approved_model(manifest: Manifest) -> str:
    waiting = manifest["waiting_versions"]
    which = "none is"
    if waiting:
        which = f"{'version' if len(waiting) == 1 else 'versions'} {_versions(waiting)}"
    return f"No predictions: no model is approved, {which} waiting"


def _versions(waiting: list[int]) -> str:
    """`9, 8 and 3`, and only the newest of many."""
    shown = [str(version) for version in waiting[:MOST_VERSIONS]]
    if len(waiting) > MOST_VERSIONS:
        return f"{', '.join(shown)} and {len(waiting) - MOST_VERSIONS} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _awaits_approval(manifest: Manifest) -> bool:
    outcome, status = manifest["outcome"], manifest["approval"]["status"]
    return bool(outcome == "registered" and status == "PendingManualApproval")


def _why(manifest: Manifest) -> str:
    failure = manifest["failure"]
    if not failure:
        return ""
    lines = [("State", failure["state"]), ("Step", failure["step"]), ("Error", failure["error"])]
    return pairs([*lines, ("Cause", failure["cause"])])


def _waiting(manifest: Manifest) -> str:
    if manifest["outcome"] != "no_approved_model":
        return ""
    waiting = manifest["waiting_versions"]
    if not waiting:
        return "No version waits for approval either: train one, then approve it."
    return (
        f"Waiting for approval, the newest first: {_versions(waiting)}.\n"
        f"`titanic models` compares them; approving one and starting again gives the predictions."
    )


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


def _rows(manifest: Manifest) -> str:
    """What became of the batch's rows, and whether readers of the latest set see them."""
    predictions, data = manifest.get("predictions"), manifest["data"] or {}
    if manifest["outcome"] != "published" or not predictions:
        return ""
    counted = [
        f"{data[key]} {word}" for key, word in (("rows_in", "in"), ("rows_quarantined", "quarantined"))
    ]
    latest = (
        "" if predictions["is_latest"] else "\nA later run's set stays the one in predictions/latest.json."
    )
    return f"Rows: {', '.join(counted)}, {predictions['rows']} predicted.{latest}"


def _drift(manifest: Manifest) -> str:
    if manifest["outcome"] != "published":
        return ""
    drift = Drift.model_validate(manifest["drift"])
    return f"Drift was not measured: {drift.reason}." if drift.reason else drift_table(drift)


def _where(manifest: Manifest, manifest_uri: str) -> str:
    return pairs(
        [
            ("Run", manifest["run_id"]),
            ("Source", manifest["source_uri"]),
            ("Package", manifest["arns"]["model_package"]),
            ("Results", (manifest.get("predictions") or {}).get("predictions_uri")),
            ("Record", manifest_uri),
            ("Console", console_link(manifest["execution_arn"])),
            ("Runbook", _runbook(manifest)),
        ]
    )


def _runbook(manifest: Manifest) -> str | None:
    """For runs that ended badly or without a model, and for predictions that somebody should look at."""
    if _at_the_gate(manifest):
        return runbook("promotion-stuck-at-the-gate")
    if manifest["failure"] or manifest["outcome"] == "rejected":
        return runbook(RUNBOOKS[manifest["kind"]])
    drifted = (manifest.get("drift") or {}).get("above_threshold")
    return runbook("drift-warning") if drifted else None


def _at_the_gate(manifest: Manifest) -> bool:
    """Nobody answered, or another promotion may still wait for an answer."""
    in_the_way = (manifest["failure"] or {}).get("error") == "PromotionInProgress"
    return manifest["outcome"] == "gate_timed_out" or in_the_way
