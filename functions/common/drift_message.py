"""Drift in words: the warning that a batch has moved, and the table that every message about it shows."""

from __future__ import annotations

from functions.common.batch_run import ApprovedModel, BatchRun, Drift
from functions.common.message import Message, command, console_link, pairs, runbook, write_message

MOST_ROWS = 12
MOST_NAMED = 3


def drift_warning(run: BatchRun, approved: ApprovedModel, rows: int, drift: Drift, env: str) -> Message:
    """What state `NotifyDrift` sends. The predictions are published all the same."""
    facts = [
        ("Model", f"version {approved.version}, validated on {drift.baseline_rows} rows"),
        ("Batch", f"{rows} rows of {run.source_uri}"),
        ("Run", run.run_id),
        ("Against", drift.baseline_uri),
        ("Console", console_link(run.execution_arn)),
        ("Runbook", runbook("drift-warning")),
    ]
    explanation = (
        "The batch differs from the data that the model was validated on. Its predictions are published all\n"
        "the same; whether they can be trusted is for a person to say."
    )
    commands = [command(text, env) for text in (f"titanic runs show {run.run_id}", "titanic train")]
    headline = f"Drift: {moved(drift)} above {drift.threshold:.2f}"
    return write_message(env, headline, [explanation, drift_table(drift), pairs(facts)], commands)


def moved(drift: Drift) -> str:
    """`Age 0.41, score 0.33`: what is above the threshold, the furthest first."""
    above = [f"{name} {shift.psi:.2f}" for name, shift in drift.shifts.items() if shift.above]
    left = len(above) - MOST_NAMED
    return ", ".join(above[:MOST_NAMED]) + (f" and {left} more" if left > 0 else "")


def drift_table(drift: Drift) -> str:
    """Index, noise and verdict of each variable, the furthest first.

    `chance`: above the limit, and no more than so few rows differ by anyway.
    """
    if not drift.shifts:
        return ""
    width = max(map(len, drift.shifts)) + 2
    rows = [f"{'drift':<{width}}{'psi':>8}{'noise':>8}{'limit':>8}"]
    for name, shift in list(drift.shifts.items())[:MOST_ROWS]:
        verdict = "above" if shift.above else "chance" if shift.psi > drift.threshold else "ok"
        rows.append(f"{name:<{width}}{shift.psi:>8.4f}{shift.noise:>8.4f}{drift.threshold:>8.4f}  {verdict}")
    left = len(drift.shifts) - MOST_ROWS
    return "\n".join([*rows, f"and {left} more"] if left > 0 else rows)
