"""`runs/<run_id>/manifest.json`: what a run was, decided and cost, good or bad. Pure functions.

Nothing in it is random or the time of writing, so a recorder that is retried writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from functions.common.execution import Kind
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


# Of a promotion, as its states left them; what it never reached is null.
PROMOTION_PARTS = (
    *("staging", "smoke", "gate", "prod", "verification", "rollback", "rollback_error"),
    *("clean_up", "clean_up_error"),
)
NO_DECISION = ("failed", "aborted", "timed_out")


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
    """Where the run's version stands in the registry; all None when there is none. `by` is who approved."""

    model_package_arn: str | None
    approval_status: str | None
    by: str | None = None


@dataclass(frozen=True)
class Facts:
    """All that goes into a manifest. `state` is the machine's document as far as the run got.

    `waiting_versions` are those a person may approve, where that is what the run lacked.
    """

    kind: Kind
    execution: EndedExecution
    outcome: str
    state: Mapping[str, Any]
    states: list[dict[str, Any]]
    data_report: Mapping[str, Any] | None
    failure: Failure | None
    standing: Standing
    pipeline_execution_arn: str | None = None
    waiting_versions: tuple[int, ...] = ()


def build_manifest(facts: Facts) -> dict[str, Any]:
    """The manifest as a JSON object. What the run never reached is null or empty."""
    execution = facts.execution
    return {
        "run_id": execution.run.run_id,
        "run_date": execution.run.run_date,
        "kind": facts.kind,
        "outcome": facts.outcome,
        "execution_arn": execution.arn,
        "started_at": format_instant(execution.started_at),
        "finished_at": format_instant(execution.finished_at),
        "source_uri": _at(facts.state, "run", "source_uri"),
        "data": _data(facts.data_report),
        "metrics": _at(facts.state, "evaluation", "metrics") or {},
        "checks": _at(facts.state, "evaluation", "checks") or [],
        "failure": asdict(facts.failure) if facts.failure else None,
        "states": facts.states,
        **_OF_A_KIND[facts.kind](facts),
    }


def _training(facts: Facts) -> dict[str, Any]:
    state, standing = facts.state, facts.standing
    mode = _at(state, "run", "approval")
    approved_by_run = mode == "auto" and standing.approval_status == "Approved"
    return {
        "decision": _training_decision(state),
        **_code(_at(state, "run", "code_bundle_uri")),
        "parameters": {"input": facts.execution.input, "thresholds": _at(state, "run", "thresholds")},
        "arns": {
            "pipeline_execution": facts.pipeline_execution_arn,
            "model_package": standing.model_package_arn,
        },
        # Nobody yet where the version waits: then a person does, on the version.
        "approval": {
            "status": standing.approval_status,
            "mode": mode,
            "by": facts.execution.arn if approved_by_run else None,
        },
    }


def _batch_inference(facts: Facts) -> dict[str, Any]:
    state, standing = facts.state, facts.standing
    threshold = _at(state, "run", "drift_threshold")
    return {
        "decision": _batch_decision(facts),
        **_code(_at(state, "approved", "code_bundle_uri")),
        "parameters": {
            "input": facts.execution.input,
            "thresholds": None if threshold is None else {"drift": threshold},
        },
        "arns": {"pipeline_execution": None, "model_package": standing.model_package_arn},
        "approval": {"status": standing.approval_status, "mode": None, "by": standing.by},
        "model_name": _at(state, "model", "model_name"),
        "transform_job": _at(state, "transform", "job_name"),
        "predictions": _predictions(state),
        "drift": _at(state, "predictions", "drift"),
        "waiting_versions": list(facts.waiting_versions),
    }


def _promotion(facts: Facts) -> dict[str, Any]:
    state, standing = facts.state, facts.standing
    return {
        "decision": None if facts.outcome in NO_DECISION else facts.outcome,
        **_code(_at(state, "package", "code_bundle_uri")),
        "parameters": {"input": facts.execution.input, "thresholds": None},
        "arns": {"pipeline_execution": None, "model_package": standing.model_package_arn},
        "approval": {"status": standing.approval_status, "mode": None, "by": standing.by},
        "metrics": _at(state, "package", "metrics") or {},
        "training_run_id": _at(state, "package", "training_run_id"),
        "requested_by": _at(state, "run", "requested_by"),
        "endpoint": _at(state, "run", "prod_endpoint"),
        "was_live": _at(state, "package", "live_model_package_arn"),
        **{part: state.get(part) for part in PROMOTION_PARTS},
    }


def _training_decision(state: Mapping[str, Any]) -> str | None:
    """What the machine decided about the model, also where the run failed after deciding."""
    if "registration" not in state:
        return None
    return "registered" if state["evaluation"]["passed"] else "rejected"


def _batch_decision(facts: Facts) -> str | None:
    """Whether there are predictions, also where the run failed after publishing them."""
    if "publication" in facts.state:
        return "published"
    return "no_approved_model" if facts.outcome == "no_approved_model" else None


def _predictions(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The checked set; its URIs are null where it was not published."""
    if "predictions" not in state:
        return None
    published = ("predictions_uri", "manifest_uri", "is_latest")
    return {
        **{key: state["predictions"][key] for key in ("rows", "files", "check_uri")},
        **{key: _at(state, "publication", key) for key in published},
    }


def _code(bundle_uri: str | None) -> dict[str, str | None]:
    """The code that trained the model this run is about."""
    return {"git_sha": git_sha(bundle_uri) if bundle_uri else None, "code_bundle_uri": bundle_uri}


def _data(report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: report[name] for name in DATA_FIGURES if name in report} if report else None


def _at(state: Mapping[str, Any], part: str, key: str) -> Any:
    return (state.get(part) or {}).get(key)


_OF_A_KIND: Mapping[Kind, Callable[[Facts], dict[str, Any]]] = {
    "training": _training,
    "batch_inference": _batch_inference,
    "promotion": _promotion,
}
