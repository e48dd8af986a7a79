"""A batch transform job, CSV in S3 to scores in S3, against one plain process with the same result.

The job's time is what who creates it sees: model downloaded, workers started, outputs uploaded. Its memory is
the largest worker's. `inplace_predict` alone, on rows that are in memory already, is the limit.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks import model
from benchmarks.clouds import DeployedCloud
from benchmarks.measure import SLOW_ROWS, Pairs, PeakMemory, Row, Target, Usage, grouped, run
from glue_jobs.prepare import ROWS_PER_PART
from ops.names import ROOT

LEAST_SHARE = 0.9
FLAT = 1.2  # the largest table's memory against the smallest's
POLL_SECONDS, MOST_SECONDS = 0.05, 300.0  # a poll takes 2 ms of the cores that the workers need


def measure(here: DeployedCloud, sizes: list[int], times: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        file = model.deploy(here, Path(folder))
        peaks: dict[int, float] = {}
        found = [_measure_size(here, file, rows, times if rows < SLOW_ROWS else 2, peaks) for rows in sizes]
    return [*found, _flat(peaks)]


def _measure_size(here: DeployedCloud, file: Path, rows: int, times: int, peaks: dict[int, float]) -> Row:
    _put_parts(here, rows)
    ours, polars = [], []
    for _ in range(times):
        ours.append(_transform(here, rows))
        polars.append(_plain(here, "batch_polars", file, rows))
    _refuse_other_results(here, rows)
    pandas = [_plain(here, "batch_pandas", file, rows) for _ in range(1 if rows >= SLOW_ROWS else times)]
    limit = [_limit(file, rows) for _ in range(times)]
    peaks[rows] = max(usage.mebibytes for usage in ours)
    speeds = Pairs([rows / usage.seconds for usage in ours], [rows / usage.seconds for usage in polars])
    beside = (
        f"plain Polars ({max(u.mebibytes for u in polars):.0f} MiB;"
        f" pandas {grouped(rows / statistics.median(u.seconds for u in pandas))} rows/s,"
        f" {max(u.mebibytes for u in pandas):.0f} MiB;"
        f" `inplace_predict` alone {grouped(statistics.median(limit))} rows/s)"
    )
    row = Row.of_pairs(
        f"batch transform, {grouped(rows)} rows",
        beside,
        speeds,
        Target(least=LEAST_SHARE),
        "rows/s",
    )
    row.raw.update(
        rows=rows, transform=_raw(ours), polars=_raw(polars), pandas=_raw(pandas), inplace_predict=limit
    )
    return row


def _flat(peaks: dict[int, float]) -> Row:
    """Memory that does not grow with the table."""
    told = ", ".join(f"{peak:.0f} MiB at {grouped(rows)}" for rows, peak in peaks.items())
    growth = peaks[max(peaks)] / peaks[min(peaks)]
    return Row(
        "batch transform: peak memory of the largest worker",
        "the smallest table's",
        f"**{growth:.2f} x**; {told}",
        f"≤ {FLAT:g} x",
        growth <= FLAT,
        {str(rows): peak for rows, peak in peaks.items()},
    )


def _raw(usages: list[Usage]) -> list[dict[str, float]]:
    return [asdict(usage) for usage in usages]


def _put_parts(here: DeployedCloud, rows: int) -> None:
    """Encoded rows with their ids, in parts as prep writes them."""
    lines = cycle(",".join(model.encoded(passenger)) for passenger in model.passengers())
    for first in range(0, rows, ROWS_PER_PART):
        part = islice(lines, min(ROWS_PER_PART, rows - first))
        text = "".join(f"{number},{line}\n" for number, line in enumerate(part, start=first + 1))
        key = f"bench/{rows}/in/part-{first // ROWS_PER_PART:05d}.csv"
        here.client("s3").put_object(Bucket=here.bucket, Key=key, Body=text.encode())


def _transform(here: DeployedCloud, rows: int) -> Usage:
    client, name = here.client("sagemaker"), f"bench-{uuid.uuid4().hex[:8]}"
    with PeakMemory(here.cloud.pid) as peak:
        start = time.perf_counter()
        client.create_transform_job(TransformJobName=name, ModelName=model.NAME, **_request(here, rows))
        while (found := client.describe_transform_job(TransformJobName=name))[
            "TransformJobStatus"
        ] == "InProgress":
            if time.perf_counter() - start > MOST_SECONDS:
                raise TimeoutError(f"{name} is still running")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
    if found["TransformJobStatus"] != "Completed":
        raise RuntimeError(f"{name} ended as {found['TransformJobStatus']}: {found.get('FailureReason')}")
    return Usage(seconds, peak.mebibytes)


def _request(here: DeployedCloud, rows: int) -> dict[str, Any]:
    """What state `CreateTransformJob` asks for."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{here.bucket}/bench/{rows}/in/"}
    target = f"s3://{here.bucket}/bench/{rows}/transform/"
    return {
        "MaxPayloadInMB": 6,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": target, "Accept": "text/csv", "AssembleWith": "Line"},
        "DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def _plain(here: DeployedCloud, name: str, file: Path, rows: int) -> Usage:
    script = ROOT / "benchmarks" / f"{name}.py"
    prefixes = [f"bench/{rows}/in/", f"bench/{rows}/{name}/"]
    return run([sys.executable, str(script), str(file), here.bucket, *prefixes], here.environment(), ROOT)


def _limit(file: Path, rows: int) -> float:
    """Rows that `inplace_predict` scores in a second, asked for a part at a time."""
    import numpy as np
    import xgboost

    booster = xgboost.Booster(model_file=file)
    given = [[float(field or "nan") for field in model.encoded(one)] for one in model.passengers()]
    part = np.resize(np.array(given), (min(rows, ROWS_PER_PART), len(model.FEATURES)))
    start = time.perf_counter()
    for _ in range(0, rows, ROWS_PER_PART):
        booster.inplace_predict(part)
    return rows / (time.perf_counter() - start)


def _refuse_other_results(here: DeployedCloud, rows: int) -> None:
    """The first part's scores, number by number: libraries write them in different ways."""
    ours = _scores(here, f"bench/{rows}/transform/part-00000.csv.out")
    theirs = _scores(here, f"bench/{rows}/batch_polars/part-00000.csv.out")
    alike = all(
        mine[0] == other[0] and abs(mine[1] - other[1]) < 1e-6
        for mine, other in zip(ours, theirs, strict=True)
    )
    if not alike:
        raise RuntimeError(f"batch_polars and the transform score {rows} rows otherwise")


def _scores(here: DeployedCloud, key: str) -> list[tuple[int, float]]:
    body = here.client("s3").get_object(Bucket=here.bucket, Key=key)["Body"].read().decode()
    rows = (line.split(",") for line in body.splitlines())
    return [(int(float(identity)), float(score)) for identity, score in rows]
