"""Runs: who they are, how they ended, what they left. Read from Step Functions and S3.

A run is one execution of a state machine, and the machine says its kind. Its id is computed from the
execution alone, so a run is found by its id, by its execution's name or by its ARN, with or without a
manifest.
"""

from __future__ import annotations

import heapq
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from functions.common.run_identity import identify
from ops.aws_errors import error_code
from ops.errors import RunNotFound, UsageError
from ops.history import Failure, in_words
from ops.target import Target

TRAINING, BATCH_INFERENCE, PROMOTION = KINDS = ("training", "batch_inference", "promotion")
"""Each has a machine in `statemachines/` and a name in `project.json`."""
_ABSENT_OBJECT = {"NoSuchKey", "404", "NoSuchBucket", "NotFound"}
_RUN_ID = re.compile(r"\d{8}-([0-9a-f]{10})")
_DECISION_OF_STATUS = {"FAILED": "failed", "ABORTED": "aborted", "TIMED_OUT": "timed_out"}
_NO_APPROVED_MODEL = "no_approved_model"
_DECISION_OF_ERROR = {
    "NoApprovedModel": _NO_APPROVED_MODEL,
    "GateTimedOut": "gate_timed_out",
    "PromotionRolledBack": "rolled_back",
}
"""Executions that failed in a way that is an outcome of its own."""
_STATUS_OF_DECISION = dict.fromkeys(_DECISION_OF_ERROR.values(), "FAILED") | {
    decision: status for status, decision in _DECISION_OF_STATUS.items()
}


@dataclass(frozen=True)
class Run:
    """One execution of a machine. Times are UTC; `output` is what the machine ended with."""

    run_id: str
    kind: str
    execution_arn: str
    status: str
    started_at: datetime
    stopped_at: datetime | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def name(self) -> str:
        return self.execution_arn.rsplit(":", 1)[-1]

    @property
    def title(self) -> str:
        """The kind as a sentence begins: `Batch inference`."""
        return self.kind.replace("_", " ").capitalize()

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    @property
    def decision(self) -> str | None:
        """What it came to, e.g. `registered` or `no_approved_model`; None while it runs."""
        if self.status == "SUCCEEDED":
            return self.output.get("decision") or self.output.get("outcome")
        named = _DECISION_OF_ERROR.get(self.failure.error) if self.failure else None
        return named or _DECISION_OF_STATUS.get(self.status)

    def seconds(self, now: datetime | None = None) -> float:
        return ((self.stopped_at or now or datetime.now(UTC)) - self.started_at).total_seconds()

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "kind": self.kind,
            "execution_arn": self.execution_arn,
            "status": self.status,
            "decision": self.decision,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.stopped_at) if self.stopped_at else None,
            "seconds": round(self.seconds(), 3),
            "failure": failure_json(self.failure),
        }


def run_id_of(execution_arn: str, started_at: datetime, execution_input: Any) -> str:
    """The id that every part of a run derives for itself."""
    return identify(execution_arn, started_at.astimezone(UTC), execution_input).run_id


def run_hash(execution_arn: str) -> str:
    """The end of a run's id, which says which execution it was whatever its date."""
    return run_id_of(execution_arn, datetime.now(UTC), None).rpartition("-")[2]


def latest_runs(target: Target, limit: int) -> list[Run]:
    """The newest `limit` runs, newest first (0: all that Step Functions remembers, 90 days)."""
    arns = [summary["executionArn"] for summary in islice(_summaries(target), limit or None)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        runs = list(pool.map(lambda arn: describe_run(target, arn), arns))
    return sorted(runs, key=lambda run: run.started_at, reverse=True)


def running(target: Target, kind: str) -> list[Run]:
    """The runs of a kind that go on, newest first."""
    pages = (
        target.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=state_machine_arn(target, kind), statusFilter="RUNNING")
    )
    arns = [found["executionArn"] for page in pages for found in page["executions"]]
    found = [describe_run(target, arn) for arn in arns]
    return sorted((run for run in found if run.running), key=lambda run: run.started_at, reverse=True)


def find_run(target: Target, wanted: str) -> Run:
    """The run with this run id, execution name or execution ARN. Raises `RunNotFound`."""
    run_id = _RUN_ID.fullmatch(wanted)
    for summary in _summaries(target):
        arn = summary["executionArn"]
        if wanted in (arn, summary["name"]) or (run_id and run_id[1] == run_hash(arn)):
            return describe_run(target, arn)
    if run_id and (manifest := read_manifest(target, wanted)):
        return run_of_manifest(manifest)
    raise RunNotFound(
        f"There is no run {wanted!r} in {target.label}: no execution and no manifest bears that name. "
        "`titanic runs` lists the runs there are."
    )


