"""`titanic orphans`: endpoints, configurations and models that nothing refers to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.errors import UsageError
from ops.output import write_json

if TYPE_CHECKING:
    from ops.orphans import Orphan
    from ops.output import Output


def orphans(
    delete: Annotated[bool, typer.Option("--delete", help="Delete them, after a question.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --delete: do not ask.")] = False,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """List endpoints, configurations and models that nothing refers to, with age and cost.

    Prod, what prod would go back to, what a promotion or a batch run is about to use, and the model of the
    approved version are never among them. --delete removes staging, and what promotions and batch runs made;
    of what a person made only the command is shown.

    \b
    Examples:
        titanic orphans
        titanic orphans --json
        titanic orphans --delete
    """
    from ops import orphans as finder
    from ops.cost.show import orphans_table

    out, there = reach(env, profile, as_json=as_json)
    found, now = finder.find_orphans(there), datetime.now(UTC)
    if found and not as_json:
        out.result.print(orphans_table(found, now))
        _explain(out, found)
    if not delete:
        _tell(out, found, now)
        return
    deletable = [orphan for orphan in found if orphan.deletable]
    if deletable and not (yes or _confirmed(len(deletable))):
        out.note("Nothing was deleted.")
        return
    deleted = finder.delete(there, deletable)
    if as_json:
        write_json({"deleted": [orphan.to_json(now) for orphan in deleted]})
    else:
        out.note(f"Deleted: {len(deleted)}." if deleted else "There is nothing to delete.")


def _tell(out: Output, found: Sequence[Orphan], now: datetime) -> None:
    if out.as_json:
        write_json([orphan.to_json(now) for orphan in found])
    elif not found:
        out.note("No orphan: something refers to every endpoint, configuration and model.")
    else:
        out.note("\nnext  titanic orphans --delete    asks, then deletes them")


def _explain(out: Output, found: Sequence[Orphan]) -> None:
    saved = sum(orphan.usd_a_month or 0 for orphan in found)
    if saved:
        out.note(f"\nDeleting the endpoints saves {saved:.2f} USD a month.")
    if any(orphan.kind != "endpoint" for orphan in found):
        out.note("Configurations and models cost nothing: deleting them is tidiness, and frees nothing.")
    for orphan in found:
        if not orphan.deletable:
            out.note(f"A person made this one: {orphan.command}")


def _confirmed(number: int) -> bool:
    """Raises `UsageError` where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked here: say --yes with --delete, or leave --delete out.")
    return input(f"\nDelete {number}? This cannot be undone. [y/N] ").strip().lower() in ("y", "yes")
