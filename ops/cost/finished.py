"""What a finished run cost, or would have cost on AWS: from the time it really took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ops import report
from ops.cost.charges import Bill, JobRun, Stay
from ops.cost.estimate import PROMOTION, Estimator, RunCost
from ops.cost.facts import Facts
from ops.cost.prices import Prices
from ops.errors import RunNotFinished
from ops.history import History
from ops.pipeline import Step
from ops.runs import Run
from ops.target import Target


def cost_of_run(target: Target, run: Run, prices: Prices) -> RunCost:
    """Raises `RunNotFinished`."""
    if run.running:
        raise RunNotFinished(
            f"Run {run.run_id} goes on, so nobody knows yet what it costs: `titanic runs show {run.run_id}` "
            "tells how far it is. `titanic cost` estimates one."
        )
    history = report.history_of(target, run)
    told = report.gather(target, run, history)
    facts = Facts()
    stays = stays_of_history(history) or stays_of_manifest(told.manifest or {})
    lines = Bill(facts, prices).lines(run.kind, stays, job_runs(facts, told.steps))
    if run.kind == PROMOTION:
        lines = [*lines, *Estimator(prices, facts).fleets(stays)]
    return RunCost(run.kind, run.seconds(), sum(stay.visits for stay in stays), lines)


def stays_of_history(history: History) -> list[Stay]:
    """Each state once, in the order of first entry. A retry is billed like another visit."""
    found: dict[str, Stay] = {}
    for visit in history.visits:
        before = found.get(visit.name, Stay(visit.name, 0, 0.0))
        seconds = visit.seconds(visit.exited_at or visit.entered_at)
        found[visit.name] = Stay(visit.name, before.visits + max(1, visit.tries), before.seconds + seconds)
    return list(found.values())


def stays_of_manifest(manifest: Mapping[str, Any]) -> list[Stay]:
    """For a run that Step Functions has forgotten. The states after its recording are not in it."""
    return [Stay(each["name"], each["visits"], each["seconds"]) for each in manifest.get("states", [])]


def job_runs(facts: Facts, steps: Sequence[Step]) -> list[JobRun]:
    jobs = {job.name: job for job in facts.pipeline_jobs}
    return [
        JobRun(jobs[step.name], (step.ended_at - step.started_at).total_seconds())
        for step in steps
        if step.name in jobs and step.started_at and step.ended_at
    ]
