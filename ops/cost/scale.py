"""Cost and shape for any number of rows: which limit comes first as the project is, and what moves it.

The shape for a size is the smallest that keeps every limit. Where no setting moves a limit, the rows are
dealt out to several runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ops.cost.assumptions import assumed
from ops.cost.estimate import (
    BATCH_INFERENCE,
    SPARK,
    TRAINING,
    VALIDATION_SHARE,
    Estimator,
    RunCost,
    train_rows_a_second,
)
from ops.cost.facts import Facts, GlueJob, SageMakerJob
from ops.cost.prices import Prices, instances
from ops.errors import PriceUnknown

GIB = 1024**3
GB = 1_000_000_000
USABLE = 0.8
"""Share of a machine's memory that a job may fill."""
SPARK_SECONDS = 900
"""How long a Spark job may take before it gets more workers."""
CHECKER = "check_predictions"


@dataclass(frozen=True)
class Limit:
    """How many rows one run can have, as the project is. `setting` says what moves it."""

    of: str
    what: str
    most_rows: float
    setting: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "most_rows": int(self.most_rows)}


@dataclass(frozen=True)
class Part:
    """Runs of one kind for a size: `runs` of them, each like `cost`, on the machines of `facts`."""

    kind: str
    rows: float
    runs: int
    facts: Facts
    cost: RunCost
    limits: Sequence[Limit]
    """Those of the project as it is, the narrowest first."""

    @property
    def broken(self) -> list[Limit]:
        return [limit for limit in self.limits if limit.most_rows < self.rows]

    @property
    def most_rows(self) -> float:
        """How many rows the project as it is can take."""
        return self.limits[0].most_rows

    @property
    def usd(self) -> float:
        return self.runs * self.cost.usd

    @property
    def seconds(self) -> float:
        """One run after the other."""
        return self.runs * self.cost.seconds

    @property
    def machines(self) -> dict[str, str]:
        """What runs on what."""
        glue = self.facts.glue
        prepare = {"Glue": f"{glue.workers} x {glue.worker}, {glue.engine}"}
        if self.kind == TRAINING:
            jobs = self.facts.pipeline_jobs
            return prepare | {job.name: f"{job.instance}, {job.volume_gb} GB" for job in jobs}
        transform = self.facts.transform
        return prepare | {transform.name: f"{transform.count} x {transform.instance}"}

    @property
    def file_mb(self) -> float:
        """The largest file of a run: its curated table, for batch inference a part of that."""
        rows = self.rows / self.runs
        largest = min(rows, self.facts.rows_per_part) if self.kind == BATCH_INFERENCE else rows
        return largest * assumed("curated_bytes_a_row") / 1_000_000

    @property
    def payloads(self) -> int:
        """Requests that a run's transform splits its files into."""
        parts = math.ceil(self.rows / self.runs / self.facts.rows_per_part)
        return parts * math.ceil(self.file_mb / self.facts.payload_mb)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "rows": int(self.rows),
            "runs": self.runs,
            "machines": self.machines,
            "train_threads": self.facts.train_threads,
            "file_mb": round(self.file_mb, 3),
            "transitions": self.runs * self.cost.transitions,
            "seconds": round(self.seconds),
            "usd": round(self.usd, 4),
            "broken_limits": [limit.to_json() for limit in self.broken],
        }


@dataclass(frozen=True)
class ShapedFacts(Facts):
    """The project's files with other machines."""

    chosen_glue: GlueJob | None = None
    chosen_jobs: tuple[SageMakerJob, ...] = ()

    @cached_property
    def glue(self) -> GlueJob:
        return self.chosen_glue or super().glue

    @cached_property
    def pipeline_jobs(self) -> list[SageMakerJob]:
        return list(self.chosen_jobs) or super().pipeline_jobs


def limits(facts: Facts, prices: Prices) -> list[Limit]:
    """Every limit of the shipped settings, the narrowest first."""
    found = [*_of_preparation(facts, prices), *_of_training(facts, prices), *_of_batches(facts)]
    return sorted(found, key=lambda limit: limit.most_rows)


def parts(rows: float, prices: Prices) -> list[Part]:
    """One training on so many rows, and one prediction for as many."""
    shipped = Facts()
    return [
        _part(TRAINING, rows, 1, _for_training(shipped, prices, rows), prices),
        _batches(rows, shipped, prices),
    ]


def _of_preparation(facts: Facts, prices: Prices) -> list[Limit]:
    time = (facts.glue.most_seconds - assumed("glue_start_seconds")) * assumed("polars_rows_a_second")
    memory = (
        USABLE * prices.glue_worker(facts.glue.worker)["memory_gib"] * GIB / assumed("polars_bytes_a_row")
    )
    spark = "`--engine spark` and `number_of_workers` in glue_jobs/prepare.json"
    return [
        Limit("both", f"Glue job, {facts.glue.most_seconds // 60} minutes on one worker", time, spark),
        Limit("both", f"Glue job, ids in the memory of one {facts.glue.worker}", memory, spark),
    ]


