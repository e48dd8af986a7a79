"""Everything a run printed, wherever it ran: Lambdas, the Glue job, SageMaker's jobs, in time order.

Glue and SageMaker name a log stream after the job, so the run's own streams are known. A Lambda's stream
is shared by its invocations: those that name the run are taken, and those of its time that name none.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops import pipeline, runs
from ops.aws_errors import error_code
from ops.errors import OpsError
from ops.runs import Run
from ops.target import Target

GLUE_GROUPS = ("/aws-glue/jobs/output", "/aws-glue/jobs/error")
SAGEMAKER_GROUPS = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
    "TransformJob": "/aws/sagemaker/TransformJobs",
}
_SETTLING = timedelta(minutes=2)
"""Logs of a run's last moments arrive, and are stamped, a little after it."""
_FOLLOW_SECONDS = 0.2
"""A look at a run's logs is a dozen requests: on a laptop they must leave time for the run itself."""
_CLOCKS = timedelta(seconds=1)
"""Step Functions and Lambda need not agree to the millisecond."""
_RUN_IDS = re.compile(r"\b\d{8}-[0-9a-f]{10}\b")
_BOUND_RUN_IDS = re.compile(rf'"run_id": ?"({_RUN_IDS.pattern})"')


class GroupNotFound(OpsError):
    """The log group that was asked for does not exist."""


@dataclass(frozen=True)
class Line:
    """One log line. `source` is its short name for people: a function, a job or a pipeline step."""

    time: datetime
    source: str
    group: str
    stream: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {
            "time": runs.iso(self.time),
            "source": self.source,
            "group": self.group,
            "stream": self.stream,
            "message": self.message,
        }


@dataclass(frozen=True)
class Source:
    """Where lines are: a group, the prefix of the streams meant, and the time that counts."""

    name: str
    group: str
    stream_prefix: str = ""
    start: datetime | None = None
    end: datetime | None = None


def lines_of_run(target: Target, run: Run) -> list[Line]:
    """All lines of `run` so far, in time order."""
    jobs = [line for source in _job_sources(target, run) for line in read(target, source)]
    functions = [
        line for source in _function_sources(target, run) for line in only_of_run(read(target, source), run)
    ]
    return sorted([*functions, *jobs], key=lambda line: line.time)


def follow_run(target: Target, run: Run) -> Iterator[Line]:
    """Lines of `run` as they come, until it has ended."""
    unseen = Unseen()
    while run.running:
        yield from unseen.among(lines_of_run(target, run))
        time.sleep(max(target.poll_seconds, _FOLLOW_SECONDS))
        run = runs.describe_run(target, run.execution_arn)
    yield from unseen.among(lines_of_run(target, run))


def lines_of_group(target: Target, group: str) -> list[Line]:
    """Every line of a log group. Raises `GroupNotFound`, which names groups that look alike."""
    _confirm(target, group)
    return list(read(target, Source(_short(group), group)))


def follow_group(target: Target, group: str) -> Iterator[Line]:
    """Lines of a log group from now on, until the reader has had enough."""
    _confirm(target, group)
    unseen, since = Unseen(), datetime.now(UTC)
    while True:
        yield from unseen.among(read(target, Source(_short(group), group, start=since)))
        time.sleep(max(target.poll_seconds, _FOLLOW_SECONDS))


class Unseen:
    """Tells new lines from those of an earlier look. A line that was printed twice is two lines."""

    def __init__(self) -> None:
        self._seen: Counter[Line] = Counter()

    def among(self, lines: Iterable[Line]) -> Iterator[Line]:
        met: Counter[Line] = Counter()
        for line in lines:
            met[line] += 1
            if met[line] > self._seen[line]:
                self._seen[line] += 1
                yield line


def read(target: Target, source: Source) -> Iterator[Line]:
    """A source's lines, oldest first; none when nothing has been written there yet."""
    from botocore.exceptions import ClientError

    pages = target.client("logs").get_paginator("filter_log_events").paginate(**_query(source))
    try:
        for page in pages:
            for event in page["events"]:
                # Not every implementation of the API knows the prefix.
                if event["logStreamName"].startswith(source.stream_prefix):
                    yield _line(source, event)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise


def only_of_run(lines: Iterable[Line], run: Run) -> list[Line]:
    """The lines of those Lambda invocations that were the run's."""
    return [line for invocation in invocations(lines) if _is_of_run(invocation, run) for line in invocation]


