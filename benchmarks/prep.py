"""The preparation job, CSV in S3 to curated CSV in S3, against a plain script with the same result.

All are plain processes that start from nothing, imports included; S3 is the local cloud's in all of them.
"""

from __future__ import annotations

import csv
import io
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice

from benchmarks.clouds import DeployedCloud
from benchmarks.measure import Pairs, Row, Usage, run
from ops import dataset
from ops.names import ROOT

CONTRACT = ROOT / "contracts" / "titanic.json"
FIRST_ID = 1


def measure(here: DeployedCloud, sizes: list[int], times: int) -> list[Row]:
    return [row for rows in sizes for row in _measure_size(here, rows, times)]


def _measure_size(here: DeployedCloud, rows: int, times: int) -> list[Row]:
    key = f"raw/bench-{rows}.csv"
    here.client("s3").put_object(Bucket=here.bucket, Key=key, Body=table(rows))
    source = f"s3://{here.bucket}/{key}"
    kinds: dict[str, Callable[[], Usage]] = {
        "ours": lambda: _prepare(here, source, rows),
        "polars": lambda: _plain(here, "prep_polars", source),
        "pandas": lambda: _plain(here, "prep_pandas", source),
    }
    usages: dict[str, list[Usage]] = {kind: [] for kind in kinds}
    for _ in range(times):
        for kind, work in kinds.items():
            usages[kind].append(work())
    _refuse_other_results(here, rows)
    pandas = usages["pandas"]
    beside = (
        f"pandas {statistics.median(u.seconds for u in pandas):.2f} s,"
        f" {statistics.median(u.mebibytes for u in pandas):.0f} MiB"
    )
    what = f"prep, {rows:,} rows".replace(",", " ")
    seconds, memory = (
        Pairs([getattr(u, name) for u in usages["ours"]], [getattr(u, name) for u in usages["polars"]])
        for name in ("seconds", "mebibytes")
    )
    found = [
        Row.of_pairs(f"{what}: time", f"plain Polars ({beside})", seconds, 1.2),
        Row.of_pairs(f"{what}: peak memory", "plain Polars", memory, 1.2, "MiB"),
    ]
    found[0].raw["pandas"] = [asdict(usage) for usage in pandas]
    return found


def table(rows: int) -> bytes:
    """The real table over and over, each row with an id of its own."""
    given = list(csv.reader(io.StringIO(dataset.csv_bytes(dataset.titanic_tables().training).decode())))
    header, passengers = given[0], given[1:]
    at = header.index("PassengerId")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for number in range(rows):
        row = list(passengers[number % len(passengers)])
        row[at] = str(FIRST_ID + number)
        writer.writerow(row)
    return text.getvalue().encode()


def _prepare(here: DeployedCloud, source: str, rows: int) -> Usage:
    script = ROOT / "glue_jobs" / "prepare.py"
    arguments = ["--mode", "training", "--run_id", f"bench-{rows}", "--source_uri", source]
    arguments += ["--bucket", here.bucket, "--contract", str(CONTRACT)]
    return run([sys.executable, str(script), *arguments], here.environment(), ROOT)


def _plain(here: DeployedCloud, name: str, source: str) -> Usage:
    targets = [f"s3://{here.bucket}/bench/{name}/{part}.csv" for part in ("train", "validation")]
    script = ROOT / "benchmarks" / f"{name}.py"
    return run([sys.executable, str(script), source, *targets], here.environment(), ROOT)


def _refuse_other_results(here: DeployedCloud, rows: int) -> None:
    """A script that does less is no comparison."""
    for part in ("train", "validation"):
        ours = _lines(here, f"curated/runs/bench-{rows}/{part}.csv")
        for name in ("prep_polars", "prep_pandas"):
            theirs = _lines(here, f"bench/{name}/{part}.csv")
            if [len(ours), *_numbers(ours)] != [len(theirs), *_numbers(theirs)]:
                raise RuntimeError(f"{name} and prepare.py wrote different {part} tables")


def _lines(here: DeployedCloud, key: str) -> list[str]:
    body: bytes = here.client("s3").get_object(Bucket=here.bucket, Key=key)["Body"].read()
    return body.decode().splitlines()


def _numbers(lines: list[str]) -> list[list[float | None]]:
    """The first rows as numbers: libraries write 22.0 in different ways."""
    return [[float(cell) if cell else None for cell in line.split(",")] for line in islice(lines, 1, 200)]
