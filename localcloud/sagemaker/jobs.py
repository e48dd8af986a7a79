"""The lifecycle every job shares: create, run in a thread, describe, stop, list, wait for."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from localcloud import processes
from localcloud.sagemaker import paging
from localcloud.sagemaker.errors import ResourceInUse, ValidationError
from localcloud.sagemaker.transfer import TransferFailed
from localcloud.sagemaker.validation import output_shape
from localcloud.sagemaker.work import FINAL, Job, JobEnded, JobKind, Request, Surroundings, Work, failed
from localcloud.sagemaker.workspace import OutsideWorkspace

logger = logging.getLogger("localcloud.sagemaker")

INTERRUPTED = "InternalServerError: the local cloud was stopped while the job ran"
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


class Jobs:
    """All jobs of one kind."""

    def __init__(self, kind: JobKind, around: Surroundings, on_change: Callable[[Job], None]) -> None:
        self.kind, self._around, self._on_change = kind, around, on_change
        self._jobs: dict[str, Job] = {}
        self._work: dict[str, Work] = {}
        self._changed = threading.Condition()

    def create(self, request: Request) -> dict[str, Any]:
        """Answers at once; the job runs in a thread of its own."""
        self.kind.check(request)
        name = request[f"{self.kind.name}JobName"]
        arn = f"arn:aws:sagemaker:{self._around.region}:{self._around.account_id}:{self.kind.resource}/{name}"
        job = Job(kind=self.kind.name, name=name, arn=arn, request=request, role=self.kind.role(request))
        with self._changed:
            if name in self._jobs:
                raise ResourceInUse(
                    "Job name must be unique within an AWS account and region, and a "
                    f"{self.kind.name.lower()} job with this name already exists ({arn})"
                )
            work = Work(job, self._around, lambda: self._announce(job))
            self._jobs[name], self._work[name] = job, work
        self._start(work)
        return {f"{self.kind.name}JobArn": arn}

    def describe(self, parameters: Request) -> dict[str, Any]:
        job = self._find(parameters)
        kind = self.kind.name
        with self._changed:
            times = {
                f"{kind}StartTime": job.started,
                f"{kind}EndTime": job.ended if job.started else None,
                "CreationTime": job.created,
                "LastModifiedTime": job.modified,
            }
            answer = {
                **job.request,
                f"{kind}JobArn": job.arn,
                f"{kind}JobStatus": job.status,
                "FailureReason": job.failure_reason,
                **times,
                **self.kind.describe(job),
            }
        return _shaped(answer, output_shape(f"Describe{kind}Job"))

    def stop(self, parameters: Request) -> dict[str, Any]:
        job = self._find(parameters)
        with self._changed:
            if job.status in FINAL:
                kind = self.kind.name.lower()
                raise ValidationError(
                    f"The request was rejected because the {kind} job is in status {job.status}."
                )
            work = self._work[job.name]
            work.refuse_further()
            job.status = "Stopping"
            job.move_to("Stopping", "Stopping the job")
        self._announce(job)
        threading.Thread(target=work.stop, name=f"stop-{job.name}", daemon=True).start()
        return {}

    def list_jobs(self, parameters: Request) -> dict[str, Any]:
        with self._changed:
            jobs = [job for job in self._jobs.values() if _listed(job, parameters)]
        key = {"Name": lambda j: j.name, "Status": lambda j: j.status}.get(
            parameters.get("SortBy", ""), lambda j: j.created
        )
        ordered = paging.order(jobs, key, parameters.get("SortOrder"), "Descending")
        shown, token = paging.page(ordered, parameters, default_size=10)
        return {f"{self.kind.name}JobSummaries": [self._summary(job) for job in shown], **token}

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """The tags of one of these jobs; None when the ARN is not of one."""
        return next((job.request.get("Tags", []) for job in self._jobs.values() if job.arn == arn), None)

    def wait(self, name: str, timeout: float | None = None) -> bool:
        """Returns when the job has ended, or after `timeout` seconds; whether it has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self._jobs[name].status in FINAL, timeout)

    def stop_all(self) -> None:
        """Stops what still runs and waits for it: the server is going down."""
        for work in list(self._work.values()):
            work.stop()
        with self._changed:
            self._changed.wait_for(lambda: not self._work, timeout=processes.STOP_GRACE_SECONDS)

    def snapshot(self) -> list[dict[str, Any]]:
        with self._changed:
            return [asdict(job) for job in self._jobs.values()]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Jobs that were running have failed: their processes went with the cloud that ran them."""
        for record in saved:
            job = Job(**record)
            if job.status not in FINAL:
                job.end("Failed", INTERRUPTED)
            self._jobs[job.name] = job

    def _start(self, work: Work) -> None:
        # The thread acts for the caller's account and region, which MiniStack keeps in context variables.
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._run, work), name=f"sagemaker-{work.job.name}", daemon=True
        ).start()

    def _run(self, work: Work) -> None:
        job, end = work.job, self._attempt(work)
        if not self._around.keep_folders:
            work.workspace.remove()
        with self._changed:
            job.end(end.status, end.reason, end.detail)
            del self._work[job.name]
        self._announce(job)

    def _attempt(self, work: Work) -> JobEnded:
        try:
            work.stage("Starting", "Preparing the job")
            self.kind.run(work)
        except JobEnded as ended:
            return ended
        except (TransferFailed, OutsideWorkspace) as error:
            return failed(str(error))
        except Exception:
            logger.exception("the job %s broke the local SageMaker", work.job.name)
            return failed(INTERNAL)
        return JobEnded("Completed")

    def _announce(self, job: Job) -> None:
        with self._changed:
            self._changed.notify_all()
        self._on_change(job)

    def _find(self, parameters: Request) -> Job:
        name = parameters[f"{self.kind.name}JobName"]
        if name not in self._jobs:
            raise ValidationError(self.kind.missing.format(name=name))  # as AWS does, whatever its model says
        return self._jobs[name]

    def _summary(self, job: Job) -> dict[str, Any]:
        kind = self.kind.name
        described = self.describe({f"{kind}JobName": job.name}) | {"LastModifiedTime": job.modified}
        return _shaped(described, output_shape(f"List{kind}Jobs").members[f"{kind}JobSummaries"].member)


def _shaped(answer: dict[str, Any], shape: Any) -> dict[str, Any]:
    """What of an answer AWS would send: the members of its shape that have a value."""
    return {key: value for key, value in answer.items() if value is not None and key in shape.members}


def _listed(job: Job, parameters: Request) -> bool:
    return (
        parameters.get("NameContains", "") in job.name
        and parameters.get("StatusEquals", job.status) == job.status
        and paging.within(job.created, parameters, "CreationTime")
        and paging.within(job.modified, parameters, "LastModifiedTime")
    )
