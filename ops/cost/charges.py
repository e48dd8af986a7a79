"""How the states that a run visits become lines of a bill, for a run to come and for one that was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.cost.assumptions import assumed
from ops.cost.facts import Facts, GlueJob, SageMakerJob, State
from ops.cost.prices import SECONDS_OF_AN_HOUR, Line, Prices, merged

GLUE_LEAST_SECONDS = 60
"""Glue bills a job by the second, and a minute at least."""
GIBIBYTE = 1024**3
WAITING = ".waitForTaskToken"


@dataclass(frozen=True)
class Stay:
    """A state of a machine: how often it was entered, and how long all of it took."""

    state: str
    visits: int
    seconds: float


@dataclass(frozen=True)
class JobRun:
    """A job of the pipeline, and how long it ran."""

    job: SageMakerJob
    seconds: float


@dataclass(frozen=True)
class Bill:
    """What a machine's stays and the pipeline's jobs are charged for."""

    facts: Facts
    prices: Prices

    def lines(self, machine: str, stays: Sequence[Stay], jobs: Iterable[JobRun] = ()) -> list[Line]:
        """What is charged, each thing once. A state that the definition no longer has is a transition."""
        states = self.facts.states(machine)
        known = [(stay, states[stay.state]) for stay in stays if stay.state in states]
        transitions = sum(stay.visits for stay in stays)
        return merged(
            [
                *(line for stay, state in known for line in self._of_state(stay, state)),
                *(line for run in jobs for line in self.job_lines(run)),
                self.prices.line("Step Functions", "transitions", transitions, "state_transition"),
                *self._around(),
            ]
        )

    def glue_line(self, job: GlueJob, seconds: float) -> Line:
        dpus = job.workers * int(self.prices.glue_worker(job.worker)["dpu"])
        hours = max(seconds, GLUE_LEAST_SECONDS) * dpus / SECONDS_OF_AN_HOUR
        return self.prices.line("Glue", f"{job.workers} x {job.worker}", hours, "glue_dpu_hour")

    def job_lines(self, run: JobRun) -> Iterator[Line]:
        job = run.job
        yield self.prices.instance_line(
            f"{job.kind.lower()} on {job.count} x {job.instance}", job.instance, run.seconds, job.count
        )
        if job.volume_gb:
            month = self.prices.hours_of_a_month * SECONDS_OF_AN_HOUR
            gb_months = job.volume_gb * job.count * run.seconds / month
            yield self.prices.line(
                "SageMaker", f"{job.kind.lower()} volumes", gb_months, f"{job.kind.lower()}_gb_month"
            )

    def lambda_lines(self, function: str, calls: float, seconds: float) -> Iterator[Line]:
        """`seconds` of all calls together."""
        gigabytes = self.facts.functions[function].memory_mb / 1024
        yield self.prices.line("Lambda", "requests", calls, "lambda_request")
        yield self.prices.line("Lambda", "GB-seconds", seconds * gigabytes, "lambda_gb_second")

    def _of_state(self, stay: Stay, state: State) -> Iterator[Line]:
        resource = state.get("Resource", "")
        for part, charge in self._charges.items():
            if part in resource:
                yield from charge(stay, state)

    @property
    def _charges(self) -> Mapping[str, Callable[[Stay, State], Iterable[Line]]]:
        return {
            ":glue:startJobRun": lambda stay, _: [self.glue_line(self.facts.glue, stay.seconds)],
            ":lambda:invoke": self._of_lambda,
            ":sagemaker:createTransformJob": lambda stay, _: self.job_lines(
                JobRun(self.facts.transform, stay.seconds)
            ),
            ":sns:publish": lambda stay, _: self._messages(stay.visits),
        }

    def _of_lambda(self, stay: Stay, state: State) -> Iterator[Line]:
        """A state that waits for its token is not the Lambda that hands the token on."""
        waits = state["Resource"].endswith(WAITING)
        seconds = assumed("lambda_seconds") * stay.visits if waits else stay.seconds
        yield from self.lambda_lines(self.facts.function_of(state), stay.visits, seconds)

    def _messages(self, count: int) -> Iterator[Line]:
        """To the topic, and by the topic to the queue that keeps them."""
        yield self.prices.line("SNS and SQS", "messages", count, "message")
        yield self.prices.line("SNS and SQS", "queue requests", count, "queue_request")

    def _around(self) -> Iterator[Line]:
        """What every run has, whatever states it visits."""
        writes, reads = assumed("s3_writes_a_run"), assumed("s3_reads_a_run")
        yield self.prices.line("S3", "writes", writes, "s3_write")
        yield self.prices.line("S3", "reads", reads, "s3_read")
        yield self.prices.line("CloudWatch", "logs", assumed("log_bytes_a_run") / GIBIBYTE, "log_gb")
        yield self.prices.line("X-Ray", "traces", 1, "trace")
