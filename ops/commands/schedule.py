"""`titanic schedule`: what starts on its own, and switching it on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.output import write_json

if TYPE_CHECKING:
    from ops.output import Output
    from ops.target import Target

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `titanic schedule` shows it.")]


@app.callback()
def schedule(
    context: typer.Context, as_json: Json = False, env: Env = "dev", profile: Profile = None
) -> None:
    """List what starts on its own, and when.

    \b
    Examples:
        titanic schedule
        titanic schedule enable daily-batch-inference
        titanic schedule disable weekly-training
    """
    if context.invoked_subcommand:
        return
    from ops import render
    from ops.schedules import list_schedules

    out, there = reach(env, profile, as_json=as_json)
    found = list_schedules(there)
    if as_json:
        write_json([each.to_json() for each in found])
    elif found:
        out.result.print(render.schedules_table(found))
    else:
        out.note("Nothing is scheduled here. `titanic up` deploys the schedules of events/schedules.json.")


@app.command()
def enable(name: Name, as_json: Json = False, env: Env = "dev", profile: Profile = None) -> None:
    """Let a schedule start runs.

    \b
    Examples:
        titanic schedule enable daily-batch-inference
    """
    from ops.schedules import ENABLED

    _switch(name, ENABLED, *reach(env, profile, as_json=as_json))


@app.command()
def disable(name: Name, as_json: Json = False, env: Env = "dev", profile: Profile = None) -> None:
    """Keep a schedule from starting runs. One that goes on is not stopped.

    \b
    Examples:
        titanic schedule disable weekly-training
    """
    from ops.schedules import DISABLED

    _switch(name, DISABLED, *reach(env, profile, as_json=as_json))


def _switch(name: str, state: str, out: Output, there: Target) -> None:
    from ops.schedules import set_state

    now, changed = set_state(there, name, state)
    if out.as_json:
        write_json({**now.to_json(), "changed": changed})
    elif changed:
        out.note(f"Schedule {now.name} is now {now.state}: {now.expression}, {now.timezone}.")
    else:
        out.note(f"Nothing changed: schedule {now.name} is already {now.state}.")
