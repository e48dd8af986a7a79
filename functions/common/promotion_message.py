"""What a message says of a promotion: who decided, what prod serves, what is left to do. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functions.common.causes import explain
from functions.common.message import pairs
from functions.common.training_run import package_version

PROMOTION_OUTCOMES = ("promoted", "already_live", "declined", "gate_timed_out", "rolled_back")
PROD = {
    "restored": "is back on {config}",
    "removed": "is gone: there was none before this promotion",
    "untouched": "was not touched",
    "gone": "was deleted by somebody else meanwhile, and was not made again",
    "overtaken": "was given {config} by somebody else meanwhile, and was left so",
    "restoring": "is on its way back to {config}",
}

Manifest = Mapping[str, Any]


def promotion_headline(manifest: Manifest) -> str:
    """For the outcomes that are a promotion's own."""
    version = package_version(manifest["arns"]["model_package"])
    return {
        "promoted": f"Model version {version} is live on {manifest['endpoint']}",
        "already_live": f"Nothing to promote: model version {version} is live already",
        "declined": f"Promotion of model version {version} declined",
        "gate_timed_out": f"Promotion of model version {version} was not confirmed in time",
        "rolled_back": f"Promotion of model version {version} rolled back: {_error(manifest)}",
    }[manifest["outcome"]]


def promotion_paragraphs(manifest: Manifest) -> list[str]:
    """Who asked and decided, and how the endpoints stand; then what a person must not overlook."""
    gate = said_at_gate(manifest["gate"])
    facts = [
        ("Asked by", manifest["requested_by"]),
        ("Decided", decided(gate)),
        ("Reason", (gate or {}).get("reason")),
        ("Before", _version(manifest["was_live"])),
        ("Smoke", _smoke(manifest)),
        ("Prod", _prod(manifest)),
    ]
    return [pairs(facts), _rollback_failed(manifest), _left_over(manifest)]


def promotion_commands(manifest: Manifest) -> list[str]:
    """What to type, the most urgent first."""
    clean_up = ["titanic cleanup staging"] if _staging_stands(manifest) else []
    outcome, endpoint = manifest["outcome"], manifest["endpoint"]
    if outcome == "promoted":
        return [*clean_up, "titanic endpoints", f"titanic rollback {endpoint}"]
    if outcome in ("declined", "gate_timed_out"):
        return [*clean_up, f"titanic promote {package_version(manifest['arns']['model_package'])}"]
    if outcome == "already_live":
        return ["titanic endpoints"]
    touched = manifest["prod"] or manifest["rollback"]
    return [*(["titanic endpoints"] if touched else []), *clean_up]


def said_at_gate(gate: object) -> Mapping[str, Any] | None:
    """`$.gate` as an object: whoever answers the gate by hand may send any JSON."""
    return gate if isinstance(gate, dict) or gate is None else {"reason": json.dumps(gate)}


def decided(gate: Mapping[str, Any] | None) -> str | None:
    """Who answered what, and when."""
    if gate is None:
        return None
    by, at = gate.get("by", "somebody"), gate.get("at", "a time not given")
    return f"{gate.get('decision', 'not approved')} by {by} at {at}"


def _version(package_arn: str | None) -> str | None:
    return f"version {package_version(package_arn)}" if package_arn else None


def _smoke(manifest: Manifest) -> str | None:
    smoke = (manifest["verification"] or {}).get("smoke") or manifest["smoke"]
    if not smoke:
        return None
    passed = sum(check["passed"] for check in smoke["checks"])
    timed = f", 95th percentile {smoke['latency']['p95']:.0f} ms" if smoke["latency"] else ""
    return f"{passed} of {len(smoke['checks'])} checks passed on {smoke['rows']} rows{timed}"


def _prod(manifest: Manifest) -> str | None:
    rollback, outcome = manifest["rollback"], manifest["outcome"]
    if outcome == "promoted":
        return f"{manifest['endpoint']} serves {manifest['prod']['endpoint_config_name']}"
    if rollback and "prod" in rollback:
        config = rollback["endpoint_config_name"]
        return f"{manifest['endpoint']} {PROD[rollback['prod']].format(config=config)}"
    touched = manifest["prod"] or rollback
    return None if touched or not manifest["endpoint"] else f"{manifest['endpoint']} was not touched"


def _rollback_failed(manifest: Manifest) -> str:
    error = manifest["rollback_error"]
    if not error:
        return ""
    cause = explain(error["Error"], error["Cause"])
    return f"Prod is NOT known to be well. Rolling it back failed: {cause.error}: {cause.words}"


def _left_over(manifest: Manifest) -> str:
    if not _staging_stands(manifest):
        return ""
    return "Staging may still stand, and cost money, until it is cleaned up."


def _staging_stands(manifest: Manifest) -> bool:
    deployed = manifest["staging"] or manifest["clean_up_error"]
    return bool(deployed and not manifest["clean_up"])


def _error(manifest: Manifest) -> str:
    return str((manifest["failure"] or {}).get("error"))
