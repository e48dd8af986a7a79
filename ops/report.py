"""What a run comes to: its decision, metrics against thresholds, where everything lies, what to type next.

`gather` asks the cloud; `RunReport` is plain data, printed by `ops.render` and dumped by `--json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.common.promotion_message import said_at_gate
from ops import pipeline, registry, runs
from ops.errors import ExitCode, VersionNotFound
from ops.history import Failure, History, Row, in_words
from ops.predictions import Drift, Predictions, parse_drift, read_predictions
from ops.runs import Run
from ops.target import Target

_HEADLINES = {
    "registered": "Model registered",
    "rejected": "Model rejected",
    "published": "Predictions published",
    "no_approved_model": "No predictions",
    "promoted": "Model promoted",
    "already_live": "Nothing to promote",
    "declined": "Promotion declined",
    "gate_timed_out": "Promotion ended: nobody answered at the gate",
    "rolled_back": "Prod was rolled back",
    "failed": "Run failed",
    "aborted": "Run stopped before its end",
    "timed_out": "Run took too long and was ended",
}
_HINTS = {
    "PromotionInProgress": (
        "titanic endpoints",
        "shows what is being changed; `titanic confirm latest` answers the other's gate",
    ),
    "ModelNotApproved": ("titanic models", "shows the versions; `titanic approve VERSION` approves one"),
    "RunInProgress": ("titanic runs", "shows the run that is going on; start again when it has ended"),
    "InvalidInput": ("titanic {command} --help", "lists what a run can be started with"),
    "NoApprovedModel": ("titanic models", "shows the versions; `titanic approve VERSION` approves one"),
    "SourceNotFound": ("aws s3 ls --recursive s3://{bucket}/raw/", "shows the tables there are"),
    "CodeBundleNotFound": (
        "aws s3 ls --recursive s3://{bucket}/pipeline/code/",
        "shows the bundles there are",
    ),
}
_COMMANDS = {runs.TRAINING: "train", runs.BATCH_INFERENCE: "predict", runs.PROMOTION: "promote"}
GATE = "RequestApproval"
"""The state in which a promotion waits for a person."""
_PROMOTED = {"promoted": " is live", "already_live": " is live already", "declined": ", prod is as it was"}
_EXIT_CODES = {
    "registered": ExitCode.OK,
    "published": ExitCode.OK,
    "rejected": ExitCode.NO_MODEL,
    "no_approved_model": ExitCode.NO_MODEL,
    "promoted": ExitCode.OK,
    "already_live": ExitCode.OK,
    "declined": ExitCode.NO_MODEL,
    "gate_timed_out": ExitCode.NO_MODEL,
}


@dataclass(frozen=True)
class Check:
    """A metric against its threshold."""

    metric: str
    value: float | None
    threshold: float | None
    passed: bool | None

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "value": self.value,
            "threshold": self.threshold,
            "passed": self.passed,
        }


@dataclass(frozen=True)
class RunFailure:
    """Where a run failed, the error's name, its cause in words; `step` where a pipeline step is at fault."""

    state: str | None
    error: str
    cause: str
    step: str | None = None


