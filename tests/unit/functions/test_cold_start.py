"""What a cold start does not do. How long it takes is measured in `benchmarks/lambdas.py`."""

from __future__ import annotations

import os
import subprocess
import sys

STARTS = """
import gc, sys

def collections():
    return sum(generation["collections"] for generation in gc.get_stats())

import functions
before = collections()
import functions.smoke_test.handler
from functions.common.clients import client
client("sagemaker-runtime"), client("s3"), client("sagemaker")
print(collections() - before, "boto3" in sys.modules, "aws_lambda_powertools.utilities.parser" in sys.modules)
"""


def test_a_cold_start_collects_no_garbage_and_imports_no_more_than_it_needs() -> None:
    region = {"AWS_DEFAULT_REGION": "eu-west-1", "POWERTOOLS_TRACE_DISABLED": "1"}
    told = subprocess.run(
        [sys.executable, "-c", STARTS],
        env=dict(os.environ) | region,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == ["0", "False", "False"]
