"""`python -m benchmarks`: measures everything and writes `docs/performance.md`; a few minutes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from benchmarks import lambdas, latency, prep, report, training
from benchmarks.clouds import deployed_cloud
from benchmarks.measure import Row, machine
from localcloud.settings import processes_of
from ops.names import ROOT


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="pairs of each comparison")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[100_000, 1_000_000], help="prep's table sizes"
    )
    parser.add_argument("--only", choices=["cloud", "training", "prep", "lambdas"], help="print one part")
    given = parser.parse_args(argv)
    described = f"{machine()}; jobs {processes_of(os.environ)}"
    rows = measure(given.times, given.rows, given.only)
    if given.only is None:
        report.write(ROOT / "docs" / "performance.md", rows, described)


def measure(times: int, sizes: list[int], only: str | None) -> list[Row]:
    rows: list[Row] = []

    def note(*found: Row) -> None:
        rows.extend(found)
        for row in found:
            print(f"{row.what}: {row.figure} (target {row.target})", flush=True)  # noqa: T201 - a command

    with deployed_cloud() as here:
        if only in (None, "training"):
            note(training.measure(here, times))
        if only in (None, "cloud"):
            note(latency.from_nothing(times), *latency.measure(here, 40 * times))
        if only in (None, "prep"):
            note(*prep.measure(here, sizes, max(3, times // 2)))
    if only in (None, "lambdas"):
        note(*lambdas.measure(times))
    return rows


if __name__ == "__main__":
    main()
