"""`titanic drill`: provokes an alarm and shows what people get to hear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.output import write_json

if TYPE_CHECKING:
    from ops.drills.catalogue import Watch
    from ops.drills.drill import Drilled
    from ops.output import Output
    from ops.target import Target


def drill(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    alarm: Annotated[
        str | None, typer.Argument(metavar="ALARM", help="As --list shows it.", show_default=False)
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the alarms, and drill none.")] = False,
    set_state: Annotated[
        bool,
        typer.Option("--set-state", help="Break nothing: only set the alarm's state. The only way on AWS."),
    ] = False,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Provoke an alarm, wait until it is red, and show the alert that came of it.

    On the local cloud a drill makes happen what the alarm watches: an execution fails, a container dies, a
    letter cannot be delivered. The alarm that turns red is the deployed one. Afterwards things are put in
    order. On AWS nothing is broken: --set-state tests the way from the alarm to the people.

    \b
    Examples:
        titanic drill --list
        titanic drill training-failed
        titanic drill prod-errors --json
        titanic drill dead-letters-not-empty --set-state --profile ops
    """
    from ops.drills import catalogue
    from ops.errors import UsageError

    if listing == (alarm is not None):
        raise UsageError("Name one alarm, or ask for --list.")
    out, there = reach(env, profile, as_json=as_json)
    if alarm is None:
        _list(out, catalogue.list_watches(there))
        return
    _show(out, _drill(out, there, catalogue.find_watch(there, alarm), set_state=set_state))


def _drill(out: Output, there: Target, watch: Watch, *, set_state: bool) -> Drilled:
    from ops.drills.drill import drill as provoke
    from ops.drills.drill import set_state as only_set

    with out.working(f"Drill {watch.alarm.name}") as report:
        return (only_set if set_state else provoke)(there, watch, report)


def _list(out: Output, watches: list[Watch]) -> None:
    from ops.drills import render
    from ops.drills.provoke import describe, way_of

    if out.as_json:
        write_json([{**watch.to_json(), "drill": describe(way_of(watch))} for watch in watches])
    else:
        out.result.print(render.alarms_table(watches))


def _show(out: Output, drilled: Drilled) -> None:
    from ops.drills import render

    if out.as_json:
        write_json(drilled.to_json())
    else:
        render.drilled(out.result, drilled)
