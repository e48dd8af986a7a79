"""`titanic alerts`: what the project told people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.output import write_json, write_json_lines

if TYPE_CHECKING:
    from ops.output import Output
    from ops.target import Target


def alerts(
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many, the newest; 0 for all.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Print the alerts of the last fourteen days, the newest last.

    They stay where they are: reading takes nothing away. With --json they are one JSON list; with
    --follow too, one JSON document a line.

    \b
    Examples:
        titanic alerts
        titanic alerts --limit 1
        titanic alerts --follow --json
    """
    from ops.alerts import follow_alerts, newest, read_alerts

    out, there = reach(env, profile, as_json=as_json)
    if follow and as_json:
        write_json_lines(alert.to_json() for alert in follow_alerts(there, limit))
        return
    found = follow_alerts(there, limit) if follow else newest(read_alerts(there), limit)
    if as_json:
        write_json([alert.to_json() for alert in found])
        return
    if not found:
        out.note("No alert yet: a run sends one when it has ended.")
    _say_what_got_lost(out, there)
    from ops import render

    for alert in found:
        render.alert(out.result, alert)


def _say_what_got_lost(out: Output, there: Target) -> None:
    """An alert that could not be delivered, or a run that could not be started, is in no alert."""
    from ops.alerts import undelivered

    lost = undelivered(there)
    if lost:
        queue = there.names["dead_letter_queue"]
        out.note(f"{lost} more could not be delivered, started or done: see queue {queue}.")
