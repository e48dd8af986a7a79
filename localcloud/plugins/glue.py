"""Glue job runs: the job's script in a process of its own, with the arguments and files Glue gives it.

MiniStack marks Spark jobs `SUCCEEDED` without running them, passes the arguments of others as environment
variables, and forgets how many runs a job allows. Registration points: `glue._start_job_run`,
`glue._batch_stop_job_run`, `glue._create_job`, `glue._update_job`.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from localcloud import credentials, processes
from localcloud.logs import LogStream
from localcloud.settings import settings

logger = logging.getLogger("localcloud.glue")

FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR"})
DEFAULT_TIMEOUT_MINUTES = 2880

Response = tuple[int, dict[str, str], bytes]


@dataclass
class JobRun:
    """A run as the API shows it (`record`), and the process behind it."""

    record: dict[str, Any]
    job: dict[str, Any]
    finished: threading.Event = field(default_factory=threading.Event)
    process: processes.Process | None = None
    stop_requested: bool = False

    @property
    def state(self) -> str:
        return str(self.record["JobRunState"])

    def move_to(self, state: str, message: str = "") -> None:
        now = time.time()
        self.record.update(JobRunState=state, LastModifiedOn=now)
        if message:
            self.record["ErrorMessage"] = message
        if state in FINAL_STATES:
            self.record.update(CompletedOn=now, ExecutionTime=int(now - self.record["StartedOn"]))
            self.finished.set()

    def stop(self) -> None:
        """Ends the run as `STOPPED`; a run that has ended stays as it is."""
        if self.state in FINAL_STATES:
            return
        self.stop_requested = True
        self.move_to("STOPPING")
        if self.process:
            self.process.stop()


_runs: dict[str, JobRun] = {}


def start_job_run(data: dict[str, Any]) -> Response:
    """The `StartJobRun` operation."""
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import glue

    job = glue._jobs.get(data.get("JobName"))
    if job is None:
        message = f"Failed to start job run due to missing metadata: job {data.get('JobName')} not found"
        return error_response_json("EntityNotFoundException", message, 400)  # type: ignore[no-any-return]
    history = glue._job_runs.setdefault(job["Name"], [])
    most = int(job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1))
    if sum(record["JobRunState"] not in FINAL_STATES for record in history) >= most:
        message = f"Concurrent runs exceeded for {job['Name']}"
        return error_response_json("ConcurrentRunsExceededException", message, 400)  # type: ignore[no-any-return]
    run = JobRun(record=_new_record(job, data), job=job)
    history.insert(0, run.record)  # GetJobRuns lists the newest first
    _runs[run.record["Id"]] = run
    # The thread acts for the caller's account and region, which MiniStack keeps in context variables.
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(_execute, run), daemon=True, name=f"glue-{job['Name']}"
    ).start()
    return json_response({"JobRunId": run.record["Id"]})  # type: ignore[no-any-return]


def batch_stop_job_run(data: dict[str, Any]) -> Response:
    """The `BatchStopJobRun` operation: MiniStack's answer, and the processes really end."""
    from ministack.core.responses import json_response

    job_name, stopped, errors = data.get("JobName"), [], []
    for run_id in data.get("JobRunIds", []):
        run = _runs.get(run_id)
        if run and run.record["JobName"] == job_name and run.state not in FINAL_STATES:
            threading.Thread(target=run.stop, daemon=True).start()
            stopped.append({"JobName": job_name, "JobRunId": run_id})
        else:
            code = "InvalidInputException" if run else "EntityNotFoundException"
            detail = {"ErrorCode": code, "ErrorMessage": f"Job run {run_id} is not running"}
            errors.append({"JobName": job_name, "JobRunId": run_id, "ErrorDetail": detail})
    return json_response({"SuccessfulSubmissions": stopped, "Errors": errors})  # type: ignore[no-any-return]


def find_run(run_id: str) -> JobRun:
    """The run that `StartJobRun` answered with."""
    return _runs[run_id]


def stop_all() -> None:
    """Stops what still runs: the server is going down."""
    for run in list(_runs.values()):
        run.stop()


def install() -> None:
    from ministack.services import glue

    glue._start_job_run = start_job_run
    glue._batch_stop_job_run = batch_stop_job_run
    glue._create_job = _keeping_more(glue._create_job, lambda data: (data.get("Name"), data))
    glue._update_job = _keeping_more(
        glue._update_job, lambda data: (data.get("JobName"), data.get("JobUpdate", {}))
    )


