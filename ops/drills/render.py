"""Alarms and drills for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops import render
from ops.drills.catalogue import RED, Watch
from ops.drills.drill import Drilled
from ops.drills.provoke import describe, way_of

STYLES = {"OK": "green", RED: "red"}


def alarms_table(watches: Iterable[Watch]) -> Table:
    """`titanic drill --list`."""
    table = render.plain_table("alarm", "state", "tells people", "a drill")
    for watch in watches:
        state = Text(watch.state, style=STYLES.get(watch.state, "dim"))
        table.add_row(watch.alarm.name, state, tells(watch), describe(way_of(watch)))
    return table


def tells(watch: Watch) -> str:
    """Whether people hear of the alarm itself."""
    if not watch.alarm.tells_people:
        return "no"
    return "yes" if watch.deployed["ActionsEnabled"] else "when its schedule is on"


def drilled(console: Console, told: Drilled) -> None:
    """What was done, how the alarm took it, and what people got."""
    lines = [
        told.done,
        f"{told.watch.alarm.deployed_name} was red after {told.red_after:.1f} s: {told.reason}",
        f"People: {told.told}.",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if told.alert:
        render.alert(console, told.alert)
    console.print("\nIn order again. What the drill ran and sent stays on record.", markup=False)
