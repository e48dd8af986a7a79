"""The preparation job on the Spark of one machine against the same job on Polars: for what it is worth.

Needs pyspark (`make test-spark` installs it) and Java; without them the row says so.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from benchmarks import prep
from benchmarks.clouds import DeployedCloud
from benchmarks.measure import Pairs, Row, Target

ROWS = (100_000, 1_000_000)
TIMES = 3
NOT_HERE = "not measured: no pyspark or no Java here"


def measure(here: DeployedCloud) -> list[Row]:
    what = f"prep on Spark, one machine, {ROWS[-1]:,} rows".replace(",", " ")
    if not (find_spec("pyspark") and shutil.which("java")):
        return [Row(what, "the same job on Polars", NOT_HERE, "shown", None, {})]
    found = {rows: _pairs(here, rows) for rows in ROWS}
    row = Row.of_pairs(what, "the same job on Polars", found[ROWS[-1]], Target())
    row.raw["fewer"] = {"rows": ROWS[0], "ours": found[ROWS[0]].ours, "against": found[ROWS[0]].against}
    return [row]


def _pairs(here: DeployedCloud, rows: int) -> Pairs:
    source, pairs = prep.put_table(here, rows), Pairs()
    for _ in range(TIMES):
        for engine, seconds in (("spark", pairs.ours), ("polars", pairs.against)):
            seconds.append(prep.prepare(here, source, f"bench-{engine}", engine).seconds)
    return pairs
