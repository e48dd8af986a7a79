"""The preparation job, CSV in S3 to curated CSV in S3, against a plain script with the same result.

All are plain processes that start from nothing, imports included; S3 is the local cloud's in all of them.
Beside them stand scripts that write the curated tables and nothing else: the least that can be done.
"""

from __future__ import annotations

import csv
import io
import json
import statistics
import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.clouds import DeployedCloud
from benchmarks.measure import SLOW_ROWS, Pairs, Row, Target, Usage, grouped, run
from ops import dataset
from ops.names import ROOT

CONTRACT = ROOT / "contracts" / "titanic.json"
OTHER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"  # has DuckDB, which nothing else here needs
LEAST = {"Polars": "prep_bare", "DuckDB": "prep_duckdb", "pandas": "prep_pandas"}
MOST_MEBIBYTES, OF_ROWS = 450, 10_000_000
PARTS = ("train", "validation")
FIRST_ID = 1
BAD_ROW = 1000  # one row of so many has 99 siblings


def measure(here: DeployedCloud, sizes: list[int], times: int) -> list[Row]:
    return [row for rows in sizes for row in _measure_size(here, rows, times if rows < SLOW_ROWS else 2)]


def _measure_size(here: DeployedCloud, rows: int, times: int) -> list[Row]:
    source = put_table(here, rows)
    ours, against = [], []
    for _ in range(times):
        ours.append(prepare(here, source, f"bench-{rows}"))
        against.append(_plain(here, source, f"plain-{rows}"))
    _refuse_other_results(here, rows)
    least = {
        name: _least(here, script, source, 1 if rows >= SLOW_ROWS else times)
        for name, script in LEAST.items()
    }
    what = f"prep, {grouped(rows)} rows"
    seconds = Row.of_pairs(
        f"{what}: time",
        "the same result with plain Polars",
        Pairs([u.seconds for u in ours], [u.seconds for u in against]),
        Target(most=1.2),
    )
    memory = Row.of_pairs(
        f"{what}: peak memory",
        "the same",
        Pairs([u.mebibytes for u in ours], [u.mebibytes for u in against]),
        Target(most=1.2),
        "MiB",
    )
    told = ", ".join(f"{name} {_told(usages)}" for name, usages in least.items())
    raw: dict[str, Any] = {name: [asdict(usage) for usage in usages] for name, usages in least.items()}
    raw |= {"rows": rows, "prepare": [asdict(u) for u in ours], "polars": [asdict(u) for u in against]}
    beside = Row(f"{what}: the curated tables alone", "-", told, "shown", None, raw)
    return [seconds, memory, *([_flat(ours)] if rows == OF_ROWS else []), beside]


def _flat(ours: list[Usage]) -> Row:
    peak = max(usage.mebibytes for usage in ours)
    raw = {"mebibytes": [usage.mebibytes for usage in ours]}
    what = f"prep, {grouped(OF_ROWS)} rows: largest peak memory"
    return Row(what, "-", f"**{peak:.0f} MiB**", f"≤ {MOST_MEBIBYTES} MiB", peak <= MOST_MEBIBYTES, raw)


def _told(usages: list[Usage]) -> str:
    seconds = statistics.median(usage.seconds for usage in usages)
    return f"{seconds:.3g} s, {max(usage.mebibytes for usage in usages):.0f} MiB"


def put_table(here: DeployedCloud, rows: int) -> str:
    """The URI of a table in S3."""
    key = f"raw/bench-{rows}.csv"
    here.client("s3").upload_fileobj(io.BytesIO(table(rows)), here.bucket, key)
    return f"s3://{here.bucket}/{key}"


def table(rows: int) -> bytes:
    """The real table over and over, each row with an id of its own, and now and then a bad one."""
    given = list(csv.reader(io.StringIO(dataset.csv_bytes(dataset.titanic_tables().training).decode())))
    header, passengers = given[0], given[1:]
    at = header.index("PassengerId")
    lines = [_around(row, at) for row in passengers]
    siblings = header.index("SibSp")
    bad = _around([*passengers[0][:siblings], "99", *passengers[0][siblings + 1 :]], at)
    text = io.StringIO()
    text.write(",".join(header) + "\n")
    for number in range(rows):
        before, after = bad if number % BAD_ROW == BAD_ROW - 1 else lines[number % len(lines)]
        text.write(f"{before}{FIRST_ID + number}{after}")
    return text.getvalue().encode()


def _around(row: list[str], at: int) -> tuple[str, str]:
    """A line without the field `at`: what stands before and after it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([*row[:at], "*ID*", *row[at + 1 :]])
    before, _mark, after = text.getvalue().partition("*ID*")
    return before, after


def prepare(here: DeployedCloud, source: str, run_id: str, engine: str = "polars") -> Usage:
    script = ROOT / "glue_jobs" / "prepare.py"
    arguments = ["--mode", "training", "--run_id", run_id, "--source_uri", source]
    arguments += ["--bucket", here.bucket, "--contract", str(CONTRACT), "--engine", engine]
    return run([sys.executable, str(script), *arguments], here.environment(), ROOT)


def _plain(here: DeployedCloud, source: str, run_id: str) -> Usage:
    script = ROOT / "benchmarks" / "prep_polars.py"
    return run([sys.executable, str(script), source, here.bucket, run_id], here.environment(), ROOT)


def _least(here: DeployedCloud, name: str, source: str, times: int) -> list[Usage]:
    targets = [f"s3://{here.bucket}/bench/{name}/{part}.csv" for part in PARTS]
    script = ROOT / "benchmarks" / f"{name}.py"
    python = OTHER_PYTHON if name == "prep_duckdb" else Path(sys.executable)
    command = [str(python), str(script), source, *targets]
    usages = [run(command, here.environment(), ROOT) for _ in range(times)]
    run_id = source.rpartition("/")[2].removesuffix(".csv")
    for part in PARTS:
        _compare(here, f"curated/runs/{run_id}/{part}.csv", f"bench/{name}/{part}.csv")
    return usages


def _refuse_other_results(here: DeployedCloud, rows: int) -> None:
    """A script that does less is no comparison."""
    for part in PARTS:
        _compare(here, *(f"curated/runs/{who}-{rows}/{part}.csv" for who in ("bench", "plain")))
    quarantines = [_lines(here, f"quarantine/{who}-{rows}/rejected.csv") for who in ("bench", "plain")]
    reports = [_report(here, f"runs/{who}-{rows}/data_report.json") for who in ("bench", "plain")]
    if quarantines[0] != quarantines[1] or reports[0] | reports[1] != reports[0]:
        raise RuntimeError(f"prep_polars and prepare.py tell otherwise of {rows} rows: {reports}")


def _compare(here: DeployedCloud, key: str, other: str) -> None:
    ours, theirs = _lines(here, key), _lines(here, other)
    if [len(ours), *_numbers(ours)] != [len(theirs), *_numbers(theirs)]:
        raise RuntimeError(f"{other} is not the table that {key} is")


def _report(here: DeployedCloud, key: str) -> dict[str, object]:
    body: bytes = here.client("s3").get_object(Bucket=here.bucket, Key=key)["Body"].read()
    found: dict[str, object] = json.loads(body)
    return found


def _lines(here: DeployedCloud, key: str) -> list[str]:
    body: bytes = here.client("s3").get_object(Bucket=here.bucket, Key=key)["Body"].read()
    return body.decode().splitlines()


def _numbers(lines: list[str]) -> list[list[float | None]]:
    """The first rows as numbers: libraries write 22.0 in different ways."""
    return [[float(cell) if cell else None for cell in line.split(",")] for line in islice(lines, 1, 200)]
