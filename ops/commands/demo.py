"""`titanic demo`: the whole training path on the local cloud, from nothing to a registered model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import EnforceIam, Port
from ops.output import Output

if TYPE_CHECKING:
    from ops.report import RunReport
    from ops.runs import Run
    from ops.target import Target


def demo(
    port: Port = None,
    enforce_iam: EnforceIam = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the local cloud running at the end.")] = False,
) -> None:
    """Train a model on the real table, on this machine.

    Starts the local cloud, deploys the project into it, puts the table where a run looks for it, starts
    the training state machine, shows it at work, and ends with the registered model. A local cloud that
    already runs is used and left running.

    \b
    Examples:
        titanic demo
        titanic demo --keep
    """
    from ops import local, report

    out = Output()
    with local.cloud(out, port=port, enforce_iam=enforce_iam) as started:
        out.note(started.words)
        there = local.target(started.cloud, "dev")
        local.deploy(there, out)
        local.put_example_tables(there)
        local.put_raw_table(there, out)
        told = _train(there, out, stop_on_interrupt=not started.is_new)
        started.keep = keep
    if started.is_new and not keep:
        out.note("To go on from here, bring it back first: titanic up --detach")
    raise typer.Exit(report.exit_code(told.run))


def _train(there: Target, out: Output, *, stop_on_interrupt: bool) -> RunReport:
    """One run, watched to its end. On Ctrl-C it is stopped where the cloud goes on without us."""
    from ops import render, report, runs, watch

    out.header(there)
    run = runs.start_run(there, {}, by="demo")
    out.note(f"Training run {run.run_id} has started.")
    try:
        history = watch.watch(there, run.execution_arn, out.result)
    except BaseException:
        if stop_on_interrupt:
            _stop(there, run)
            out.note(f"Training run {run.run_id} is stopped.")
        raise
    told = report.gather(there, runs.describe_run(there, run.execution_arn), history)
    render.report(out.result, told)
    return told


def _stop(there: Target, run: Run) -> None:
    there.client("stepfunctions").stop_execution(
        executionArn=run.execution_arn, error="Interrupted", cause="The demo was interrupted."
    )
