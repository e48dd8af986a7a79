"""`titanic runs` and `titanic runs show`: the runs there were, and one of them in full."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.output import write_json

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many, newest first; 0 for all.")] = 20,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """List runs of every kind: status, decision, duration.

    \b
    Examples:
        titanic runs
        titanic runs --limit 5 --json
        titanic runs show 20261121-1a2b3c4d5e
    """
    if context.invoked_subcommand:
        return
    from ops import render
    from ops.runs import latest_runs

    out, there = reach(env, profile, as_json=as_json)
    found = latest_runs(there, limit)
    if as_json:
        write_json([run.to_json() for run in found])
    elif found:
        out.result.print(render.runs_table(found))
    else:
        out.note("No run yet. Start one with `titanic train`.")


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="Run id, execution name or execution ARN.")],
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Tell one run: each state with its seconds, the failure in words, metrics, where everything lies.

    \b
    Examples:
        titanic runs show 20261121-1a2b3c4d5e
        titanic runs show 20261121-1a2b3c4d5e --json
    """
    from ops import render, report
    from ops.runs import find_run

    out, there = reach(env, profile, as_json=as_json)
    told = report.gather(there, find_run(there, run_id))
    if as_json:
        write_json(told.to_json())
        return
    out.result.print(render.states(told, datetime.now(UTC)))
    render.report(out.result, told)