def _is_of_run(invocation: Sequence[Line], run: Run) -> bool:
    """What it logged as its run counts first, then which runs it speaks of.

    One that names none did its work in silence, or could not even begin: its time must do.
    """
    text = "\n".join(line.message for line in invocation)
    named = set(_BOUND_RUN_IDS.findall(text)) or set(_RUN_IDS.findall(text))
    if named or run.execution_arn in text:
        return run.run_id in named or run.execution_arn in text
    return invocation[0].time <= _last_silent_start(run)


def _last_silent_start(run: Run) -> datetime:
    """A run that was ended from outside is recorded after its end."""
    if not run.stopped_at:
        return datetime.max.replace(tzinfo=UTC)
    return run.stopped_at + (_SETTLING if run.status in {"ABORTED", "TIMED_OUT"} else _CLOCKS)


def invocations(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Cuts each stream's lines where Lambda says START."""
    streams: dict[str, list[list[Line]]] = {}
    for line in lines:
        parts = streams.setdefault(line.stream, [[]])
        if line.message.startswith("START RequestId:") and parts[-1]:
            parts.append([])
        parts[-1].append(line)
    for parts in streams.values():
        yield from (part for part in parts if part)


def _function_sources(target: Target, run: Run) -> list[Source]:
    """The project's Lambda log groups within the run's time."""
    prefix = f"/aws/lambda/{target.names.function('')}"
    groups = _group_names(target, prefix)
    return [
        Source(group.removeprefix(prefix), group, start=run.started_at, end=_end(run)) for group in groups
    ]


def _end(run: Run) -> datetime | None:
    return run.stopped_at + _SETTLING if run.stopped_at else None


def _job_sources(target: Target, run: Run) -> Iterator[Source]:
    """The log streams of the run's Glue job, of its pipeline's jobs and of its transform job."""
    job = target.names["prepare_job"].removeprefix(target.names.function(""))
    for job_run_id in glue_job_runs(target, run):
        for group in GLUE_GROUPS:
            yield Source(job, group, job_run_id)
    if run.kind == runs.PROMOTION:
        for name in (target.names.endpoint("staging"), target.names.endpoint("prod")):
            yield Source(name, f"/aws/sagemaker/Endpoints/{name}", start=run.started_at, end=_end(run))
        return
    if run.kind == runs.BATCH_INFERENCE:
        # Named by state CreateTransformJob.
        yield Source("transform", SAGEMAKER_GROUPS["TransformJob"], f"batch-{run.run_id}/")
        return
    pipeline_arn = pipeline.find_execution(target, run.run_id)
    for step in pipeline.list_steps(target, pipeline_arn) if pipeline_arn else []:
        if step.job:
            yield Source(step.name, SAGEMAKER_GROUPS[step.job_kind], f"{step.job}/")


def glue_job_runs(target: Target, run: Run) -> Iterator[str]:
    """Ids of the Glue job runs that were given this run's id."""
    pages = target.client("glue").get_paginator("get_job_runs").paginate(JobName=target.names["prepare_job"])
    for job_run in (job_run for page in pages for job_run in page["JobRuns"]):
        if job_run.get("Arguments", {}).get("--run_id") == run.run_id:
            yield str(job_run["Id"])
        elif job_run["StartedOn"] < run.started_at - _SETTLING:  # newest first: the rest is older still
            return


def _query(source: Source) -> dict[str, Any]:
    query: dict[str, Any] = {"logGroupName": source.group}
    if source.stream_prefix:
        query["logStreamNamePrefix"] = source.stream_prefix
    if source.start:
        query["startTime"] = int(source.start.timestamp() * 1000)
    if source.end:
        query["endTime"] = int(source.end.timestamp() * 1000)
    return query


def _line(source: Source, event: Mapping[str, Any]) -> Line:
    return Line(
        time=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        source=source.name,
        group=source.group,
        stream=event["logStreamName"],
        message=event["message"].rstrip("\r\n"),
    )


def _confirm(target: Target, group: str) -> None:
    names = _group_names(target, group)
    if group in names:
        return
    there = ", ".join(names[:10]) or ", ".join(_group_names(target, "/aws")[:20]) or "none yet"
    raise GroupNotFound(f"There is no log group {group!r} in {target.label}. Those there are: {there}.")


def _group_names(target: Target, prefix: str) -> list[str]:
    pages = target.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def _short(group: str) -> str:
    return group.rstrip("/").rpartition("/")[2]
