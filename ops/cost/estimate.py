"""What a run of each kind and a month would cost, before anything is applied."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.cost.assumptions import assumed
from ops.cost.charges import GIBIBYTE, WAITING, Bill, JobRun, Stay
from ops.cost.facts import ENDS, MONITORING, Facts, SageMakerJob, State
from ops.cost.prices import SECONDS_OF_AN_HOUR, Line, Prices, merged, total

TRAINING, BATCH_INFERENCE, PROMOTION = ENDS
VALIDATION_SHARE = 0.2
SPARK = "spark"
MONTHS_OF_LOGS, MONTHS_OF_TABLES = 3, 12
METRICS_OF_A_STAGE = 2
"""Each stage sends that it succeeded, and how long it took; a metric is billed for the hour it is sent in."""


@dataclass(frozen=True)
class RunCost:
    """One run. `seconds` from its start to its end."""

    kind: str
    seconds: float
    transitions: int
    lines: Sequence[Line]

    @property
    def usd(self) -> float:
        return total(self.lines)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "seconds": round(self.seconds, 3),
            "transitions": self.transitions,
            "usd": round(self.usd, 6),
            "lines": [line.to_json() for line in self.lines],
        }


@dataclass(frozen=True)
class MonthPart:
    """What recurs for one reason: `times` a month, or what stands all month."""

    what: str
    times: float | None
    lines: Sequence[Line]

    @property
    def usd(self) -> float:
        return total(self.lines)

    def to_json(self) -> dict[str, Any]:
        lines = [line.to_json() for line in self.lines]
        return {"what": self.what, "times": self.times, "usd": round(self.usd, 6), "lines": lines}


@dataclass(frozen=True)
class Estimator:
    """Estimates for one region and one size of table."""

    prices: Prices
    facts: Facts = field(default_factory=Facts)
    rows: float = field(default_factory=lambda: assumed("rows"))

    @property
    def bill(self) -> Bill:
        return Bill(self.facts, self.prices)

    def runs(self) -> list[RunCost]:
        return [self.run(machine) for machine in ENDS]

    def run(self, machine: str) -> RunCost:
        stays = self.expected_stays(machine)
        jobs = self.pipeline_runs() if machine == TRAINING else []
        lines = self.bill.lines(machine, stays, jobs)
        if machine == PROMOTION:
            lines = [*lines, *self.fleets(stays)]
        seconds = sum(stay.seconds for stay in stays)
        return RunCost(machine, seconds, sum(stay.visits for stay in stays), lines)

    def expected_stays(self, machine: str) -> list[Stay]:
        """The happy path, loops as often as they go round."""
        path, states = self.facts.happy_path(machine), self.facts.states(machine)
        rounds = _rounds(path, states, self._awaited)
        return [Stay(name, rounds.get(name, 1), self._seconds(states[name], rounds.get(name, 1)))
                for name in path]  # fmt: skip

    def pipeline_runs(self) -> list[JobRun]:
        return [JobRun(job, self.job_seconds(job)) for job in self.facts.pipeline_jobs]

    def job_seconds(self, job: SageMakerJob) -> float:
        """From the first billed second: a container is loaded before the script begins."""
        return assumed("job_start_seconds") + self.script_seconds(job)

    def script_seconds(self, job: SageMakerJob) -> float:
        rates = {
            "DataPreProcessing": self.rows / assumed("preprocess_rows_a_second"),
            "TrainModel": self.rows / train_rows_a_second(self.facts.train_threads),
            "ModelEvaluation": self.rows * VALIDATION_SHARE / assumed("evaluate_rows_a_second"),
            self.facts.transform.name: self.rows / assumed("transform_rows_a_second") / job.count,
        }
        return rates[job.name]

    def prepare_seconds(self) -> float:
        """With Spark the check of the source stays one process; with Polars it is in the measured rate."""
        engine = self.rows / self._prepare_rows_a_second()
        alone = self.rows * assumed("raw_bytes_a_row") / assumed("source_bytes_a_second")
        return assumed("glue_start_seconds") + engine + (alone if self.facts.glue.engine == SPARK else 0)

    def month(self) -> list[MonthPart]:
        runs = {run.kind: run for run in self.runs()}
        return [
            *self._scheduled(runs),
            self._part("promotion, asked for", assumed("promotions_a_month"), runs[PROMOTION].lines),
            *self._standing(self._runs_a_month()),
        ]

    def prod_month(self) -> list[Line]:
        """A prod endpoint that stands for a month."""
        defaults = self.facts.run_defaults
        seconds = self.prices.hours_of_a_month * SECONDS_OF_AN_HOUR
        instance, count = defaults["INSTANCE_TYPE"], int(defaults["INSTANCE_COUNT"])
        return [self.prices.instance_line(f"endpoint on {count} x {instance}", instance, seconds, count)]

    def _scheduled(self, runs: dict[str, RunCost]) -> Iterator[MonthPart]:
        for schedule in self.facts.schedules:
            times = schedule.runs_a_month if schedule.enabled else 0
            if schedule.target in runs:
                lines = runs[schedule.target].lines
            else:
                lines = list(self._of_function(schedule.target))
            start = self.prices.line("EventBridge", "schedules", 1, "schedule")
            what = f"{schedule.name.replace('_', ' ')}{'' if schedule.enabled else ', off'}"
            yield self._part(what, times, [*lines, start])

    def _of_function(self, name: str) -> Iterator[Line]:
        """A function that a schedule calls, with the job it starts."""
        yield from self.bill.lambda_lines(name, 1, assumed("lambda_seconds"))
        if name == MONITORING:
            seconds = assumed("job_start_seconds") + assumed("monitor_seconds")
            yield from self.bill.job_lines(JobRun(self.facts.monitoring, seconds))

    def _standing(self, runs_a_month: float) -> Iterator[MonthPart]:
        line = self.prices.line
        logs = runs_a_month * MONTHS_OF_LOGS * assumed("log_bytes_a_run") / GIBIBYTE
        tables = runs_a_month * MONTHS_OF_TABLES * self._bytes_of_a_run() / GIBIBYTE
        stages = METRICS_OF_A_STAGE * sum(
            ":lambda:" in self.facts.states(machine)[state].get("Resource", "")
            for machine in (TRAINING, BATCH_INFERENCE)
            for state in self.facts.happy_path(machine)
        )
        hours = stages * runs_a_month / self.prices.hours_of_a_month
        yield MonthPart(
            "alarms, dashboard, metrics, logs kept",
            None,
            [
                line("CloudWatch", "alarms", self.facts.alarms, "alarm_month"),
                line("CloudWatch", "composite alarms", self.facts.composite_alarms, "composite_alarm_month"),
                line("CloudWatch", "dashboards", self.facts.dashboards, "dashboard_month"),
                line("CloudWatch", "metrics", hours, "metric_month"),
                line("CloudWatch", "logs kept", logs, "log_gb_month"),
            ],
        )
        yield MonthPart("tables kept", None, [line("S3", "tables kept", tables, "s3_gb_month")])
        yield MonthPart("prod endpoint, all month", None, self.prod_month())

    def _runs_a_month(self) -> float:
        on = [schedule for schedule in self.facts.schedules if schedule.enabled and schedule.target in ENDS]
        return sum(schedule.runs_a_month for schedule in on)

    def _bytes_of_a_run(self) -> float:
        """Raw, curated once for the run and once as XGBoost reads it."""
        return self.rows * (assumed("raw_bytes_a_row") + 2 * assumed("curated_bytes_a_row"))

    @staticmethod
    def _part(what: str, times: float, lines: Sequence[Line]) -> MonthPart:
        return MonthPart(what, times, merged(line.times(times) for line in lines))

    def _prepare_rows_a_second(self) -> float:
        """Polars runs on the driver, whatever the number of workers; Spark on all workers but the driver."""
        glue = self.facts.glue
        if glue.engine != SPARK:
            return assumed("polars_rows_a_second")
        cores = (glue.workers - 1) * int(self.prices.glue_worker(glue.worker)["vcpu"])
        return cores * assumed("spark_rows_a_second_a_vcpu")

    def _seconds(self, state: State, visits: int) -> float:
        resource = state.get("Resource", "")
        if state["Type"] == "Wait":
            return float(visits * state["Seconds"])
        if ":glue:" in resource:
            return self.prepare_seconds()
        if "createTransformJob" in resource:
            return self.job_seconds(self.facts.transform)
        if ":lambda:" in resource:
            return self._lambda_seconds(state, waits=resource.endswith(WAITING))
        return 0.0

    def _lambda_seconds(self, state: State, *, waits: bool) -> float:
        if waits:
            return assumed("gate_seconds")
        reads = self.facts.function_of(state) == "check_predictions"
        return assumed("lambda_seconds") + (self.rows / assumed("check_rows_a_second") if reads else 0)

    def _awaited(self, wait: str) -> float:
        """Seconds of what a Wait state waits for."""
        baking = 2 * float(self.facts.run_defaults["BAKE_SECONDS"])
        return {
            "WaitForTraining": sum(run.seconds for run in self.pipeline_runs()),
            "WaitForStaging": assumed("endpoint_create_seconds"),
            "WaitForProd": assumed("endpoint_update_seconds") + baking,
        }[wait]

    def fleets(self, stays: Sequence[Stay]) -> Iterator[Line]:
        """Staging stands from its deployment to the end; prod has two fleets while it is updated."""
        defaults = self.facts.run_defaults
        instance, count = defaults["INSTANCE_TYPE"], int(defaults["INSTANCE_COUNT"])
        staging = staging_seconds(stays)
        yield self.prices.instance_line(f"staging on {count} x {instance}", instance, staging, count)
        second = sum(stay.seconds for stay in stays if stay.state == "WaitForProd")
        yield self.prices.instance_line(f"prod's second fleet, {count} x {instance}", instance, second, count)


def train_rows_a_second(threads: int) -> float:
    return assumed("train_rows_a_second") * (1 + (threads - 1) * assumed("train_thread_efficiency"))


def staging_seconds(stays: Sequence[Stay]) -> float:
    """From the state that deploys staging to the one that takes it down."""
    names = [stay.state for stay in stays]
    first = names.index("DeployStaging") if "DeployStaging" in names else len(names)
    last = next((at for at, name in enumerate(names) if name.startswith("CleanUp")), len(names))
    return sum(stay.seconds for stay in stays[first:last])


def _rounds(path: Sequence[str], states: dict[str, State], awaited: object) -> dict[str, int]:
    """How often each state of a loop is visited: a Wait, and what follows until a choice leads back to it."""
    rounds: dict[str, int] = {}
    for at, name in enumerate(path):
        if states[name]["Type"] == "Wait":
            end = next(i for i in range(at, len(path)) if name in _goes_to(states[path[i]]))
            times = max(1, math.ceil(awaited(name) / states[name]["Seconds"]))  # type: ignore[operator]
            rounds |= dict.fromkeys(path[at : end + 1], times)
    return rounds


def _goes_to(state: State) -> list[str]:
    return [choice["Next"] for choice in state.get("Choices", [])] + [state.get("Default", "")]
