"""The preparation job on the Spark of one machine against the same on Polars, and when Spark on Glue pays.

Needs pyspark, which `make bench` installs, and Java; without them the rows say so.
"""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Mapping
from importlib.util import find_spec

from benchmarks import prep
from benchmarks.clouds import DeployedCloud
from benchmarks.measure import Pairs, Row, Target, grouped
from ops.cost import scale
from ops.cost.facts import Facts
from ops.cost.prices import Prices

FEWER, MORE = 100_000, 1_000_000
TIMES = 3
NOT_HERE = "not measured: no pyspark or no Java here"


def measure(here: DeployedCloud) -> list[Row]:
    what, against = f"prep on Spark, one machine, {grouped(MORE)} rows", "the same job on Polars"
    if not (find_spec("pyspark") and shutil.which("java")):
        return [Row(what, against, NOT_HERE, "shown", None, {})]
    found = {rows: _pairs(here, rows) for rows in (FEWER, MORE)}
    return [Row.of_pairs(what, against, found[MORE], Target()), _pays(found, Prices(here.names.region))]


def _pays(found: Mapping[int, Pairs], prices: Prices) -> Row:
    """Below what one worker can do with Polars, Spark costs as many times more as it needs workers."""
    [limit, *_] = [one for one in scale.limits(Facts(), prices) if one.of == "both"]
    spark, polars = (_seconds_a_row(found, engine) for engine in ("ours", "against"))
    workers = math.ceil(spark / polars)
    start = statistics.median(found[FEWER].ours) - FEWER * spark
    figure = (
        f"from **{limit.most_rows / 1e6:,.0f} million rows**, where one worker with Polars ends"
        f" ({limit.what}); below, Spark takes {start:.0f} s to start and {spark * 1e6:.1f} against"
        f" {polars * 1e6:.1f} µs a row: {workers} workers are as fast as one"
    )
    raw = {str(rows): {"ours": pairs.ours, "against": pairs.against} for rows, pairs in found.items()}
    return Row("prep on Glue: when Spark pays", "one worker with Polars", figure, "shown", None, raw)


def _seconds_a_row(found: Mapping[int, Pairs], engine: str) -> float:
    seconds = {rows: statistics.median(vars(pairs)[engine]) for rows, pairs in found.items()}
    return float(seconds[MORE] - seconds[FEWER]) / (MORE - FEWER)


def _pairs(here: DeployedCloud, rows: int) -> Pairs:
    source, pairs = prep.put_table(here, rows), Pairs()
    for _ in range(TIMES):
        for engine, seconds in (("spark", pairs.ours), ("polars", pairs.against)):
            seconds.append(prep.prepare(here, source, f"bench-{engine}", engine).seconds)
    return pairs
