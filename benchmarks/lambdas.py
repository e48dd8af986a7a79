"""Each function's cold start: its handler imported, its clients made; against boto3 and the same clients."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Pairs, Row, Target
from localcloud import processes
from ops import bundles
from ops.names import ROOT

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "LAMBDA_TASK_ROOT": "/var/task",
    "PYTHONPATH": str(ROOT),
}
TIMED = "import time; start = time.perf_counter()\n{work}\nprint(time.perf_counter() - start)"
MEGABYTE = 1_000_000


def measure(times: int) -> list[Row]:
    names = sorted(folder.parent.name for folder in (ROOT / "functions").glob("*/handler.py"))
    found = {name: _cold_start(name, times) for name in names}
    worst = max(found, key=lambda name: statistics.median(found[name].ratios))
    every = Pairs([s for p in found.values() for s in p.ours], [s for p in found.values() for s in p.against])
    sizes = {name: len(bundles.build_function_zip(ROOT, name)) for name in names}
    largest = max(sizes, key=lambda name: sizes[name])
    row = Row.of_pairs(
        f"Lambda cold start, all {len(names)} functions",
        "boto3 and the same clients",
        every,
        Target(most=1.4),
    )
    row.raw["functions"] = {name: {"ours": p.ours, "against": p.against} for name, p in found.items()}
    return [
        row,
        Row.of_pairs(
            f"Lambda cold start, the worst: `{worst}`",
            "boto3 and its clients",
            found[worst],
            Target(most=1.4),
        ),
        Row(
            "Lambda zips without the layer",
            "-",
            f"largest **{sizes[largest] / 1000:.0f} kB** (`{largest}`)",
            "< 1 MB",
            sizes[largest] < MEGABYTE,
            sizes,
        ),
    ]


def clients_of(handler: Path) -> list[str]:
    """The services for which a handler asks `client("…")`."""
    calls = [node for node in ast.walk(ast.parse(handler.read_text())) if isinstance(node, ast.Call)]
    return sorted(
        {
            str(call.args[0].value)
            for call in calls
            if isinstance(call.func, ast.Name)
            and call.func.id == "client"
            and call.args
            and isinstance(call.args[0], ast.Constant)
        }
    )


def _cold_start(name: str, times: int) -> Pairs:
    services = clients_of(ROOT / "functions" / name / "handler.py")
    ours = f"import functions.{name}.handler\nfrom functions.common.clients import client\n"
    ours += "\n".join(f"client({service!r})" for service in services)
    against = "import boto3\n" + "\n".join(f"boto3.client({service!r})" for service in services)
    pairs = Pairs()
    _seconds(ours)  # compiles it
    for _ in range(times):
        pairs.ours.append(_seconds(ours))
        pairs.against.append(_seconds(against))
    return pairs


def _seconds(work: str) -> float:
    told = subprocess.run(
        [sys.executable, "-c", TIMED.format(work=work)],
        env={**processes.base_environment(), **ENVIRONMENT},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(told.stdout.split()[-1])