def _of_training(facts: Facts, prices: Prices) -> list[Limit]:
    before, train, _ = facts.pipeline_jobs
    authored = "in pipeline_definition/definition.py"
    memory = USABLE * prices.instance(train.instance)["memory_gib"] * GIB / assumed("train_bytes_a_row")
    return [
        Limit(
            TRAINING,
            f"TrainModel, {train.most_seconds // 60} minutes with one thread",
            train.most_seconds * train_rows_a_second(facts.train_threads),
            f"`JOB_SECONDS` and hyperparameters (`nthread`, `num_round`) {authored}",
        ),
        Limit(
            TRAINING,
            f"the run's own deadline, {facts.training_deadline // 60} minutes after its start",
            _rows_until(facts, facts.training_deadline),
            "`TRAINING_DEADLINE_SECONDS` in functions.json, below the machine's `TimeoutSeconds`",
        ),
        Limit(TRAINING, f"TrainModel, memory of {train.instance}", memory, f"`INSTANCE_TYPE` {authored}"),
        Limit(
            TRAINING,
            f"DataPreProcessing, {before.most_seconds // 60} minutes in one process",
            before.most_seconds * assumed("preprocess_rows_a_second"),
            f"`JOB_SECONDS` {authored}",
        ),
        Limit(
            TRAINING,
            f"DataPreProcessing, {before.volume_gb} GB for input and output",
            before.volume_gb * GB / (2 * assumed("curated_bytes_a_row")),
            f"`VOLUME_GB` {authored}",
        ),
    ]


def _rows_until(facts: Facts, seconds: float) -> float:
    """All that a training run does takes time that is a fixed part and one for each row."""
    fixed = assumed("glue_start_seconds") + len(facts.pipeline_jobs) * assumed("job_start_seconds")
    of_a_row = (
        1 / assumed("polars_rows_a_second")
        + 1 / assumed("preprocess_rows_a_second")
        + 1 / train_rows_a_second(facts.train_threads)
        + VALIDATION_SHARE / assumed("evaluate_rows_a_second")
    )
    return (seconds - fixed) / of_a_row


def _of_batches(facts: Facts) -> list[Limit]:
    transform, checker = facts.transform, facts.functions[CHECKER]
    return [
        Limit(
            BATCH_INFERENCE,
            f"check_predictions, {checker.timeout // 60} minutes of one Lambda",
            checker.timeout * assumed("check_rows_a_second"),
            "none, it is Lambda's most: several runs, each of a part of the rows",
        ),
        Limit(
            BATCH_INFERENCE,
            f"transform, {transform.most_seconds // 60} minutes on {transform.count} x {transform.instance}",
            transform.most_seconds * transform.count * assumed("transform_rows_a_second"),
            "`InstanceCount` in batch_inference.asl.json: instances share the parts that prep writes",
        ),
    ]


def _part(kind: str, rows: float, runs: int, facts: Facts, prices: Prices) -> Part:
    cost = Estimator(prices, facts, rows / runs).run(kind)
    of_kind = [limit for limit in limits(Facts(facts.root), prices) if limit.of in (kind, "both")]
    return Part(kind, rows, runs, facts, cost, of_kind)


def _batches(rows: float, shipped: Facts, prices: Prices) -> Part:
    """As many runs as the limits that no machine moves make necessary."""
    most = min(limit.most_rows for limit in _of_batches(shipped))
    runs = math.ceil(rows / most)
    shaped = ShapedFacts(chosen_glue=_glue(shipped, prices, rows / runs))
    return _part(BATCH_INFERENCE, rows, runs, shaped, prices)


def _glue(shipped: Facts, prices: Prices, rows: float) -> GlueJob:
    """Polars on one worker as long as that keeps the limits, then Spark on as many as it takes."""
    if rows <= min(limit.most_rows for limit in _of_preparation(shipped, prices)):
        return shipped.glue
    rate = prices.glue_worker(shipped.glue.worker)["vcpu"] * assumed("spark_rows_a_second_a_vcpu")
    return replace(shipped.glue, engine=SPARK, workers=1 + math.ceil(rows / rate / SPARK_SECONDS))


def _for_training(shipped: Facts, prices: Prices, rows: float) -> Facts:
    before, train, evaluate = shipped.pipeline_jobs
    disk = rows * assumed("curated_bytes_a_row") / GB
    instance = _instance(rows * assumed("train_bytes_a_row"), train.instance)
    alone = rows / train_rows_a_second(1) <= train.most_seconds
    return ShapedFacts(
        train_threads=1 if alone else int(prices.instance(instance)["vcpu"]),
        chosen_glue=_glue(shipped, prices, rows),
        chosen_jobs=(
            replace(before, volume_gb=max(before.volume_gb, math.ceil(2 * disk))),
            replace(train, instance=instance, volume_gb=max(train.volume_gb, math.ceil(2 * disk))),
            replace(
                evaluate,
                instance=_instance(VALIDATION_SHARE * rows * assumed("train_bytes_a_row"), evaluate.instance),
            ),
        ),
    )


def _instance(needed: float, shipped: str) -> str:
    """The shipped type of instance, or the smallest whose memory is enough. Raises `PriceUnknown`."""
    priced = instances()
    if needed <= USABLE * GIB * priced[shipped]["memory_gib"]:
        return shipped
    enough = [name for name, size in priced.items() if needed <= USABLE * GIB * size["memory_gib"]]
    if not enough:
        raise PriceUnknown(
            f"No priced instance has the {needed / GIB:,.0f} GiB that training needs: ask for fewer rows."
        )
    return enough[0]