@dataclass(frozen=True)
class RunReport:
    """One run as `runs show` tells it, and the end of `train` and `predict`.

    `model` is the version that was registered, or predicted with. `locations` maps a name to an S3 URI.
    `gate` is what a person answered to a promotion.
    """

    run: Run
    checks: Sequence[Check] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    failure: RunFailure | None = None
    model: registry.ModelVersion | None = None
    model_package_arn: str | None = None
    locations: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    steps: Sequence[pipeline.Step] = ()
    console_link: str | None = None
    bucket: str = ""
    manifest: Mapping[str, Any] | None = None
    predictions: Predictions | None = None
    drift: Drift | None = None
    gate: Mapping[str, Any] | None = None

    @property
    def headline(self) -> str:
        said = _HEADLINES.get(self.run.decision or "", f"Run is {self.run.status.lower()}")
        if self.failure and self.failure.error:
            place = self.failure.step or self.failure.state
            return f"{said}{f' at {place}' if place else ''}: {self.failure.error}"
        if self.run.decision == "rejected":
            return ": ".join([said, *filter(None, [", ".join(self.shortfalls)])])
        if self.model and self.run.decision == "registered":
            return f"{said}: version {self.model.version}, {_words(self.model.status)}"
        if self.model and self.run.kind == runs.PROMOTION:
            return f"{said}: version {self.model.version}{_PROMOTED.get(self.run.decision or '', '')}"
        if self.predictions:
            by = f" by model version {self.model.version}" if self.model else ""
            rows = self.predictions.rows
            return f"{said}: {rows} row{'' if rows == 1 else 's'}{by}"
        return said

    @property
    def shortfalls(self) -> list[str]:
        """What was not good enough: `f1 0.620 is below 0.700` for each failed check."""
        return [
            f"{check.metric} {check.value:.3f} is below {check.threshold:.3f}"
            for check in self.checks
            if check.passed is False and check.value is not None and check.threshold is not None
        ]

    @property
    def next_commands(self) -> list[tuple[str, str]]:
        """Commands to type next, each with what it does."""
        show = (f"titanic runs show {self.run.run_id}", "tells this run again, state by state")
        if self.run.running:
            return [*self._answers, show]
        if self.failure:
            logs = (f"titanic logs {self.run.run_id}", "shows what every job of the run printed")
            return [*self._hints(self.failure.error), logs, show]
        if self.run.kind == runs.PROMOTION:
            return [("titanic endpoints", "shows what serves"), show]
        if self.predictions:
            return [("titanic alerts --limit 1", "shows what people were told"), show]
        if self.model and self.model.status == "PendingManualApproval":
            approve = (f"titanic approve {self.model.version}", "puts the model to use")
            return [approve, (f"titanic reject {self.model.version}", "keeps it out of use"), show]
        return [("titanic models", "compares it with the other versions"), show]

    @property
    def _answers(self) -> list[tuple[str, str]]:
        """What a promotion that waits at its gate can be told."""
        if not (self.rows and self.rows[-1].name == GATE and self.rows[-1].running):
            return []
        return [
            (f"titanic confirm {self.run.run_id}", "lets the model go to prod"),
            (f"titanic decline {self.run.run_id} --reason '…'", "leaves prod as it is"),
        ]

    def _hints(self, error: str) -> list[tuple[str, str]]:
        """What helps against an error that has a name."""
        waiting = (self.manifest or {}).get("waiting_versions")
        if waiting:
            return [(f"titanic approve {waiting[0]}", "approves the newest version that waits")]
        if error not in _HINTS:
            return []
        command, does = _HINTS[error]
        return [(command.format(bucket=self.bucket, command=_COMMANDS[self.run.kind]), does)]

    def to_json(self) -> dict[str, Any]:
        failure = self.failure
        return self.run.to_json() | {
            "failure": vars(failure) if failure else None,
            "metrics": dict(self.metrics),
            "checks": [check.to_json() for check in self.checks],
            "model_package_arn": self.model_package_arn,
            "model_version": self.model.version if self.model else None,
            "approval_status": self.model.status if self.model else None,
            "manifest_uri": self.locations.get("manifest"),
            "locations": dict(self.locations),
            "predictions": self.predictions.to_json() if self.predictions else None,
            "drift": self.drift.to_json() if self.drift else None,
            "gate": self.gate,
            "states": [_row_json(row) for row in self.rows] or (self.manifest or {}).get("states", []),
            "steps": [_step_json(step) for step in self.steps],
            "console_link": self.console_link,
            "next": [command for command, _ in self.next_commands],
        }


def exit_code(run: Run) -> ExitCode:
    """What `train`, `predict` and `demo` end with."""
    return _EXIT_CODES.get(run.decision or "", ExitCode.FAILED)


def gather(target: Target, run: Run, history: History | None = None) -> RunReport:
    """Everything that is known of `run`; `history` spares reading it again after watching."""
    history = history or history_of(target, run)
    manifest = runs.read_manifest(target, run.run_id)
    known = {**(manifest or {}), **history.data}
    pipeline_arn = _pipeline_arn(history, manifest)
    steps = pipeline.list_steps(target, pipeline_arn) if pipeline_arn else []
    package_arn = _package_arn(history, manifest)
    model = _model(target, package_arn)
    bucket = target.names["data_bucket"]
    model_uri = model.model_uri if model else pipeline.trained_model_uri(target, steps)
    evaluation = history.data.get("evaluation") or {}
    published = read_predictions(target, known)
    return RunReport(
        run=run,
        checks=parse_checks(evaluation.get("checks") or (manifest or {}).get("checks") or []),
        metrics=evaluation.get("metrics") or (manifest or {}).get("metrics") or {},
        failure=failure_of(run, history, manifest),
        model=model,
        model_package_arn=package_arn,
        locations=_locations(bucket, run, history, manifest)
        | _present(
            predictions=published.uri if published else None,
            latest=f"s3://{bucket}/predictions/latest.json" if published else None,
            evaluation=evaluation.get("evaluation_uri") or (model.evaluation_uri if model else None),
            model=model_uri,
        ),
        rows=history.rows,
        steps=steps,
        console_link=runs.console_link(target, run.execution_arn),
        bucket=bucket,
        manifest=manifest,
        predictions=published,
        drift=parse_drift(known),
        gate=said_at_gate(known.get("gate")),
    )