def _keeping_more(
    original: Callable[[dict[str, Any]], Response], given: Callable[[dict[str, Any]], tuple[Any, Any]]
) -> Callable[[dict[str, Any]], Response]:
    """Keeps `ExecutionProperty`, which says how many runs there may be at once, and the tags of a new job."""

    def put(data: dict[str, Any]) -> Response:
        from ministack.services import glue

        answer = original(data)
        name, job = given(data)
        if answer[0] == 200 and "ExecutionProperty" in job:
            glue._jobs[name]["ExecutionProperty"] = job["ExecutionProperty"]
        if answer[0] == 200 and "Tags" in job:
            glue._tags[glue._arn("job", name)] = dict(job["Tags"])
        return answer

    return put


def _new_record(job: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {
        "Id": f"jr_{uuid.uuid4().hex}{uuid.uuid4().hex}",
        "Attempt": 0,
        "JobName": job["Name"],
        "StartedOn": now,
        "LastModifiedOn": now,
        "JobRunState": "STARTING",
        "Arguments": data.get("Arguments", {}),
        "PredecessorRuns": [],
        "AllocatedCapacity": int(job.get("NumberOfWorkers", 2)),
        "MaxCapacity": float(job.get("NumberOfWorkers", 2)),
        "ExecutionTime": 0,
        "Timeout": int(data.get("Timeout") or job.get("Timeout") or DEFAULT_TIMEOUT_MINUTES),
        "WorkerType": job.get("WorkerType", "G.1X"),
        "NumberOfWorkers": int(job.get("NumberOfWorkers", 2)),
        "LogGroupName": "/aws-glue/jobs",
        "GlueVersion": job.get("GlueVersion", "5.0"),
    }


def _execute(run: JobRun) -> None:
    folder = settings().home / "jobs" / run.record["Id"]
    folder.mkdir(parents=True)
    try:
        spec = _prepare(run, folder)
        if run.stop_requested:
            run.move_to("STOPPED")
            return
        run.process = processes.start(spec)
        if run.stop_requested:  # while it was being born
            run.process.stop()
        else:
            run.move_to("RUNNING")
        _conclude(run, run.process.wait())
    except (ClientError, BotoCoreError, OSError, KeyError) as error:
        # On AWS too these are the job's failure, not the service's: no such script, no permission.
        run.move_to("FAILED", f"LAUNCH ERROR | {type(error).__name__}: {error}")
    except Exception as error:
        logger.exception("the run %s broke the local Glue", run.record["Id"])
        run.move_to("ERROR", f"InternalServiceException: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(run: JobRun, folder: Path) -> processes.ProcessSpec:
    """Downloads the script and its companions as Glue does, and says how to run it."""
    arguments = {**run.job.get("DefaultArguments", {}), **run.record["Arguments"]}
    s3 = credentials.client("s3", run.job["Role"], "GlueJobRunnerSession")

    def fetch(uris: str) -> list[str]:
        return [str(_download(s3, uri.strip(), folder)) for uri in uris.split(",") if uri.strip()]

    [script] = fetch(run.job["Command"]["ScriptLocation"])
    packages = fetch(arguments.get("--extra-py-files", ""))
    fetch(arguments.get("--extra-files", ""))
    output, error = (
        LogStream(run.job["Role"], f"/aws-glue/jobs/{kind}", run.record["Id"]) for kind in ("output", "error")
    )
    return processes.ProcessSpec(
        name=f"glue-{run.job['Name']}",
        argv=(sys.executable, script, *_script_arguments(run, arguments)),
        env={
            **processes.base_environment(),
            **credentials.role_environment(run.job["Role"], "GlueJobRunnerSession"),
            "AWS_ALLOW_HTTP": "true",  # for readers that talk to S3 without the SDK
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join(packages),
        },
        cwd=folder,
        timeout_seconds=run.record["Timeout"] * 60.0,
        on_line=output.write,
        on_error_line=error.write,
    )


def _script_arguments(run: JobRun, arguments: dict[str, str]) -> list[str]:
    """`--key value …` in the order Glue gives them: its own first."""
    all_arguments = {
        "--JOB_ID": "j_local",
        "--JOB_RUN_ID": run.record["Id"],
        "--JOB_NAME": run.job["Name"],
    } | arguments
    return [part for key, value in all_arguments.items() for part in (key, str(value))]


def _conclude(run: JobRun, exit_: processes.Exit) -> None:
    if run.stop_requested or exit_.reason == "stopped":
        run.move_to("STOPPED")
    elif exit_.reason == "timed_out":
        run.move_to("TIMEOUT", f"Job run exceeded its timeout of {run.record['Timeout']} minutes")
    elif exit_.succeeded:
        run.move_to("SUCCEEDED")
    else:
        run.move_to("FAILED", exit_.words)


def _download(s3: Any, uri: str, folder: Path) -> Path:
    parts = urlsplit(uri)
    target = folder / Path(parts.path).name
    s3.download_file(parts.netloc, parts.path.lstrip("/"), str(target))
    return target


def describe(run: JobRun) -> str:
    """The run as Step Functions puts it into the cause of a failed `.sync` task."""
    return json.dumps(run.record, default=str)
