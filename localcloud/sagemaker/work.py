"""One job: its record, and the work while it runs.

`Job` is what the API shows, `Work` what a kind of job (`processing`, `training`, `transform`) has at hand
while it runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from localcloud import processes
from localcloud.sagemaker.times import now
from localcloud.sagemaker.workspace import Workspace

FINAL = frozenset({"Completed", "Failed", "Stopped"})
REASON_LENGTH = 1024  # of FailureReason and ExitMessage

Request = dict[str, Any]


class JobEnded(Exception):
    """The job is over before its end. `detail` is the secondary status, where it differs from the status."""

    def __init__(self, status: str, reason: str | None = None, detail: str | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail or status


def failed(reason: str) -> JobEnded:
    """The end of a job that failed, with its FailureReason."""
    return JobEnded("Failed", reason)


@dataclass
class Job:
    """A job as the API knows it. Times are seconds since 1970; `request` is what Create was given, `role`
    whom the job acts as."""

    kind: str
    name: str
    arn: str
    request: Request
    status: str = "InProgress"
    detail: str = "Starting"
    created: float = field(default_factory=now)
    modified: float = field(default_factory=now)
    started: float | None = None
    ended: float | None = None
    failure_reason: str | None = None
    exit_message: str | None = None
    results: dict[str, Any] = field(default_factory=dict)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    role: str = ""

    def move_to(self, detail: str, message: str = "") -> None:
        """Enters a secondary status, and leaves the one before."""
        moment = now()
        if self.transitions:
            self.transitions[-1].setdefault("EndTime", moment)
        self.transitions.append({"Status": detail, "StartTime": moment, "StatusMessage": message})
        self.detail, self.modified = detail, moment

    def end(self, status: str, reason: str | None = None, detail: str | None = None) -> None:
        self.move_to(detail or status, reason or "")
        self.transitions[-1]["EndTime"] = self.modified
        self.status, self.ended = status, self.modified
        self.failure_reason = reason[:REASON_LENGTH] if reason else None


@dataclass(frozen=True)
class Surroundings:
    """What a job needs of the cloud around it; `plane` gives the real ones, tests their own."""

    home: Path
    account_id: str
    region: str
    s3: Callable[[str, str], Any]  # (role ARN, session name) -> client
    environment: Callable[[str, str], dict[str, str]]  # (role ARN, session name) -> AWS variables
    log: Callable[[str, str, str], Any]  # (role ARN, group, stream) -> something with write(line)
    keep_folders: bool = False


class JobKind(Protocol):
    """What differs between kinds of jobs."""

    name: str  # "Processing": ProcessingJobName, CreateProcessingJob, …
    resource: str  # in ARNs
    missing: str  # what Describe says of a name that is not there

    def check(self, request: Request) -> None:
        """Raises `ValidationError` for a request that cannot be done here."""

    def role(self, request: Request) -> str:
        """The role that the job acts as."""

    def run(self, work: Work) -> None:
        """Does the job. Raises `JobEnded`, `TransferFailed` or `OutsideWorkspace` where it fails."""

    def describe(self, job: Job) -> dict[str, Any]:
        """The members of the Describe answer that only this kind has."""


@dataclass(frozen=True)
class Program:
    """A process of a job. Its output goes to the job's log; stdout goes to `on_line` where that is given."""

    argv: Sequence[str]
    variables: Mapping[str, str]
    cwd: Path
    on_line: Callable[[str], None] | None = None


