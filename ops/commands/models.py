"""`titanic models`, `approve`, `reject`: versions in the registry, and what people decide about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, Reason, reach
from ops.output import write_json

if TYPE_CHECKING:
    from ops.output import Output
    from ops.registry import Verdict
    from ops.target import Target

Version = Annotated[
    int, typer.Argument(metavar="VERSION", min=1, help="Version number, as `titanic models` shows it.")
]


def models(
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many, newest first; 0 for all.")] = 20,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """List model versions: approval, metrics, origin.

    \b
    Examples:
        titanic models
        titanic models --limit 0 --json
    """
    from ops import registry, render

    out, there = reach(env, profile, as_json=as_json)
    versions, total = registry.list_versions(there, limit)
    if as_json:
        write_json([version.to_json() for version in versions])
        return
    if not versions:
        out.note("No model has been registered yet. `titanic train` makes one.")
        return
    out.result.print(render.models_table(versions, out.result.width))
    if len(versions) < total:
        out.note(f"{len(versions)} of {total} versions; --limit 0 shows all.")


def approve(
    version: Version, reason: Reason = None, as_json: Json = False, env: Env = "dev", profile: Profile = None
) -> None:
    """Approve a model version, so that it is put to use.

    Approving one that was rejected needs a --reason.

    \b
    Examples:
        titanic approve 3
        titanic approve 3 --reason "as good as version 2, half the size"
    """
    from ops.registry import APPROVED

    _decide(version, APPROVED, reason, *reach(env, profile, as_json=as_json))


def reject(
    version: Version, reason: Reason = None, as_json: Json = False, env: Env = "dev", profile: Profile = None
) -> None:
    """Reject a model version: it is not used, or not any more.

    \b
    Examples:
        titanic reject 3 --reason "trained on last year's prices"
    """
    from ops.registry import REJECTED

    _decide(version, REJECTED, reason, *reach(env, profile, as_json=as_json))


def _decide(version: int, status: str, reason: str | None, out: Output, there: Target) -> None:
    from ops import registry

    verdict = registry.decide(there, version, status, reason)
    if out.as_json:
        write_json(verdict.after.to_json() | {"changed": verdict.changed, "before": verdict.before.status})
    else:
        out.note(verdict_in_words(verdict))


def verdict_in_words(verdict: Verdict) -> str:
    """What `approve` and `reject` say they did."""
    now = verdict.after
    said = f": {now.approval_description}" if now.approval_description else ""
    if not verdict.changed:
        return f"Nothing changed: version {now.version} is already {now.status}{said}."
    return f"Version {now.version} was {verdict.before.status} and is now {now.status}{said}."
