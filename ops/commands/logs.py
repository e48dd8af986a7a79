"""`titanic logs`: everything a run printed, or one log group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.errors import UsageError
from ops.output import write_json_lines

if TYPE_CHECKING:
    from ops.run_logs import Line
    from ops.target import Target


def logs(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN_ID]", help="Run id, execution name or execution ARN.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="A log group instead of a run.", show_default=False)
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on printing: a run until it ends, a group until Ctrl-C."),
    ] = False,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Print what every job of a run logged, in time order.

    That is its Lambdas, its Glue job and the jobs of its SageMaker pipeline. Each line starts with its
    time (UTC) and source. With --json each line is one JSON document, metrics included.

    \b
    Examples:
        titanic logs 20261121-1a2b3c4d5e
        titanic logs 20261121-1a2b3c4d5e --follow
        titanic logs --group /aws-glue/jobs/error --json
    """
    if (run_id is None) == (group is None):
        raise UsageError("Say what to print: either a RUN_ID or --group GROUP.")
    from ops import render

    out, there = reach(env, profile, as_json=as_json)
    lines = _lines_of_run(there, run_id, follow) if run_id else _lines_of_group(there, group or "", follow)
    if as_json:
        write_json_lines(line.to_json() for line in lines)
        return
    for line in lines:
        shown = render.log_line(line)
        if shown is not None:
            out.result.print(shown, soft_wrap=True)


def _lines_of_run(there: Target, wanted: str, follow: bool) -> Iterator[Line]:
    from ops import run_logs, runs

    run = runs.find_run(there, wanted)
    yield from run_logs.follow_run(there, run) if follow else run_logs.lines_of_run(there, run)


def _lines_of_group(there: Target, group: str, follow: bool) -> Iterator[Line]:
    from ops import run_logs

    yield from run_logs.follow_group(there, group) if follow else run_logs.lines_of_group(there, group)
