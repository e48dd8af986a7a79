"""What the project uses, from the files that Terraform and the local cloud read. No cloud is asked."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ops.names import ROOT
from ops.stack.alarm_files import ALARMS, GUARDS
from ops.stack.base import FUNCTIONS, MACHINES
from ops.stack.pipeline import TEMPLATE as PIPELINE
from ops.stack.schedules import SCHEDULES

JOB = "glue_jobs/prepare.json"
ENDS = {
    "training": "ModelRegistered",
    "batch_inference": "PredictionsPublished",
    "promotion": "ModelPromoted",
}
"""Where a run of each machine ends when all goes well."""
MONITORING = "start_monitoring"
DAYS_LOOKED_AT = 28
_FUNCTION = re.compile(r"\$\{(\w+)FunctionArn\}")

State = Mapping[str, Any]


@dataclass(frozen=True)
class SageMakerJob:
    """A job of the pipeline or of a machine, with the resources it asks for."""

    name: str
    kind: str
    instance: str
    count: int
    volume_gb: int
    most_seconds: int


@dataclass(frozen=True)
class GlueJob:
    worker: str
    workers: int
    most_seconds: int
    engine: str


@dataclass(frozen=True)
class Function:
    name: str
    memory_mb: int
    timeout: int


@dataclass(frozen=True)
class Schedule:
    """`target` is the machine or the function it starts."""

    name: str
    target: str
    enabled: bool
    runs_a_month: float


@dataclass(frozen=True)
class Facts:
    """The project's files, read once each."""

    root: Path = ROOT
    train_threads: int = 1
    """`--nthread` of train.py: one, so that the same data gives the same bytes."""

    @cached_property
    def glue(self) -> GlueJob:
        job = self._read(JOB)
        return GlueJob(
            worker=job["worker_type"],
            workers=job["number_of_workers"],
            most_seconds=job["timeout_minutes"] * 60,
            engine=job["default_arguments"].get("--engine", "auto"),
        )

    @cached_property
    def pipeline_jobs(self) -> list[SageMakerJob]:
        """The pipeline's steps that are jobs, in their order."""
        return list(_jobs(self._read(PIPELINE)["Steps"]))

    @cached_property
    def transform(self) -> SageMakerJob:
        """What the state of the batch inference machine asks for."""
        name, state = next(
            (name, state)
            for name, state in self.states("batch_inference").items()
            if "createTransformJob" in state.get("Resource", "")
        )
        asked = state["Parameters"]["TransformResources"]
        return SageMakerJob(
            name, "Transform", asked["InstanceType"], asked["InstanceCount"], 0, state["TimeoutSeconds"]
        )

    @cached_property
    def monitoring(self) -> SageMakerJob:
        """The job that `start_monitoring` starts for a day of requests to prod."""
        from functions.start_monitoring import monitoring  # brings the functions' parser along

        environment = self._read(FUNCTIONS)["functions"][MONITORING]["environment"]
        return SageMakerJob(
            "Monitoring",
            "Processing",
            environment["INSTANCE_TYPE"],
            1,
            monitoring.DISK_GIGABYTES,
            monitoring.MOST_SECONDS,
        )

    @property
    def rows_per_part(self) -> int:
        """Rows of a file that prep writes for a transform."""
        from glue_jobs.prepare import ROWS_PER_PART  # brings Polars along

        return ROWS_PER_PART

    @property
    def payload_mb(self) -> int:
        state = self.states("batch_inference")[self.transform.name]
        return int(state["Parameters"]["MaxPayloadInMB"])

    @cached_property
    def functions(self) -> dict[str, Function]:
        described = self._read(FUNCTIONS)
        return {
            name: Function(name, merged["memory_size"], merged["timeout"])
            for name, own in described["functions"].items()
            for merged in [described["defaults"] | own]
        }

    @property
    def run_defaults(self) -> Mapping[str, str]:
        """What a run does unless it is told otherwise: a promotion's instances and baking time, deadlines."""
        environment: Mapping[str, str] = self._read(FUNCTIONS)["functions"]["init_run"]["environment"]
        return environment

    @property
    def training_deadline(self) -> int:
        """Seconds after its start at which a training run gives its pipeline up."""
        return int(self.run_defaults["TRAINING_DEADLINE_SECONDS"])

    @cached_property
    def schedules(self) -> list[Schedule]:
        return [
            Schedule(
                name=name,
                target=each.get("state_machine") or each["function"],
                enabled=each["state"] == "ENABLED",
                runs_a_month=_runs_a_month(each["expression"], each["timezone"]),
            )
            for name, each in self._read(SCHEDULES).items()
        ]

    @cached_property
    def alarms(self) -> int:
        """How many alarms stages 04 and 06 make of what their alarms.json say."""
        kinds = self._read(ALARMS)["metric"]
        of_06 = sum(len(group["alarms"]) * self._things(kind) for kind, group in kinds.items())
        return of_06 + len(self._read(GUARDS))

    @property
    def composite_alarms(self) -> int:
        """How many alarms stage 06 makes of others."""
        kinds = self._read(ALARMS)["composite"]
        return sum(len(alarms) * self._things(kind) for kind, alarms in kinds.items())

    @property
    def dashboards(self) -> int:
        files = (self.root / "terraform").rglob("*.tf")
        return sum(path.read_text(encoding="utf-8").count('"aws_cloudwatch_dashboard"') for path in files)

    def states(self, machine: str) -> dict[str, State]:
        """The states of `statemachines/<machine>.asl.json`."""
        loaded: dict[str, State] = self._definition(machine)["States"]
        return loaded

    def happy_path(self, machine: str) -> list[str]:
        """The shortest way from the first state to the good end, without a Catch."""
        states, end = self.states(machine), ENDS[machine]
        start = str(self._definition(machine)["StartAt"])
        before: dict[str, str | None] = {start: None}
        waiting = deque([start])
        while waiting and end not in before:
            here = waiting.popleft()
            for there in _ways(states[here]):
                if there not in before:
                    before[there] = here
                    waiting.append(there)
        return list(_back(before, end))[::-1]

    def function_of(self, state: State) -> str:
        """Folder of the Lambda that a state calls."""
        named = _FUNCTION.fullmatch(state["Parameters"]["FunctionName"])
        wanted = named[1].lower() if named else ""
        return next(name for name in self.functions if name.replace("_", "") == wanted)

    def _things(self, kind: str) -> int:
        """How many things a kind of alarm watches: those its file names, else functions."""
        things = self._read(ALARMS)["metric"][kind].get("things")
        if things:
            return len(things)
        callers = [*self._read("events/rules.json").values(), *self._read(SCHEDULES).values()]
        alone = {each["function"] for each in callers if "function" in each}
        return len(alone) if kind == "lone_function" else len(self.functions) - len(alone)

    def _definition(self, machine: str) -> dict[str, Any]:
        loaded: dict[str, Any] = self._read(f"{MACHINES}/{machine}.asl.json")
        return loaded

    def _read(self, path: str) -> Any:
        """The JSON document in a file; its `${placeholders}` stay as they are."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))


def _ways(state: State) -> list[str]:
    chosen = [choice["Next"] for choice in state.get("Choices", [])]
    return [*chosen, *(state[key] for key in ("Default", "Next") if key in state)]


def _back(before: Mapping[str, str | None], end: str) -> Iterator[str]:
    here: str | None = end
    while here is not None:
        yield here
        here = before[here]


def _jobs(steps: list[dict[str, Any]]) -> Iterator[SageMakerJob]:
    for step in steps:
        arguments = step.get("Arguments", {})
        asked = arguments.get("ProcessingResources", {}).get("ClusterConfig") or arguments.get(
            "ResourceConfig"
        )
        if asked:
            yield SageMakerJob(
                name=step["Name"],
                kind=step["Type"],
                instance=asked["InstanceType"],
                count=asked["InstanceCount"],
                volume_gb=asked["VolumeSizeInGB"],
                most_seconds=arguments["StoppingCondition"]["MaxRuntimeInSeconds"],
            )


def _runs_a_month(expression: str, timezone: str) -> float:
    """How often a schedule is due in a twelfth of a year."""
    from localcloud import schedules

    times = schedules.times_of({"ScheduleExpression": expression, "ScheduleExpressionTimezone": timezone})
    instant, due = 0.0, 0
    while (following := times.after(instant)) is not None and following <= DAYS_LOOKED_AT * 86400:
        instant, due = following, due + 1
    return due / DAYS_LOOKED_AT * 365 / 12