def describe_run(target: Target, execution_arn: str) -> Run:
    """The run of an execution as Step Functions knows it."""
    answer = target.client("stepfunctions").describe_execution(executionArn=execution_arn)
    return parse_execution(answer, kind_of(target, execution_arn))


def kind_of(target: Target, execution_arn: str) -> str:
    """What an execution's machine does: `arn:aws:states:<region>:<account>:execution:<machine>:<name>`."""
    machine = execution_arn.split(":")[6]
    return next(kind for kind in KINDS if target.names[f"{kind}_state_machine"] == machine)


def parse_execution(answer: Mapping[str, Any], kind: str) -> Run:
    """A `DescribeExecution` answer as a run."""
    execution_input = json_object(answer.get("input"))
    status = str(answer["status"])
    return Run(
        run_id=run_id_of(answer["executionArn"], answer["startDate"], execution_input),
        kind=kind,
        execution_arn=answer["executionArn"],
        status=status,
        started_at=answer["startDate"],
        stopped_at=answer.get("stopDate"),
        input=execution_input,
        output=json_object(answer.get("output")) if status == "SUCCEEDED" else {},
        failure=_failure_of(answer) if status in _DECISION_OF_STATUS else None,
    )


def run_of_manifest(manifest: Mapping[str, Any]) -> Run:
    """A run that Step Functions has forgotten, from what it left in S3."""
    decision = str(manifest["outcome"])
    failure = manifest.get("failure")
    return Run(
        run_id=manifest["run_id"],
        kind=manifest["kind"],
        execution_arn=manifest["execution_arn"],
        status=_STATUS_OF_DECISION.get(decision, "SUCCEEDED"),
        started_at=datetime.fromisoformat(manifest["started_at"]),
        stopped_at=datetime.fromisoformat(manifest["finished_at"]),
        output={"decision": decision},
        failure=Failure(failure["error"], failure["cause"]) if failure else None,
    )


def read_manifest(target: Target, run_id: str) -> dict[str, Any] | None:
    """`runs/<run_id>/manifest.json`, or None before the run has written it."""
    from botocore.exceptions import ClientError

    try:
        answer = target.client("s3").get_object(
            Bucket=target.names["data_bucket"], Key=f"runs/{run_id}/manifest.json"
        )
    except ClientError as error:
        if error_code(error) in _ABSENT_OBJECT:
            return None
        raise
    loaded: dict[str, Any] = json.loads(answer["Body"].read())
    return loaded


def manifest_uri(target: Target, run_id: str) -> str:
    return f"s3://{target.names['data_bucket']}/runs/{run_id}/manifest.json"


def executions(target: Target, kind: str) -> Iterable[Mapping[str, Any]]:
    """Summaries of one machine's executions, newest first, page by page as they are asked for."""
    pages = (
        target.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=state_machine_arn(target, kind), PaginationConfig={"PageSize": 100})
    )
    for page in pages:
        yield from page["executions"]


def start_run(target: Target, kind: str, execution_input: Any, *, by: str) -> Run:
    """Starts a run with this input, as it is: the machine itself refuses what it does not know.

    The execution is named here and not by AWS, so that a request repeated after a timeout starts no
    second run.
    """
    name = f"{by}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    answer = target.client("stepfunctions").start_execution(
        stateMachineArn=state_machine_arn(target, kind), name=name, input=json.dumps(execution_input)
    )
    return describe_run(target, answer["executionArn"])


def state_machine_arn(target: Target, kind: str) -> str:
    return target.names.arn("states", f"stateMachine:{target.names[f'{kind}_state_machine']}")


def console_link(target: Target, execution_arn: str) -> str | None:
    """The execution's page in the AWS console; the local cloud has none."""
    if not target.is_aws:
        return None
    from functions.common import notification  # brings the functions' parser along, which is slow to import

    return notification.console_link(execution_arn)


def parse_input(text: str, source: str) -> Any:
    """The JSON of `--input`. Only that it is JSON is judged here. Raises `UsageError`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"--input {source} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error


def json_object(document: str | None) -> dict[str, Any]:
    """A JSON object, or an empty one for anything else: an execution's input may be any JSON."""
    loaded = json.loads(document or "{}")
    return loaded if isinstance(loaded, dict) else {}


def failure_json(failure: Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    said = in_words(failure)
    return {"error": said.error, "cause": said.cause}


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _summaries(target: Target) -> Iterable[Mapping[str, Any]]:
    """Executions of all machines, newest first, page by page as they are asked for."""
    each = [executions(target, kind) for kind in KINDS]
    return heapq.merge(*each, key=lambda summary: summary["startDate"], reverse=True)


def _failure_of(answer: Mapping[str, Any]) -> Failure:
    return Failure(str(answer.get("error") or ""), str(answer.get("cause") or ""))
