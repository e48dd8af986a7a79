"""`titanic monitor`: whether prod is asked what its model knows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.output import write_json

if TYPE_CHECKING:
    from ops.monitoring import MonitoringReport
    from ops.output import Output


def monitor(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    now: Annotated[bool, typer.Option("--now", help="Look at a day's requests now.")] = False,
    day: Annotated[
        datetime | None,
        typer.Option(
            "--day",
            formats=["%Y-%m-%d"],
            help="With --now: which day, in UTC. [default: today]",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many reports, the newest.")] = 1,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Show what monitoring found about the requests to prod.

    Every morning a schedule compares what prod was asked the day before with what its model was evaluated
    on. --now does it at once.

    \b
    Examples:
        titanic monitor
        titanic monitor --now
        titanic monitor --now --day 2026-11-20 --json
    """
    from ops import monitoring
    from ops.errors import MonitoringFailed, UsageError

    if day and not now:
        raise UsageError("--day says which day to look at: give --now as well.")
    out, there = reach(env, profile, as_json=as_json)
    if now:
        looked = monitoring.monitor_now(there, day.date() if day else None)
        if looked["outcome"] != monitoring.STARTED:
            raise MonitoringFailed(f"Nothing was compared: {looked['reason']}")
    found = monitoring.latest_reports(there, limit)
    if as_json:
        write_json([report.to_json() for report in found])
        return
    if not found:
        out.note("No report yet: `titanic schedule` shows when the next one is due, --now makes one.")
    for report in found:
        _show(out, report)


def _show(out: Output, report: MonitoringReport) -> None:
    from ops import render

    count = len(report.violations)
    found = "no violation" if not count else "one violation" if count == 1 else f"{count} violations"
    out.note(f"{report.endpoint} on {report.day}: {report.rows} rows of requests, {found}")
    if report.violations:
        out.result.print(render.violations_table(report.violations))
    out.note(f"report  {report.uri}")
