"""`runs/<run_id>/manifest.json`: what a run was, decided and cost, good or bad. Pure functions.

Nothing in it is random or the time of writing, so a recorder that is retried writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from functions.common.instants import format_instant
from functions.common.run_identity import RunIdentity, identify
from functions.common.training_run import git_sha

# What one wants to compare between runs; the statistics per column stay in the report.
DATA_FIGURES = (
    "source_sha256",
    "data_sha256",
    "rows_in",
    "rows_out",
    "rows_quarantined",
    "quarantine_reasons",
    "train_rows",
    "validation_rows",
    "target",
)


@dataclass(frozen=True)
class Failure:
    """Where and why a run ended. `step` is the pipeline's step, where one was at fault or was stopped."""

    state: str | None
    error: str
    cause: str
    step: str | None = None


@dataclass(frozen=True)
class EndedExecution:
    """The execution behind the run; `input` is whatever it was started with."""

    arn: str
    input: Any
    started_at: datetime
    finished_at: datetime

    @property
    def run(self) -> RunIdentity:
        return identify(self.arn, self.started_at, self.input)


@dataclass(frozen=True)
class Standing:
    """Where the run's version stands in the registry; both None when there is none."""

    model_package_arn: str | None
    approval_status: str | None


@dataclass(frozen=True)
class Facts:
    """All that goes into a manifest. `state` is the machine's document as far as the run got."""

    execution: EndedExecution
    outcome: str
    state: Mapping[str, Any]
    states: list[dict[str, Any]]
    data_report: Mapping[str, Any] | None
    failure: Failure | None
    pipeline_execution_arn: str | None
    standing: Standing


def build_manifest(facts: Facts) -> dict[str, Any]:
    """The manifest as a JSON object. What the run never reached is null or empty."""
    run = facts.state.get("run") or {}
    evaluation = facts.state.get("evaluation") or {}
    execution, bundle = facts.execution, run.get("code_bundle_uri")
    return {
        "run_id": execution.run.run_id,
        "run_date": execution.run.run_date,
        "kind": "training",
        "outcome": facts.outcome,
        "decision": _decision(facts.state),
        "execution_arn": execution.arn,
        "started_at": format_instant(execution.started_at),
        "finished_at": format_instant(execution.finished_at),
        "git_sha": git_sha(bundle) if bundle else None,
        "code_bundle_uri": bundle,
        "source_uri": run.get("source_uri"),
        "data": _data(facts.data_report),
        "parameters": {"input": execution.input, "thresholds": run.get("thresholds")},
        "arns": {
            "pipeline_execution": facts.pipeline_execution_arn,
            "model_package": facts.standing.model_package_arn,
        },
        "metrics": evaluation.get("metrics", {}),
        "checks": evaluation.get("checks", []),
        "approval": _approval(facts, run.get("approval")),
        "failure": asdict(facts.failure) if facts.failure else None,
        "states": facts.states,
    }


def _decision(state: Mapping[str, Any]) -> str | None:
    """What the machine decided about the model, also where the run failed after deciding."""
    if "registration" not in state:
        return None
    return "registered" if state["evaluation"]["passed"] else "rejected"


def _data(report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: report[name] for name in DATA_FIGURES if name in report} if report else None


def _approval(facts: Facts, mode: str | None) -> dict[str, Any]:
    """`by` is who approved: the run itself, or nobody yet (then a person does, on the version)."""
    status = facts.standing.approval_status
    by = facts.execution.arn if mode == "auto" and status == "Approved" else None
    return {"status": status, "mode": mode, "by": by}