def parse_checks(answers: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The gate's checks as `EvalMetrics` and the manifest give them."""
    return [Check(str(a["metric"]), a.get("value"), a.get("threshold"), a.get("passed")) for a in answers]


def failure_of(run: Run, history: History, manifest: Mapping[str, Any] | None) -> RunFailure | None:
    """Why a run failed: the manifest says it best; without one, what Step Functions knows."""
    if run.running or run.failure is None:
        return None
    recorded = (manifest or {}).get("failure")
    if recorded:
        return RunFailure(recorded.get("state"), recorded["error"], recorded["cause"], recorded.get("step"))
    visit = history.failed_visit()
    said = in_words(_known(run.failure) or (visit.failure if visit else None) or run.failure)
    cause = said.cause if said.cause != _NO_CAUSE else _SILENT[run.status]
    return RunFailure(visit.name if visit else None, said.error, cause)


_NO_CAUSE = in_words(Failure("", "")).cause
_SILENT = {
    "FAILED": "No cause was given.",
    "ABORTED": "Somebody stopped the execution, or the cloud it ran on was stopped.",
    "TIMED_OUT": "The execution ran longer than the state machine allows.",
}


def _known(failure: Failure) -> Failure | None:
    return failure if failure.error or failure.cause else None


def history_of(target: Target, run: Run) -> History:
    """The execution's history; empty for a run that Step Functions has forgotten."""
    from botocore.exceptions import ClientError

    from ops import history
    from ops.aws_errors import error_code

    try:
        return history.read(target.client("stepfunctions"), run.execution_arn)
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return History()
        raise


def _pipeline_arn(history: History, manifest: Mapping[str, Any] | None) -> str | None:
    started = (history.data.get("training") or {}).get("pipeline_execution_arn")
    return started or _arns(manifest).get("pipeline_execution")


def _package_arn(history: History, manifest: Mapping[str, Any] | None) -> str | None:
    """The version that the run made, or predicted with."""
    known = next(filter(None, map(history.data.get, ("evaluation", "approved", "package"))), None) or {}
    return known.get("model_package_arn") or _arns(manifest).get("model_package")


def _arns(manifest: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (manifest or {}).get("arns") or {}


def _model(target: Target, package_arn: str | None) -> registry.ModelVersion | None:
    """The version as the registry has it now: it may have been approved, or deleted, since the run."""
    if not package_arn:
        return None
    try:
        return registry.find_version(target, int(package_arn.rpartition("/")[2]))
    except VersionNotFound:
        return None


def _locations(bucket: str, run: Run, history: History, manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """What the run left under the project's bucket; only what is there."""
    data = (manifest or {}).get("data") or {}
    prepared = history.data.get("prepare") or data.get("data_sha256")  # a refused table has a report, no hash
    here = f"s3://{bucket}"
    return _present(
        manifest=f"{here}/runs/{run.run_id}/manifest.json" if manifest else None,
        data_report=f"{here}/runs/{run.run_id}/data_report.json" if prepared or data else None,
        curated=f"{here}/curated/runs/{run.run_id}/" if prepared else None,
        quarantine=f"{here}/quarantine/{run.run_id}/" if data.get("rows_quarantined") else None,
    )


def _present(**found: str | None) -> dict[str, str]:
    return {name: uri for name, uri in found.items() if uri}


def _row_json(row: Row) -> dict[str, Any]:
    now = row.last.exited_at or row.last.entered_at
    return {
        "name": row.name,
        "entered_at": runs.iso(row.first.entered_at),
        "seconds": round(row.seconds(now), 3),
        "rounds": row.rounds,
        "tries": row.tries,
        "failure": runs.failure_json(row.failure),
    }


def _step_json(step: pipeline.Step) -> dict[str, Any]:
    seconds = step.seconds(step.ended_at) if step.ended_at else None
    return {
        "name": step.name,
        "status": step.status,
        "seconds": seconds,
        "job": step.job or None,
        "failure_reason": step.failure_reason or None,
    }


def _words(status: str) -> str:
    """An approval status as a person says it."""
    return {"PendingManualApproval": "waiting for approval"}.get(status, status.lower())
