"""What `train` and `predict` do once their run has started: say so, watch it, and tell what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ops.output import Output, write_json

if TYPE_CHECKING:
    from ops.runs import Run
    from ops.target import Target


def follow(out: Output, there: Target, run: Run, *, wait: bool) -> None:
    """Watches the run to its end and exits with what it came to; without `wait` only says what to type."""
    from ops import runs

    link = runs.console_link(there, run.execution_arn)
    out.note(f"{run.title} run {run.run_id} has started: {run.execution_arn}")
    if link:
        out.note(link)
    if wait:
        raise typer.Exit(_watch(out, there, run))
    if out.as_json:
        write_json(run.to_json() | {"console_link": link})
    else:
        out.note(f"next  titanic runs show {run.run_id}")


def _say_gate(out: Output, run: Run) -> None:
    """How a person answers, from another terminal."""
    out.note(
        f"Waiting for a person: `titanic confirm {run.run_id}` lets the model go to prod, `titanic decline "
        f"{run.run_id}` does not. Ctrl-C ends the watching; the run goes on waiting."
    )


def _watch(out: Output, there: Target, run: Run) -> int:
    """Shows the run and what it came to; its exit code."""
    from ops import render, report, runs, watch

    try:
        history = watch.watch(there, run.execution_arn, out.notes, {report.GATE: lambda: _say_gate(out, run)})
    except KeyboardInterrupt:
        out.note(
            f"The run goes on. `titanic runs show {run.run_id}` tells how it is, and to stop it: aws "
            f"stepfunctions stop-execution --execution-arn {run.execution_arn}"
        )
        raise
    told = report.gather(there, runs.describe_run(there, run.execution_arn), history)
    if out.as_json:
        write_json(told.to_json())
    else:
        render.report(out.result, told)
    return report.exit_code(told.run)
