"""Monitoring job: whether what an endpoint was asked still looks like what its model was evaluated on.

Started by the Lambda `start_monitoring` for one day of captured requests. Writes statistics.json and
constraint_violations.json in Model Monitor's layout, see `data_quality`, and leaves "CompletedWithViolations"
as the job's exit message where there are any. Its metrics are log lines in CloudWatch's embedded format.

    python3 monitor.py --captured DIR --baseline DIR --report DIR --endpoint NAME
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

if TYPE_CHECKING or __package__:  # job.py says why there are two ways
    from . import data_quality, job
else:
    import data_quality
    import job

PROCESSING = Path("/opt/ml/processing")
NAMESPACE = "TitanicSagemaker"  # as functions/common/observability.py has it
OUR_OWN = "smoke-test"  # inference id of the questions that a promotion asks: functions/common/smoke.py
STATISTICS, CONSTRAINTS, VIOLATIONS = "statistics.json", "constraints.json", "constraint_violations.json"


def main(argv: Sequence[str] | None = None) -> int:
    return job.run(parser(), monitor, argv)


def parser() -> job.Parser:
    parser = job.Parser("Compare captured requests with the baseline of the model that answered them.")
    parser.add_argument("--captured", type=Path, default=PROCESSING / "input" / "captured")
    parser.add_argument("--baseline", type=Path, default=PROCESSING / "input" / "baseline")
    parser.add_argument("--report", type=Path, default=PROCESSING / "output" / "report")
    parser.add_argument("--endpoint", required=True, help="whose requests they are, for the metrics")
    parser.add_argument("--message-file", type=Path, help="where the outcome, or a failure's reason, is left")
    return parser


def monitor(arguments: argparse.Namespace) -> None:
    contract = job.read_contract(arguments.contract)
    baseline = read_baseline(arguments.baseline / STATISTICS)
    constraints = read_baseline(arguments.baseline / CONSTRAINTS)
    rows, unreadable = captured_rows(arguments.captured, len(contract.features))
    statistics = data_quality.statistics(contract.features, rows, data_quality.edges_of(baseline))
    found = [*not_rows(unreadable, len(rows)), *data_quality.violations(statistics, baseline, constraints)]
    arguments.report.mkdir(parents=True, exist_ok=True)
    write_json(arguments.report / STATISTICS, statistics)
    write_json(arguments.report / VIOLATIONS, {"violations": found})
    print(f"{len(rows)} rows of requests, {len(found)} violations", flush=True)
    for line in metrics(arguments.endpoint, len(rows), found, data_quality.distances(statistics, baseline)):
        print(line, flush=True)
    leave_message(arguments.message_file, found)


def read_baseline(path: Path) -> dict[str, Any]:
    """Raises `MissingInput`."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise job.MissingInput(
            f"{path.name} cannot be read: {error!r}. The model version was evaluated before there were "
            "baselines for monitoring, or its evaluation is gone: train and promote a new one."
        ) from error
    return document


def captured_rows(folder: Path, columns: int) -> tuple[Numbers, int]:
    """Every row of every captured request, missing values as NaN, and how many lines are no such rows.

    Raises `MissingInput` when nothing was captured.
    """
    files = sorted(folder.rglob("*.jsonl"))
    if not files:
        raise job.MissingInput(f"{folder} holds no captured requests: was the endpoint asked on that day?")
    rows, unreadable = [], 0
    for line in (line for path in files for line in _requests(path)):
        row = _numbers(line, columns)
        if row is None:
            unreadable += 1
        else:
            rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns), unreadable


def not_rows(unreadable: int, rows: int) -> list[dict[str, str]]:
    """The violation of requests that hold anything but the features."""
    if not unreadable:
        return []
    text = f"{unreadable} of {unreadable + rows} lines are not the features as numbers, or not that many"
    return [{"feature_name": "", "constraint_check_type": "data_type_check", "description": text}]


def metrics(
    endpoint: str, rows: int, found: Sequence[dict[str, str]], distances: dict[str, float]
) -> Iterator[str]:
    """Log lines that CloudWatch turns into metrics."""
    counts = {"MonitoredRows": rows, "DataQualityViolations": len(found)}
    yield _embedded({"endpoint": endpoint}, counts)
    for feature, distance in distances.items():
        yield _embedded({"endpoint": endpoint, "feature": feature}, {"BaselineDrift": round(distance, 6)})


def leave_message(path: Path | None, found: Sequence[dict[str, str]]) -> None:
    """Model Monitor's own words for how an execution ended."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with_them = f"CompletedWithViolations: Job completed successfully with {len(found)} violations."
        path.write_text(with_them if found else "Completed: Job completed successfully with no violations.")


def write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _requests(path: Path) -> Iterator[str]:
    """The lines of what others asked, as CSV: a promotion's own questions are partly made up."""
    for record in path.read_text(encoding="utf-8").splitlines():
        document = json.loads(record)
        asked = document["captureData"].get("endpointInput")
        if asked and document["eventMetadata"].get("inferenceId") != OUR_OWN:
            data = asked["data"]
            text = base64.b64decode(data).decode(errors="replace") if asked["encoding"] == "BASE64" else data
            yield from text.strip().splitlines()


def _numbers(line: str, columns: int) -> list[float] | None:
    fields = line.split(",")
    if len(fields) != columns or not all(job.NUMBER.fullmatch(field) for field in fields if field):
        return None
    return [float(field) if field else float("nan") for field in fields]


def _embedded(dimensions: Mapping[str, str], values: Mapping[str, float]) -> str:
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": "None"} for name in values],
    }
    header = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": header, **dimensions, **values})


if __name__ == "__main__":
    sys.exit(main())