class Work:
    """One job while it runs. Its thread calls everything here except `stop`."""

    def __init__(self, job: Job, around: Surroundings, announce: Callable[[], None]) -> None:
        self.job, self.around, self._announce = job, around, announce
        self.workspace = Workspace(around.home / "jobs" / f"{job.kind.lower()}-{job.name}")
        self._lock = threading.Lock()
        self._processes: list[processes.Process] = []
        self._stopping = False
        self._log = self.open_log()

    @cached_property
    def s3(self) -> Any:
        """The job role's S3 client; making one takes longer than a small transfer."""
        return self.around.s3(self.job.role, self.job.name)

    def open_log(self, suffix: str = "") -> Any:
        """A stream of the job's log group."""
        job = self.job
        stream = f"{job.name}/algo-1-{int(job.created)}{suffix}"
        return self.around.log(job.role, f"/aws/sagemaker/{job.kind}Jobs", stream)

    def write_log(self, line: str) -> None:
        self._log.write(line)

    def stage(self, detail: str, message: str) -> None:
        """Announces the next stage; raises `JobEnded` when the job is being stopped."""
        with self._lock:
            self._refuse_if_stopping()
            self.job.move_to(detail, message)
        self._announce()

    def execute(self, argv: list[str], variables: Mapping[str, str], cwd: Path) -> processes.Exit:
        """Runs the container's program in a child process and waits for its end."""
        [exit_] = self.execute_all([Program(argv, variables, cwd)])
        return exit_

    def execute_all(self, programs: Sequence[Program]) -> list[processes.Exit]:
        """Runs programs side by side, each in a child process, and waits until the last has ended."""
        exits = [process.wait() for process in self._start_all(programs)]
        if any(exit_.reason == "stopped" for exit_ in exits):
            raise JobEnded("Stopped")
        if any(exit_.reason == "timed_out" for exit_ in exits):
            reason = f"MaxRuntimeExceeded: the job was stopped after MaxRuntimeInSeconds={self._limit}"
            raise JobEnded("Stopped", reason, "MaxRuntimeExceeded")
        return exits

    def refuse_further(self) -> None:
        """From now on nothing new begins: the next stage ends the job as `Stopped`."""
        with self._lock:
            self._stopping = True

    def stop(self) -> None:
        """Ends the job wherever it is; returns when its processes have ended."""
        self.refuse_further()
        self._stop_processes()

    @property
    def _limit(self) -> int:
        """Seconds after which the job is stopped; a day, unless the request says otherwise."""
        limit: int = self.job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
        return limit

    def _start_all(self, programs: Sequence[Program]) -> list[processes.Process]:
        self._processes = []
        with self._lock:
            self._refuse_if_stopping()
            for program in programs:
                try:
                    self._processes.append(processes.start(self._spec(program)))
                except OSError as error:
                    self._stop_processes()
                    reason = f"AlgorithmError: {program.argv[0]} cannot be started: {error}"
                    raise failed(reason) from error
        return self._processes

    def _stop_processes(self) -> None:
        for process in self._processes:
            process.stop()

    def _spec(self, program: Program) -> processes.ProcessSpec:
        return processes.ProcessSpec(
            name=f"sagemaker-{self.job.name}",
            argv=tuple(program.argv),
            env=self._environment(program.variables),
            cwd=program.cwd,
            timeout_seconds=float(self._limit),
            on_line=program.on_line or self.write_log,
            on_error_line=self.write_log,
        )

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        own = {**self.job.request.get("Environment", {}), **variables}
        return {
            **processes.base_environment(),
            "HOME": str(self.workspace.root),
            **self.around.environment(self.job.role, self.job.name),
            **{key: self.workspace.localise(value) for key, value in own.items()},
        }

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise JobEnded("Stopped")


def words_of(exit_: processes.Exit) -> str:
    """The job's own error: what follows its traceback, or its last lines."""
    if exit_.code < 0:
        return exit_.words
    lines = list(exit_.last_lines)
    indented = [number for number, line in enumerate(lines) if line.startswith((" ", "\t"))]
    tail = lines[indented[-1] + 1 :] if indented and indented[-1] + 1 < len(lines) else lines
    return "\n".join(tail[-5:]) or exit_.words


def exit_code(exit_: processes.Exit) -> int:
    """As a container reports it: 137 for SIGKILL."""
    return 128 - exit_.code if exit_.code < 0 else exit_.code


def fit(text: str, end: str) -> str:
    """`text` and `end` in at most 1024 characters; what is too long loses its middle."""
    room = REASON_LENGTH - len(end)
    if len(text) > room:
        head = room // 3
        text = f"{text[:head]} … {text[-(room - head - 3) :]}"
    return text + end
