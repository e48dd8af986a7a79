"""`python -m benchmarks`: measures and writes `docs/performance.md` with its plot; a quarter hour.

`python -m benchmarks suite` measures `make test` and `make demo`, which takes longer than all the rest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator, Sequence

from benchmarks import batch, endpoint, lambdas, latency, prep, report, spark, suite, training
from benchmarks.clouds import deployed_cloud
from benchmarks.measure import Row, machine
from localcloud.settings import processes_of
from ops.names import ROOT

PARTS = ("training", "cloud", "prep", "spark", "batch", "endpoint", "lambdas")
DOCUMENT = ROOT / "docs" / "performance.md"
LANDED_BEFORE = "eea6e3a"  # what the work before this one ended with


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="pairs of each comparison")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000], help="table sizes"
    )
    parser.add_argument("--only", choices=PARTS, help="print one part")
    parser.add_argument("what", nargs="?", choices=["suite"], help="the suite and the demo instead")
    parser.add_argument("--against", default=LANDED_BEFORE, metavar="COMMIT", help="for the suite")
    given = parser.parse_args(argv)
    described = f"{machine()}; jobs {processes_of(os.environ)}"
    stand, stood_on = report.standing(DOCUMENT)
    if given.what:
        found = _noted(iter(suite.measure(given.against)))
        others = [row for row in stand if row.what not in suite.ROWS]
        report.write(DOCUMENT, [*others, *found], stood_on)
        return
    rows = _noted(measure(given.times, given.rows, given.only))
    if given.only is None:
        report.write(DOCUMENT, [*rows, *(row for row in stand if row.what in suite.ROWS)], described)
        _draw()


def measure(times: int, sizes: list[int], only: str | None) -> Iterator[Row]:
    wanted = {only} if only else set(PARTS)
    with deployed_cloud() as here:
        if "training" in wanted:
            yield training.measure(here, times)
        if "cloud" in wanted:
            yield latency.from_nothing(times)
            yield from latency.measure(here, 40 * times)
        if "endpoint" in wanted:
            yield from endpoint.measure(here, times)
    for part, module in (("prep", prep), ("batch", batch)):
        if part in wanted:
            with deployed_cloud() as here:
                yield from module.measure(here, sizes, max(3, times // 2))
    if "spark" in wanted:
        with deployed_cloud() as here:
            yield from spark.measure(here)
    if "lambdas" in wanted:
        yield from lambdas.measure(times)


def _noted(found: Iterator[Row]) -> list[Row]:
    """The rows, each told as it comes."""
    rows = []
    for row in found:
        rows.append(row)
        print(f"{row.what}: {row.figure} (target {row.target})", flush=True)  # noqa: T201 - a command
    return rows


def _draw() -> None:
    files = [str(DOCUMENT.with_suffix(suffix)) for suffix in (".json", ".svg")]
    subprocess.run([prep.OTHER_PYTHON, str(ROOT / "benchmarks" / "plot.py"), *files], check=True)


if __name__ == "__main__":
    main()
